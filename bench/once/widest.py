"""Memory of a wide layer's eigenvalues in a process of its own: ``python -m bench.once.widest C``.

Prints the peak above the matrix itself in bytes: a process that has solved one before would use
that one's memory again, unseen.
"""

import sys

import numpy as np
import tensorflow as tf

from bench.resident import Peaks


def main(channels: int) -> None:
    """Solves one matrix by TensorFlow's ordinary kernel and prints the peak."""
    run = tf.function(tf.linalg.eigvalsh)
    run(tf.eye(8, dtype=tf.float64)).numpy()
    rows = np.random.default_rng(0).standard_normal((channels, channels))
    given = tf.constant(rows + rows.T)
    del rows
    peaks = Peaks()
    before = peaks.begin()
    run(given).numpy()
    print(peaks.end() - before)


if __name__ == "__main__":
    main(int(sys.argv[1]))

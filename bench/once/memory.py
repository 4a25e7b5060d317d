"""Memory in a process of its own: ``python -m bench.once.memory NAME watched|unwatched``.

Prints what a training takes as JSON, in bytes, phase by phase. Each phase trains or reads the same
few steps several times, so that it is the peak of a training that goes on.
"""

import argparse
import json
import tempfile

import keras
import numpy as np
import tensorflow as tf

from bench.resident import Peaks
from bench.trainings import TRAININGS, Training
from nasmon import Monitor
from nasmon.capture import capture
from nasmon.taps import choose_taps, layers_of

STEPS = 4

READINGS = 4


def main() -> None:
    """Trains a model of ``TRAININGS``, watched or not, and prints bytes by phase."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", choices=TRAININGS)
    parser.add_argument("how", choices=("watched", "unwatched"))
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    made = TRAININGS[arguments.name]()
    print(json.dumps(watched(made) if arguments.how == "watched" else unwatched(made)))


def watched(made: Training) -> dict[str, int]:
    """Bytes of a training with the monitor, as one that reads at the end of each epoch.

    Returns:
        ``peak``: of the process; ``training``: peak of the part that trains; ``before``: what the
        training held when the monitor came; ``setup_peak`` and ``setup_kept``: what setting up
        added at its peak and for good; ``readings_peak`` and ``readings_kept``: what readings, one
        after another, added to that; and what a reading has to hold: ``activations`` of a chunk,
        ``states``, ``numbers`` (what it puts out).
    """
    peaks = Peaks()
    fit(made, [])
    before = peaks.begin()
    with tempfile.TemporaryDirectory() as folder:
        monitor = Monitor(made.model, made.validation, log_dir=folder, csv_path=f"{folder}/run.csv")
        setup_peak = peaks.end() - before
        after = peaks.begin()
        for step in range(READINGS):
            monitor.read(step)
        readings_peak = peaks.end() - after
        kept = peaks.begin() - after
        reading = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: monitor.read(epoch))
        fit(made, [reading], epochs=2)
        training = peaks.end()
        assert len(monitor.readings) == READINGS + 2
        assert np.isfinite(monitor.readings[-1].aggregates["trace"])
        monitor.close()
    return {
        "peak": peaks.highest,
        "training": training,
        "before": before,
        "setup_peak": setup_peak,
        "setup_kept": after - before,
        "readings_peak": readings_peak,
        "readings_kept": kept,
        **needed(made, monitor),
    }


def unwatched(made: Training) -> dict[str, int]:
    """Bytes of the same training without the monitor.

    Returns:
        ``peak`` and ``training`` as ``watched``.
    """
    peaks = Peaks()
    fit(made, [])
    before = peaks.begin()
    fit(made, [], epochs=2)
    return {"training": peaks.end(), "peak": peaks.highest, "before": before}


def fit(made: Training, callbacks: list[keras.callbacks.Callback], epochs: int = 1) -> None:
    """Epochs of ``STEPS`` steps."""
    data = made.train.take(STEPS)
    made.model.fit(data, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks)


def needed(made: Training, monitor: Monitor) -> dict[str, int]:
    """Bytes of what a reading works on, from shapes alone."""
    probe = monitor._probe
    taps = choose_taps(made.model, "auto")
    sizes: list[int] = []

    def trace(x: tf.Tensor) -> tf.Tensor:
        captured = capture(made.model, layers_of(taps), x)
        sizes.extend(_bytes(t) for tap in taps for t in tap.tensors(captured))
        return x

    tf.function(trace, autograph=False).get_concrete_function(probe.data.chunks[0])
    states = sum(_bytes(t) for t in tf.nest.flatten(probe._kernels.empty()))
    numbers = sum(info.channels * (8 + 4 * info.channels) for info in monitor.layers)
    return {"activations": sum(sizes), "states": states, "numbers": numbers}


def _bytes(tensor: tf.Tensor) -> int:
    return int(np.prod(tensor.shape)) * tensor.dtype.size


if __name__ == "__main__":
    main()

"""How few samples give every layer as many rows as its spectrum needs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from nasmon.kernels.compiled import Rows
from nasmon.kernels.rows import ROWS_PER_CHANNEL, PaddedRows, valid_count
from nasmon.probe_set import ProbeSet

FEWEST_SAMPLES = 8
"""However many positions an image has, a few images alone would not stand for the data."""


def enough_samples(given: ProbeSet, every_row: Callable[[Any], Rows], eager: bool) -> ProbeSet:
    """As many samples of a probe set as give every layer ten rows a channel.

    Args:
        given: the samples to take them from.
        every_row: the forward pass, from inputs to all rows of each layer.
        eager: whether it cannot be traced.
    """
    one = tf.nest.map_structure(lambda tensor: tensor[:1], given.chunks[0])
    if eager:
        rows = every_row(one)
    else:
        traced = tf.function(every_row, autograph=False).get_concrete_function(one)
        rows = traced.structured_outputs
    channels = [int(matrices[0].shape[1]) for matrices in rows]
    if is_padded(rows):
        samples, found = given.samples, _valid_rows(given, every_row, eager)
    else:
        samples, found = 1, np.array([sum(int(m.shape[0]) for m in own) for own in rows])
    wanted = ROWS_PER_CHANNEL * samples * np.array(channels)
    return given.first(max(FEWEST_SAMPLES, *(-(-wanted // np.maximum(1, found))).tolist()))


def is_padded(rows: Rows) -> bool:
    """Whether there may be padding among the rows of any layer."""
    return any(isinstance(matrix, PaddedRows) for matrices in rows for matrix in matrices)


def row_counts(rows: Rows) -> tf.Tensor:
    """Rows of each layer that are no padding, [layers] int64."""
    return tf.stack([tf.add_n([valid_count(m) for m in matrices]) for matrices in rows])


def _valid_rows(given: ProbeSet, every_row: Callable[[Any], Rows], eager: bool) -> np.ndarray:
    """Rows of each layer in all samples that are no padding, [layers] int64."""

    def counted(x: Any) -> tf.Tensor:
        return row_counts(every_row(x))

    # of a traced pass no more is done than the masks need
    count = counted if eager else tf.function(counted, autograph=False)
    return sum(count(chunk).numpy() for chunk in given.chunks)

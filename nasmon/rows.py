"""From activations to rows: a matrix with a row for each sample and position."""

import math

import tensorflow as tf

ROWS_PER_CHANNEL = 10
"""With fewer rows than this a channel the spectrum is a weak estimate."""


def rows_of(activations: tf.Tensor, axis: int, most: int) -> tf.Tensor:
    """[B, ..., C] -> [N, C]: all rows, or about ``most`` of them, evenly spaced.

    Neighbouring positions are so alike that of many rows a part says the same; taken inside the
    forward pass, only that part has to be kept.

    Args:
        activations: any floating-point dtype; C on ``axis``.
        axis: the axis of the channels; the others become rows.
        most: rows to take; never fewer than ``ROWS_PER_CHANNEL`` a channel if there are so many.
    """
    rank = activations.shape.rank
    axis %= rank
    if axis != rank - 1:
        order = [i for i in range(rank) if i != axis] + [axis]
        activations = tf.transpose(activations, order)
    samples, channels = activations.shape[0], activations.shape[-1]
    rows = tf.reshape(activations, [-1, channels])
    return rows[:: _stride(rows.shape[0], samples, max(most, ROWS_PER_CHANNEL * channels))]


def _stride(rows: int | None, samples: int | None, most: int) -> int:
    """How far apart the rows to take are; 1 if their number is not known."""
    if rows is None or not samples:
        return 1
    stride = max(1, rows // most)
    # without a common divisor with an image's size, so that each of its columns has its turn
    while math.gcd(stride, rows // samples) > 1:
        stride -= 1
    return stride

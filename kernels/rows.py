"""From activations to rows: a matrix with a row for each sample and position."""

import math

import tensorflow as tf

ROWS_PER_CHANNEL = 10
"""With fewer rows than this a channel the spectrum is a weak estimate."""


def rows_of(activations: tf.Tensor, axis: int, most: int, parts: int = 1) -> tf.Tensor:
    """[B, ..., C] -> [N, C]: all rows, or a part of at most ``most``, evenly spaced.

    Neighbouring positions are so alike that of many rows a part says the same; taken inside the
    forward pass, only that part has to be kept.

    Args:
        activations: any floating-point dtype; C on ``axis``.
        axis: the axis of the channels; the others become rows.
        most: rows of a reading to take; never fewer than ``ROWS_PER_CHANNEL`` a channel if there
            are so many.
        parts: how many such tensors of a layer a reading has, each with its part of the rows.
    """
    rank = activations.shape.rank
    axis %= rank
    if axis != rank - 1:
        order = [i for i in range(rank) if i != axis] + [axis]
        activations = tf.transpose(activations, order)
    channels = activations.shape[-1]
    width = activations.shape[-2] if rank > 2 else 1
    rows = tf.reshape(activations, [-1, channels])
    least = -(-ROWS_PER_CHANNEL * channels // parts)
    stride = _stride(rows.shape[0], width, max(1, most // parts), least)
    if stride == 1:
        return rows
    # on a CPU a slice with a stride takes thrice as long
    taken = rows.shape[0] // stride
    return tf.reshape(rows[: taken * stride], [taken, stride * channels])[:, :channels]


def _stride(rows: int | None, width: int | None, most: int, least: int) -> int:
    """How far apart the rows to take are; 1 if their number is not known.

    Without a common divisor with the width of an image, so that each of its columns has its turn:
    the next such stride that takes no more than ``most`` rows, or, where that takes fewer than
    ``least``, the one before.
    """
    if rows is None or width is None:
        return 1
    stride = max(1, -(-rows // most))
    while math.gcd(stride, width) > 1:
        stride += 1
    while stride > 1 and (rows // stride < least or math.gcd(stride, width) > 1):
        stride -= 1
    return stride

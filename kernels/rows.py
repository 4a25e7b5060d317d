"""From activations to rows: a matrix with a row for each sample and position.

Rows of padding must not count, but how many there are is data, and a tensor's shape must not be. So
they go behind the others, and the number of those goes along.
"""

import math
from typing import NamedTuple, TypeAlias

import tensorflow as tf

ROWS_PER_CHANNEL = 10
"""With fewer rows than this a channel the spectrum is a weak estimate."""


class PaddedRows(NamedTuple):
    """Rows of which only the first ``count`` are data; what the others hold must not matter."""

    rows: tf.Tensor  # [N, C]  floating-point
    count: tf.Tensor  # []      rows of data, int64, at most N

    @property
    def shape(self) -> tf.TensorShape:
        """Of the matrix, padding included."""
        return self.rows.shape

    @property
    def dtype(self) -> tf.DType:
        """Of the matrix."""
        return self.rows.dtype

    @property
    def there(self) -> tf.Tensor:
        """Which of the rows are data, [N] bool."""
        return tf.range(tf.shape(self.rows, out_type=tf.int64)[0]) < self.count


CallRows: TypeAlias = tf.Tensor | PaddedRows
"""The rows [N, C] that a layer put out in a call; without padding it is just the matrix."""


def rows_of(
    activations: tf.Tensor,
    axis: int,
    most: int,
    parts: int = 1,
    mask: tf.Tensor | None = None,
) -> CallRows:
    """[B, ..., C] -> [N, C]: all rows, or a part of at most ``most``, evenly spaced.

    Neighbouring positions are so alike that of many rows a part says the same; taken inside the
    forward pass, only that part has to be kept.

    Args:
        activations: any floating-point dtype; C on ``axis``.
        axis: the axis of the channels; the others become rows.
        most: rows of a reading to take; never fewer than ``ROWS_PER_CHANNEL`` a channel if there
            are so many.
        parts: how many such tensors of a layer a reading has, each with its part of the rows.
        mask: which positions are no padding, of the shape of the leading axes, or 1 in place of
            an axis; boolean, or a number that is not 0. None, or a mask of another shape, for all.

    Returns:
        The matrix; with a mask ``PaddedRows``: of the rows that are no padding as many, evenly
        spaced, as would be taken without a mask, or all of them if they are fewer.
    """
    rank = activations.shape.rank
    axis %= rank
    positions = _positions(activations, axis, mask)
    if axis != rank - 1:
        order = [i for i in range(rank) if i != axis] + [axis]
        activations = tf.transpose(activations, order)
    channels = activations.shape[-1]
    width = activations.shape[-2] if rank > 2 else 1
    rows = tf.reshape(activations, [-1, channels])
    least = -(-ROWS_PER_CHANNEL * channels // parts)
    stride = _stride(rows.shape[0], width, max(1, most // parts), least)
    if positions is not None:
        return _without_padding(rows, tf.reshape(positions, [-1]), stride)
    if stride == 1:
        return rows
    # on a CPU a slice with a stride takes thrice as long
    taken = rows.shape[0] // stride
    return tf.reshape(rows[: taken * stride], [taken, stride * channels])[:, :channels]


def valid_count(rows: CallRows) -> tf.Tensor:
    """How many rows are data, [] int64."""
    return rows.count if isinstance(rows, PaddedRows) else tf.shape(rows, out_type=tf.int64)[0]


def _positions(activations: tf.Tensor, axis: int, mask: tf.Tensor | None) -> tf.Tensor | None:
    """The mask for every position, [B, ...] bool; None if there is none, or one of another kind."""
    if mask is None or mask.shape.rank is None or mask.shape.rank > axis:
        return None
    for own, length in zip(mask.shape, activations.shape, strict=False):
        # a layer that shortens a sequence and passes its mask on
        if own not in (None, 1, length) and length is not None:
            return None
    shape = [n for i, n in enumerate(tf.unstack(tf.shape(activations))) if i != axis]
    ones = [1] * (len(shape) - mask.shape.rank)
    return tf.broadcast_to(
        tf.reshape(tf.cast(mask, tf.bool), [*tf.unstack(tf.shape(mask)), *ones]), shape
    )


def _without_padding(rows: tf.Tensor, valid: tf.Tensor, stride: int) -> PaddedRows:
    """The rows of data, in order, or as many of them as one in ``stride`` of all would be."""
    every = rows.shape[0] if rows.shape[0] is not None else tf.shape(rows, out_type=tf.int64)[0]
    place = tf.range(every, dtype=tf.int64)
    # no two are equal, so that no device's sort is free to change their order
    order = tf.sort(tf.where(valid, place, place + every)) % every
    count = tf.reduce_sum(tf.cast(valid, tf.int64))
    room = every // stride
    nth = tf.range(room, dtype=tf.int64)
    spaces = tf.maximum(tf.cast(room, tf.int64), 1)
    # as far apart as without padding, or less, so that there are enough; never the same one twice
    nth = tf.maximum(nth, tf.minimum(nth * stride, nth * count // spaces))
    taken = tf.gather(rows, tf.gather(order, nth))
    return PaddedRows(taken, tf.minimum(count, room))


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

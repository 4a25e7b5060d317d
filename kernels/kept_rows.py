"""Layers with fewer rows than channels: their rows are kept, and the smaller Gram matrix is solved.

With X the N centred rows of C channels, X'X and XX' have the same eigenvalues but for zeros. Late
layers of a classifier have N well below C in a whole reading.
"""

from collections.abc import Sequence
from typing import NamedTuple

import tensorflow as tf

from nasmon.kernels.products import dot
from nasmon.kernels.rows import CallRows, PaddedRows, valid_count


class KeptRows(NamedTuple):
    """The rows of a layer so far."""

    count: tf.Tensor  # []      rows seen, int64; those beyond it are zeros
    rows: tf.Tensor  # [N, C]  float32


class Grams(NamedTuple):
    """Both products of centred rows with themselves, over the degrees of freedom."""

    covariance: tf.Tensor  # [C, C] float64
    rows: tf.Tensor  # [N, N] float64, with the same eigenvalues but for zeros


def empty(most: int, channels: int) -> KeptRows:
    """The state of no rows, with room for ``most``."""
    return KeptRows(tf.zeros([], tf.int64), tf.zeros([most, channels]))


def merge(a: KeptRows, b: KeptRows) -> KeptRows:
    """The rows of both, those of ``a`` first: associative, with ``empty`` as identity.

    In another order they are the same rows in another order, of which ``grams`` makes the same.

    Args:
        a: rows [..., N, C], with room for those of ``b``; also several such states, stacked.
        b: rows [..., M, C]; its room may be smaller or larger than that of ``a``, and what is in
            it beyond its count does not matter.

    Example:
        >>> one, other = (keep(empty(2, 1), tf.constant([[x]])) for x in (1.0, 2.0))
        >>> merge(one, other).rows.numpy().tolist()
        [[1.0], [2.0]]
    """
    if not b.rows.shape[-2]:
        return a
    place = tf.range(a.rows.shape[-2], dtype=tf.int64)
    behind = place - a.count[..., None]
    taken = tf.clip_by_value(behind, 0, b.rows.shape[-2] - 1)
    added = tf.gather(b.rows, taken, axis=-2, batch_dims=a.rows.shape.rank - 2)
    added = tf.where((behind < b.count[..., None])[..., None], added, 0)
    return KeptRows(a.count + b.count, tf.where((behind < 0)[..., None], a.rows, added))


def keep(state: KeptRows, rows: CallRows) -> KeptRows:
    """The state after more rows.

    Args:
        state: with room for them, those of padding aside.
        rows: [n, C] float16, bfloat16 or float32; or ``PaddedRows`` of such.
    """
    if isinstance(rows, PaddedRows):
        return merge(state, KeptRows(rows.count, tf.cast(rows.rows, tf.float32)))
    count = tf.constant(rows.shape[0], tf.int64)
    return merge(state, KeptRows(count, tf.cast(rows, tf.float32)))


def keep_all(states: KeptRows, matrices: Sequence[CallRows]) -> KeptRows:
    """The states of several layers, stacked, after more rows of each; as ``keep``.

    Args:
        states: with room for them.
        matrices: for each layer [n, C], the same n for all.
    """
    counts = [valid_count(rows) for rows in matrices]
    added = [rows.rows if isinstance(rows, PaddedRows) else rows for rows in matrices]
    return merge(
        states, KeptRows(tf.stack(counts), tf.stack([tf.cast(m, tf.float32) for m in added]))
    )


def grams(state: KeptRows) -> Grams:
    """The unbiased covariance of the rows, and its counterpart among rows; or several, stacked.

    All NaN with fewer than two rows, where no variance is defined.
    """
    count = state.count[..., None, None]
    there = tf.range(state.rows.shape[-2], dtype=tf.int64)[:, None] < count
    centred = state.rows
    # twice: the first mean is rounded to float32, which an offset makes coarse
    for _ in range(2):
        total = tf.reduce_sum(tf.cast(centred, tf.float64), axis=-2, keepdims=True)
        mean = tf.math.divide_no_nan(total, tf.cast(count, tf.float64))
        centred = tf.where(there, centred - tf.cast(mean, tf.float32), 0)
    freedom = tf.cast(count, tf.float64) - 1
    freedom = tf.where(freedom > 0, freedom, tf.constant(float("nan"), tf.float64))
    products = (dot(centred, centred, axis) for axis in (0, 1))
    return Grams(*(tf.cast(product, tf.float64) / freedom for product in products))

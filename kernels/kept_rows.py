"""Layers with fewer rows than channels: their rows are kept, and the smaller Gram matrix is solved.

With X the N centred rows of C channels, X'X and XX' have the same eigenvalues but for zeros. Late
layers of a classifier have N well below C in a whole reading.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nasmon.kernels.products import dot
from nasmon.kernels.rows import CallRows, PaddedRows, valid_count
from nasmon.kernels.state_arrays import Field, arrays_of_state, refuse_arrays, state_of_arrays


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


def to_arrays(state: KeptRows) -> dict[str, np.ndarray]:
    """The state as arrays on the host, for ``np.savez``, a queue or another machine.

    Args:
        state: with room for N rows of C channels, or a stack of such states; not inside a
            ``tf.function``.

    Returns:
        ``count`` [...] int64 and ``rows`` [..., N, C] float32, the room that is left among them.
    """
    return arrays_of_state(state)


def from_arrays(arrays: Mapping[str, Any]) -> KeptRows:
    """The state that ``to_arrays`` made these arrays of, to the last bit.

    Shards are merged into a state with room for the rows of all: begin with such an ``empty``.

    Args:
        arrays: what ``to_arrays`` returned, or the file that ``np.savez`` wrote of it.

    Raises:
        ValueError: they are no such state: another field, dtype or shape, or a count below 0 or
            above N.

    Example:
        >>> shards = [to_arrays(keep(empty(1, 2), tf.constant([[x, 0.0]]))) for x in (1.0, 2.0)]
        >>> state = empty(2, 2)
        >>> for shard in shards:
        ...     state = merge(state, from_arrays(shard))
        >>> state.rows.numpy().tolist()
        [[1.0, 0.0], [2.0, 0.0]]
    """
    state = state_of_arrays(KeptRows, _FIELDS, arrays)
    most, room = int(tf.reduce_max(state.count)), state.rows.shape[-2]
    if most > room:
        refuse_arrays(KeptRows, f"count is {most}, of rows that have room for {room}")
    return state


_FIELDS = {"count": Field("int64"), "rows": Field("float32", "NC")}

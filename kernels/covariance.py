"""Streaming covariance of rows, exact under any chunking.

The pairwise update of Chan, Golub and LeVeque ("Algorithms for computing the sample variance",
The American Statistician 37, 1983) joins chunks, devices and machines alike; ``update`` is a merge
with the statistics of the new rows, so the algebra exists once.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nasmon.kernels.products import Products, outer, products
from nasmon.kernels.rows import CallRows
from nasmon.kernels.state_arrays import Field, arrays_of_state, state_of_arrays


class CovarianceState(NamedTuple):
    """What is known of a stream of rows; its shapes and dtypes never change.

    ``merge`` and ``covariance`` also take several streams at once, stacked along leading axes.
    """

    count: tf.Tensor  # []      rows seen, int64 (a float32 count stops being exact at 2**24)
    mean: tf.Tensor  # [C]     mean of the rows, float64
    scatter: tf.Tensor  # [C, C]  sum of centred outer products, float64


def empty(channels: int) -> CovarianceState:
    """The state of no rows, the identity of ``merge``.

    Args:
        channels: number of columns C of the rows to come, at least 1.

    Raises:
        ValueError: ``channels`` is below 1.
    """
    if channels < 1:
        raise ValueError(f"channels is {channels}; a row needs at least one channel")
    return CovarianceState(
        tf.zeros([], tf.int64),
        tf.zeros([channels], tf.float64),
        tf.zeros([channels, channels], tf.float64),
    )


def from_rows(rows: CallRows) -> CovarianceState:
    """The state of one chunk of rows, in one pass over them.

    Args:
        rows: [N, C] float16, bfloat16, float32 or float64; N may be 0. float64 rows are shifted in
            float64, the others in float32. Or ``PaddedRows`` of such, whose padding does not count,
            whatever it holds.

    Returns:
        The state; count 0, mean 0 and scatter 0 for no rows. A non-finite row makes the entries of
        mean and scatter that it enters non-finite.

    Raises:
        ValueError: ``rows`` is not a matrix of floating-point numbers.
    """
    return from_products(products(rows))


def from_products(sums: Products) -> CovarianceState:
    """The state of the rows behind ``sums``, or the states of several chunks, stacked."""
    shifted = tf.cast(sums.products, tf.float64)
    return from_sums(sums.count, sums.shift, shifted[..., 0, 1:], shifted[..., 1:, 1:])


def from_sums(
    count: tf.Tensor, shift: tf.Tensor, sums: tf.Tensor, products: tf.Tensor
) -> CovarianceState:
    """The state of rows from which a shift was taken; or several, stacked.

    Args:
        count: [] int64, rows.
        shift: [C] float64, near their mean.
        sums: [C] float64, of the shifted rows.
        products: [C, C] float64, of the shifted rows with themselves.
    """
    rows = tf.cast(count, tf.float64)
    # the provisional mean missed by offset, which every product carries once a row
    offset = tf.math.divide_no_nan(sums, rows[..., None])
    scatter = products - rows[..., None, None] * outer(offset, offset)
    return CovarianceState(count, shift + offset, scatter)


def merge(a: CovarianceState, b: CovarianceState) -> CovarianceState:
    """The state of the rows of both: associative, with ``empty`` as identity.

    Args:
        a: state of C channels, or a stack of such states.
        b: state or stack of the same shapes.

    Example:
        >>> one, other = (from_rows(tf.constant([[x], [x + 2.0]])) for x in (0.0, 4.0))
        >>> merge(one, other).mean.numpy().tolist()
        [3.0]
    """
    count_a, count_b = tf.cast(a.count, tf.float64), tf.cast(b.count, tf.float64)
    share_b = tf.math.divide_no_nan(count_b, count_a + count_b)
    delta = b.mean - a.mean
    return CovarianceState(
        a.count + b.count,
        a.mean + delta * share_b[..., None],
        a.scatter + b.scatter + outer(delta, delta) * (count_a * share_b)[..., None, None],
    )


def update(state: CovarianceState, rows: CallRows) -> CovarianceState:
    """The state after more rows; see ``from_rows`` for what rows may be.

    Example:
        >>> state = update(empty(2), tf.constant([[1.0, 0.0], [3.0, 0.0]]))
        >>> covariance(update(state, tf.constant([[5.0, 3.0]]))).numpy().tolist()
        [[4.0, 3.0], [3.0, 3.0]]
    """
    return merge(state, from_rows(rows))


def covariance(state: CovarianceState) -> tf.Tensor:
    """The unbiased covariance, [..., C, C] float64, in squared units of the rows.

    All NaN with fewer than two rows, where no variance is defined.
    """
    freedom = tf.cast(state.count, tf.float64) - 1
    undefined = tf.constant(float("nan"), tf.float64)
    return state.scatter / tf.where(freedom > 0, freedom, undefined)[..., None, None]


def to_arrays(state: CovarianceState) -> dict[str, np.ndarray]:
    """The state as arrays on the host, for ``np.savez``, a queue or another machine.

    Args:
        state: of C channels, or a stack of such states; not inside a ``tf.function``.

    Returns:
        ``count`` [...] int64, ``mean`` [..., C] float64 and ``scatter`` [..., C, C] float64.
    """
    return arrays_of_state(state)


def from_arrays(arrays: Mapping[str, Any]) -> CovarianceState:
    """The state that ``to_arrays`` made these arrays of, to the last bit.

    The states of shards, merged in any order and grouping, are that of all their rows but for
    rounding.

    Args:
        arrays: what ``to_arrays`` returned, or the file that ``np.savez`` wrote of it.

    Raises:
        ValueError: they are no such state: another field, dtype or shape, or a count below 0.

    Example:
        >>> shard = to_arrays(from_rows(tf.constant([[1.0], [3.0]])))
        >>> sorted(shard), shard["mean"].tolist()
        (['count', 'mean', 'scatter'], [2.0])
        >>> int(merge(from_arrays(shard), from_arrays(shard)).count)
        4
    """
    return state_of_arrays(CovarianceState, _FIELDS, arrays)


_FIELDS = {
    "count": Field("int64"),
    "mean": Field("float64", "C"),
    "scatter": Field("float64", "CC"),
}

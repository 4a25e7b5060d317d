"""Streaming covariance of rows, exact under any chunking.

The pairwise update of Chan, Golub and LeVeque ("Algorithms for computing the sample variance",
The American Statistician 37, 1983) joins chunks, devices and machines alike; ``update`` is a merge
with the statistics of the new rows, so the algebra exists once.
"""

from typing import NamedTuple

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.compiler.xla import xla_data_pb2

SHIFT_ROWS = 64
"""Rows averaged for the provisional mean: its error, an eighth of a standard deviation, adds about
1/64 to the float32 rounding of the product; more rows would only cost time."""


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


def from_rows(rows: tf.Tensor) -> CovarianceState:
    """The state of one chunk of rows, in one pass over them.

    The rows are shifted by a provisional mean and a column of ones is put beside them: one float32
    product at the highest precision then yields the products and the column sums together.

    Args:
        rows: [N, C] float16, bfloat16, float32 or float64; N may be 0. float64 rows are shifted in
            float64, the others in float32.

    Returns:
        The state; count 0, mean 0 and scatter 0 for no rows. A non-finite row makes the entries of
        mean and scatter that it enters non-finite.

    Raises:
        ValueError: ``rows`` is not a matrix of floating-point numbers.
    """
    _check_rows(rows)
    working = tf.float64 if rows.dtype == tf.float64 else tf.float32
    shift = _provisional_mean(rows, working)
    centred = tf.cast(tf.cast(rows, working) - shift, tf.float32)
    augmented = tf.concat([centred, tf.ones_like(centred[:, :1])], axis=1)
    products = tf.cast(_gram(augmented), tf.float64)
    count = tf.shape(rows, out_type=tf.int64)[0]
    offset = tf.math.divide_no_nan(products[:-1, -1], tf.cast(count, tf.float64))
    return CovarianceState(
        count,
        tf.cast(shift, tf.float64) + offset,
        # the provisional mean missed by offset, which every product carries once a row
        products[:-1, :-1] - tf.cast(count, tf.float64) * _outer(offset),
    )


def merge(a: CovarianceState, b: CovarianceState) -> CovarianceState:
    """The state of the rows of both: associative, with ``empty`` as identity.

    Args:
        a: state of C channels, or a stack of such states.
        b: state or stack of the same shapes.
    """
    count_a, count_b = tf.cast(a.count, tf.float64), tf.cast(b.count, tf.float64)
    share_b = tf.math.divide_no_nan(count_b, count_a + count_b)
    delta = b.mean - a.mean
    return CovarianceState(
        a.count + b.count,
        a.mean + delta * share_b[..., None],
        a.scatter + b.scatter + _outer(delta) * (count_a * share_b)[..., None, None],
    )


def update(state: CovarianceState, rows: tf.Tensor) -> CovarianceState:
    """The state after more rows; see ``from_rows`` for what rows may be."""
    return merge(state, from_rows(rows))


def covariance(state: CovarianceState) -> tf.Tensor:
    """The unbiased covariance, [..., C, C] float64, in squared units of the rows.

    All NaN with fewer than two rows, where no variance is defined.
    """
    freedom = tf.cast(state.count, tf.float64) - 1
    undefined = tf.constant(float("nan"), tf.float64)
    return state.scatter / tf.where(freedom > 0, freedom, undefined)[..., None, None]


def _check_rows(rows: tf.Tensor) -> None:
    if rows.shape.rank != 2 or not rows.dtype.is_floating:
        raise ValueError(
            f"rows have shape {rows.shape} and dtype {rows.dtype.name}; pass a floating-point "
            "matrix [N, C], for instance tf.reshape(activations, [-1, C])"
        )


def _provisional_mean(rows: tf.Tensor, working: tf.DType) -> tf.Tensor:
    """Mean of about SHIFT_ROWS rows, evenly spaced, in the dtype ``working``; [C]."""
    count = rows.shape[0] if rows.shape[0] is not None else tf.shape(rows)[0]
    sample = tf.cast(rows[:: (count + SHIFT_ROWS - 1) // SHIFT_ROWS or 1], working)
    size = tf.cast(tf.shape(sample)[0], working)
    return tf.math.divide_no_nan(tf.reduce_sum(sample, axis=0), size)


def _gram(rows: tf.Tensor) -> tf.Tensor:
    """rows' rows in float32, never in a GPU's coarser TF32.

    The precision is asked for in the product itself: TensorFlow's own switch is global and would
    change the user's training.
    """
    dimensions = xla_data_pb2.DotDimensionNumbers(
        lhs_contracting_dimensions=[0], rhs_contracting_dimensions=[0]
    )
    highest = xla_data_pb2.PrecisionConfig.HIGHEST
    precision = xla_data_pb2.PrecisionConfig(operand_precision=[highest, highest])
    return gen_xla_ops.xla_dot_v2(
        lhs=rows,
        rhs=rows,
        dimension_numbers=dimensions.SerializeToString(),
        precision_config=precision.SerializeToString(),
        preferred_element_type=tf.float32,
    )


def _outer(vector: tf.Tensor) -> tf.Tensor:
    return vector[..., :, None] * vector[..., None, :]

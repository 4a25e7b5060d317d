"""One pass over a chunk of rows: shifted products, in blocks that stay in a core's cache."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops
from tensorflow.compiler.xla import xla_data_pb2

from nasmon.kernels.rows import CallRows, PaddedRows, valid_count

SHIFT_ROWS = 64
"""Rows averaged for the provisional mean: its error, an eighth of a standard deviation, adds about
1/64 to the float32 rounding of the product; more rows would only cost time."""

LEAST_PART, MOST_PARTS = 170, 3
"""Columns are multiplied in up to three parts of at least so many, and each pair of parts once:
a third of the operations is spared by symmetry. More or smaller parts are slower products."""

SLAB, SLAB_IN_PARTS = 2**18, 2**20
"""Numbers in a slab of shifted rows: measured, 1 MB stays in a core's cache; in parts, fewer rows
make the products slow."""

MOST_AT_ONCE = 2**20
"""Of more numbers slabs pay: their loop doubles the time that a layer takes to compile."""


class Products(NamedTuple):
    """Sums over the rows of a chunk, shifted by a provisional mean; also several, stacked."""

    count: tf.Tensor  # []      rows, int64
    shift: tf.Tensor  # [C]     what was taken from each row, float64
    products: tf.Tensor  # [1 + C, 1 + C]  of (1, shifted row) with itself, float32 or float64


def products(rows: CallRows, shift: tf.Tensor | None = None) -> Products:
    """What one pass over a chunk of rows yields; ``from_products`` makes a state of it.

    The rows are shifted by a provisional mean and a column of ones is put beside them: one float32
    product at the highest precision then yields the products and the column sums together. Many
    rows go through it in slabs, so that nothing of the size of the rows is ever written; the slabs
    are added in float64. Rows of padding become zeros, the one beside them too.

    Args:
        rows: as for ``from_rows``.
        shift: [C] what to take from each row, in ``working_dtype(rows)``; the mean of a ``sample``
            of them if None.

    Raises:
        ValueError: as for ``from_rows``.
    """
    matrix = rows.rows if isinstance(rows, PaddedRows) else rows
    _check_rows(matrix)
    working = working_dtype(rows)
    if shift is None:
        rows_of_sample = sample(rows)
        size = tf.cast(tf.shape(rows_of_sample)[0], working)
        shift = tf.math.divide_no_nan(tf.reduce_sum(rows_of_sample, axis=0), size)

    cuts = _cuts(matrix.shape[1])

    def of_slab(first: int | tf.Tensor, height: int | tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
        # each part is shifted straight out of the rows, or a slab of them is copied before
        slabs = (
            tf.slice(matrix, [first, begin], [height, end - begin]) for begin, end in pairwise(cuts)
        )
        shifts = (shift[begin:end] for begin, end in pairwise(cuts))
        parts = [
            tf.cast(tf.cast(slab, working) - own, tf.float32)
            for slab, own in zip(slabs, shifts, strict=True)
        ]
        parts[0] = tf.concat([tf.ones_like(parts[0][:, :1]), parts[0]], axis=1)
        if isinstance(rows, PaddedRows):
            there = tf.slice(rows.there, [first], [height])[:, None]
            # not a product, which NaN in the padding would survive
            parts = [tf.where(there, part, tf.zeros_like(part)) for part in parts]
        return _symmetric([[dot(a, b) for b in parts[i:]] for i, a in enumerate(parts)])

    summed = _over_slabs(matrix, of_slab)
    return Products(valid_count(rows), tf.cast(shift, tf.float64), summed)


def sample(rows: CallRows) -> tf.Tensor:
    """SHIFT_ROWS rows, evenly spaced, or all if there are no more; in ``working_dtype(rows)``.

    Of rows with padding those of data alone, some of them repeatedly if they are few; zeros if
    there are none.
    """
    if isinstance(rows, PaddedRows):
        return _sample_of_data(rows)
    count = rows.shape[0] if rows.shape[0] is not None else tf.shape(rows)[0]
    stride = (
        count // SHIFT_ROWS or 1 if isinstance(count, int) else tf.maximum(count // SHIFT_ROWS, 1)
    )
    return tf.cast(rows[::stride][:SHIFT_ROWS], working_dtype(rows))


def _sample_of_data(padded: PaddedRows) -> tf.Tensor:
    # always so many, a power of two: XLA divides by another number wherever the mean is used, and
    # rounds differently in each place
    size = 0 if padded.shape[0] == 0 else SHIFT_ROWS
    evenly = tf.range(size, dtype=tf.int64) * padded.count // SHIFT_ROWS
    taken = tf.cast(tf.gather(padded.rows, evenly), working_dtype(padded))
    return tf.where(padded.count > 0, taken, tf.zeros_like(taken))


def working_dtype(rows: CallRows) -> tf.DType:
    """What rows are shifted in, so that an offset they can hold does no harm."""
    return tf.float64 if rows.dtype == tf.float64 else tf.float32


def dot(a: tf.Tensor, b: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """A product of two matrices in float32, never in a GPU's coarser TF32.

    The precision is asked for in the product itself: TensorFlow's own switch is global and would
    change the user's training.

    Args:
        a: [N, C] float32, or several, stacked: [L, N, C].
        b: the same, or of another width or height than ``a`` along the axis that is kept.
        axis: what is summed over: 0 gives [C, C], 1 gives [N, N].
    """
    stacked = list(range(a.shape.rank - 2))
    dimensions = xla_data_pb2.DotDimensionNumbers(
        lhs_contracting_dimensions=[len(stacked) + axis],
        rhs_contracting_dimensions=[len(stacked) + axis],
        lhs_batch_dimensions=stacked,
        rhs_batch_dimensions=stacked,
    )
    highest = xla_data_pb2.PrecisionConfig.HIGHEST
    precision = xla_data_pb2.PrecisionConfig(operand_precision=[highest, highest])
    return gen_xla_ops.xla_dot_v2(
        lhs=a,
        rhs=b,
        dimension_numbers=dimensions.SerializeToString(),
        precision_config=precision.SerializeToString(),
        preferred_element_type=tf.float32,
    )


def _check_rows(rows: tf.Tensor) -> None:
    if rows.shape.rank != 2 or not rows.dtype.is_floating:
        raise ValueError(
            f"rows have shape {rows.shape} and dtype {rows.dtype.name}; pass a floating-point "
            "matrix [N, C], for instance tf.reshape(activations, [-1, C])"
        )


def _over_slabs(rows: tf.Tensor, of_slab: Callable[..., tf.Tensor]) -> tf.Tensor:
    """The sum of ``of_slab`` over slabs of equal height and what is left over, in float64.

    Of a single slab it is what ``of_slab(first, height, rows)`` gives.
    """
    count, channels = rows.shape
    numbers = (count or 0) * channels
    if numbers <= MOST_AT_ONCE:
        return of_slab(0, tf.shape(rows)[0] if count is None else count, rows)
    slabs = numbers // (SLAB if len(_cuts(channels)) == 2 else SLAB_IN_PARTS)
    height = count // slabs

    def add(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # or XLA casts half-precision rows as a whole, before the loop
        own, _ = gen_xla_ops.xla_optimization_barrier([rows, i])
        return i + 1, total + tf.cast(of_slab(i * height, height, own), tf.float64)

    nothing = tf.zeros([channels + 1, channels + 1], tf.float64)
    _, total = tf.while_loop(lambda i, _: i < slabs, add, (tf.constant(0), nothing))
    rest = count - slabs * height
    return total + tf.cast(of_slab(count - rest, rest, rows), tf.float64) if rest else total


def _cuts(channels: int) -> list[int]:
    """Where the columns are parted, both ends included."""
    parts = min(MOST_PARTS, max(1, channels // LEAST_PART))
    return [channels * i // parts for i in range(parts + 1)]


def _symmetric(upper: Sequence[Sequence[tf.Tensor]]) -> tf.Tensor:
    """A symmetric matrix from its blocks on and above the diagonal."""
    if len(upper) == 1:
        return upper[0][0]
    rows = [
        tf.concat([*(tf.transpose(upper[j][i - j]) for j in range(i)), *blocks], axis=1)
        for i, blocks in enumerate(upper)
    ]
    return tf.concat(rows, axis=0)


def outer(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """[..., C] and [..., D] -> [..., C, D]: all products of an entry of x with one of y."""
    return x[..., :, None] * y[..., None, :]

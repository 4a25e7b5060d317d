"""Symmetric matrices made tridiagonal, with the same eigenvalues, in tensor operations alone.

Householder reflections, a column at a time (Golub and Van Loan, Matrix Computations, 4th ed.,
8.3.1; Martin, Reinsch and Wilkinson, Numer. Math. 11, 1968). The reflection I - v v'/h turns A into
A - v w' - w v'. Several columns may pass between two such updates of the matrix (Dongarra,
Hammarling and Sorensen, J. Comput. Appl. Math. 27, 1989), and an update is one pass over it with
the next column's product: for m columns the matrix is read m times and written once.

XLA's shapes are static, so what is done is cut off in static steps, from window to window. Batches
of several widths share them: a wide matrix that has shrunk to the width of others goes on with
these, and all together take as many steps as the widest would alone.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

from nasmon.kernels.devices import Device
from nasmon.kernels.products import outer

JOINING = 1.2
"""A window that would end less than this above the width of others ends there: one fewer to compile
for a few columns more."""


class Tridiagonal(NamedTuple):
    """Symmetric tridiagonal matrices."""

    diagonal: tf.Tensor  # [..., C]
    beside: tf.Tensor  # [..., C - 1]


def tridiagonals(batches: Sequence[tf.Tensor], device: Device) -> list[Tridiagonal]:
    """Tridiagonal matrices similar to the given ones.

    Args:
        batches: [L, C, C], each with an L and C of its own; of one dtype, with entries of about 1
            or less. One alone may have any leading dimensions.
        device: where it is to run.
    """
    padded = [_padded(batch, device) for batch in batches] if len(batches) > 1 else batches
    sizes = [batch.shape[-1] for batch in padded]
    pieces: list[list[Tridiagonal]] = [[] for _ in batches]
    members: list[int] = []
    stack: list[tf.Tensor] = []
    for size, rest in _windows(sizes, device):
        joining = [i for i, own in enumerate(sizes) if own == size]
        members += joining
        stack += [padded[i] for i in joining]
        matrices = _reflected(stack[0] if len(stack) == 1 else tf.concat(stack, 0), rest, device)
        diagonals, beside = _diagonals(matrices, size - rest)
        for i, own, own_beside in zip(
            members,
            _apart(diagonals, [padded[i] for i in members]),
            _apart(beside, [padded[i] for i in members]),
            strict=True,
        ):
            pieces[i].append(Tridiagonal(own, own_beside))
        stack = [matrices[..., size - rest :, size - rest :]]
    widths = [batch.shape[-1] for batch in batches]
    return [_put_together(parts, width) for parts, width in zip(pieces, widths, strict=True)]


def _windows(sizes: Sequence[int], device: Device) -> Iterator[tuple[int, int]]:
    """The size of each window, and what is left after it."""
    size = max(sizes)
    while size:
        others = max((own for own in sizes if own < size), default=0)
        rest = max(others, size - device.rows_of_window(size))
        rest = others if rest < JOINING * others else rest
        yield size, rest
        size = rest


def _padded(batch: tf.Tensor, device: Device) -> tf.Tensor:
    """Of a width that whole trips of wider ones lead to; what is added stays zero."""
    more = -batch.shape[-1] % device.columns
    return tf.pad(batch, [[0, 0], [0, more], [0, more]]) if more else batch


def _diagonals(matrices: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The first so many entries of the diagonal and of the one beside it, as far as it goes."""
    diagonal = tf.linalg.diag_part(matrices)[..., :count]
    if matrices.shape[-1] == 1:
        return diagonal, diagonal[..., :0]
    return diagonal, tf.linalg.diag_part(matrices, k=1)[..., :count]


def _apart(stacked: tf.Tensor, batches: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    if len(batches) == 1:
        return [stacked]
    return tf.split(stacked, [batch.shape[0] for batch in batches], axis=0)


def _put_together(pieces: Sequence[Tridiagonal], width: int) -> Tridiagonal:
    diagonals, beside = (tf.concat(parts, -1) for parts in zip(*pieces, strict=True))
    return Tridiagonal(diagonals[..., :width], beside[..., : width - 1])


def _reflected(matrices: tf.Tensor, rest: int, device: Device) -> tf.Tensor:
    """The matrices with all rows and columns tridiagonal but the last ``rest``."""
    size, columns = matrices.shape[-1], device.columns
    # the last two are tridiagonal as they are; a column beyond them does nothing
    trips = -(-(size - max(rest, 2)) // columns)
    if trips <= 0:
        return matrices

    def trip(
        t: tf.Tensor, matrices: tf.Tensor, row: tf.Tensor, *pending: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        matrices = _updated(matrices, pending)
        done: list[tf.Tensor] = []
        for j in range(columns):
            v, w, row = _column(t * columns + j, matrices, row, done, device)
            done += [v, w]
        return t + 1, matrices, row, *done

    row = tf.where(tf.range(size) > 0, matrices[..., 0, :], 0)
    pending = [tf.zeros_like(row)] * (2 * columns)
    _, matrices, _, *pending = tf.while_loop(
        lambda t, *_: t < trips, trip, (tf.constant(0), matrices, row, *pending)
    )
    return _updated(matrices, pending)


def _updated(matrices: tf.Tensor, pending: Sequence[tf.Tensor]) -> tf.Tensor:
    for v, w in _pairs(pending):
        matrices = matrices - outer(v, w) - outer(w, v)
    return matrices


def _pairs(pending: Sequence[tf.Tensor]) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    return zip(pending[::2], pending[1::2], strict=True)


def _column(
    k: tf.Tensor,
    matrices: tf.Tensor,
    row: tf.Tensor,
    pending: Sequence[tf.Tensor],
    device: Device,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """One column's reflection, as v and w [..., C], and the next row, zeros up to its diagonal.

    Args:
        k: the column.
        matrices: as they are without what is pending.
        row: row k as it is with that, zeros up to its diagonal.
        pending: v and w of the columns since the last update, in turn.
        device: where it is to run.
    """
    size = matrices.shape[-1]
    index, below = tf.range(size), tf.minimum(k + 1, size - 1)

    def at(x: tf.Tensor) -> tf.Tensor:
        return tf.gather(x, below, axis=-1)[..., None]

    def dot(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return device.product(x[..., None, :], y)

    # the product with the row, and of it with row k + 1, from which v differs in one entry
    product = device.product(matrices, row)
    next_row = tf.gather(matrices, below, axis=-2)
    square, quadratic = dot(row, row), dot(row, product)
    for v, w in _pairs(pending):
        with_v, with_w = dot(v, row), dot(w, row)
        product = product - v * with_w - w * with_v
        quadratic = quadratic - 2 * with_v * with_w
        next_row = next_row - at(v) * w - at(w) * v
    first = at(row)
    norm = tf.sqrt(square)
    added = tf.where(first < 0, -norm, norm)
    half = tf.where(square > _smallest(row), square + norm * tf.abs(first), np.inf)
    # v'Av / h^2, half of it
    share = (quadratic + 2 * added * at(product) + added**2 * at(next_row)) / (2 * half)
    v = row + tf.where(index == k + 1, added, 0)
    # a division last, or XLA works w out anew for every entry of the matrix
    w = (product + added * next_row - share * v) / half
    # the next row of the updated matrix needs no more of it than that row
    row = tf.where(index > k + 1, next_row - at(v) * w - at(w) * v, 0)
    # or XLA works the row out in several places and rounds differently in each: of one that is
    # nothing but rounding, v and its norm would not belong together. A GPU's XLA heeds this; a
    # CPU's does not, but there is one column a trip there, and what a trip leaves exists once
    return tuple(gen_xla_ops.xla_optimization_barrier([v, w, row]))


def _smallest(row: tf.Tensor) -> float:
    """Below it the square of a row has lost more than eps to underflow: it counts as zero."""
    limits = np.finfo(row.dtype.as_numpy_dtype)
    return row.shape[-1] * limits.tiny / limits.eps

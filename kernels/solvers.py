"""How layers are solved: a record of plain functions for each kind of layer, all of one form.

Layers of a kind whose widths are near each other share a batch, padded to a common width. The
eigenvalues of a wide layer with fewer rows than channels are those of the smaller Gram matrix of
its rows. Where they are found, inside XLA or outside, depends on the device and the width.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import tensorflow as tf

from nasmon.kernels import kept_rows, metrics
from nasmon.kernels.batched_products import states_of_rows
from nasmon.kernels.covariance import (
    CovarianceState,
    covariance,
    empty,
    from_products,
    merge,
)
from nasmon.kernels.devices import Device
from nasmon.kernels.kept_rows import KeptRows
from nasmon.kernels.products import SHIFT_ROWS, Products, products, sample, working_dtype
from nasmon.kernels.rows import CallRows

State = CovarianceState | KeptRows
"""The statistics of a batch, stacked."""

LayerRows = Sequence[CallRows]
"""The matrices of rows [N, C] that a layer put out, one for each time it was called."""

NARROW = 128
"""Layers up to this width are not worth keeping rows for."""

RUNGS = (
    64,
    NARROW,
    *(width for power in range(7, 20) for width in (3 * 2 ** (power - 1), 2 ** (power + 1))),
)
"""Layers up to each rung share one batch: padding costs a millisecond or two, and another batch up
to a second of compilation."""

STEP = 16
"""A batch is as wide as its widest layer, rounded up to this: whole vector registers."""


class Batch(NamedTuple):
    """Layers whose statistics are stacked."""

    width: int  # their common width, padded up to it
    members: tuple[int, ...]  # which of the layers
    rows: int | None = None  # rows to keep of each, where they are fewer than channels


def batches_of(channels: Sequence[int], rows: Sequence[int | None]) -> tuple[Batch, ...]:
    """Every layer in one batch.

    Args:
        channels: of each layer.
        rows: of each layer in a whole reading, or more than that where some may be padding; None
            if its rows cannot be kept.
    """
    members: dict[tuple[int, int | None], list[int]] = {}
    for index, (count, kept) in enumerate(zip(channels, rows, strict=True)):
        if count > NARROW and kept is not None and kept < count:
            key: tuple[int, int | None] = (count, kept)
        else:
            key = (next(rung for rung in RUNGS if count <= rung), None)
        members.setdefault(key, []).append(index)
    return tuple(
        Batch(rung if kept else _common_width([channels[i] for i in found]), tuple(found), kept)
        for (rung, kept), found in members.items()
    )


def _common_width(channels: Sequence[int]) -> int:
    widest = max(channels)
    return -(-widest // STEP) * STEP


class Solver(NamedTuple):
    """What is done with the layers of a batch; another kind needs no branch anywhere else."""

    init: Callable[[Batch], State]  # before the first chunk
    absorb: Callable[[Any, Sequence[Any]], State]  # after one more, with each layer's rows
    merge: Callable[[Any, Any], State]  # of the rows of both
    # covariances [L, W, W], and the finite matrices [L, S, S] that have their eigenvalues
    solve: Callable[[Any], tuple[tf.Tensor, tf.Tensor]]
    # what becomes of a matrix of rows before, if a program of its own, shared by all of that shape,
    # is to do it: of one program for all, each matrix takes longer to compile than of another shape
    reduce: Callable[[CallRows], Any] | None = None


def solver_of(batch: Batch, device: Device) -> Solver:
    """The functions for the layers of a batch."""
    if device.batched:
        return ALL_ROWS_AT_ONCE if batch.rows is None else FEW_ROWS_AT_ONCE
    if batch.rows is not None:
        return FEW_ROWS
    return WIDE if batch.width > NARROW else ALL_ROWS


def _init(batch: Batch) -> State:
    return _stacked([empty(batch.width) for _ in batch.members])


def _absorb(state: CovarianceState, rows: Sequence[LayerRows]) -> State:
    if any(len(matrices) > 1 for matrices in rows):
        return _absorb_products(state, [[*map(products, matrices)] for matrices in rows])
    width = state.mean.shape[-1]
    return merge(state, from_products(_products([matrix for (matrix,) in rows], width)))


def _absorb_products(state: CovarianceState, sums: Sequence[Sequence[Products]]) -> State:
    width = state.mean.shape[-1]
    if all(len(calls) == 1 for calls in sums):
        own = [call for (call,) in sums]
        shifts = tf.stack([_padded(call.shift, width) for call in own])
        return merge(state, from_products(_joined(own, shifts, width)))
    fresh = [_padded_state(reduce(merge, map(from_products, calls)), width) for calls in sums]
    return merge(state, _stacked(fresh))


def _solve(state: CovarianceState) -> tuple[tf.Tensor, tf.Tensor]:
    covariances = covariance(state)
    return covariances, metrics.solvable(covariances)


def _init_rows(batch: Batch) -> State:
    return _stacked([kept_rows.empty(batch.rows or 0, batch.width) for _ in batch.members])


def _absorb_rows(state: KeptRows, rows: Sequence[LayerRows]) -> State:
    layers = zip(_unstacked(state), rows, strict=True)
    return _stacked([reduce(kept_rows.keep, matrices, own) for own, matrices in layers])


def _solve_rows(state: KeptRows) -> tuple[tf.Tensor, tf.Tensor]:
    grams = _stacked([kept_rows.grams(own) for own in _unstacked(state)])
    return grams.covariance, metrics.solvable(grams.rows)


ALL_ROWS = Solver(_init, _absorb, merge, _solve)
WIDE = ALL_ROWS._replace(absorb=_absorb_products, reduce=products)
FEW_ROWS = Solver(_init_rows, _absorb_rows, kept_rows.merge, _solve_rows)


def _absorb_at_once(state: CovarianceState, rows: Sequence[LayerRows]) -> State:
    fresh = states_of_rows([own for matrices in rows for own in matrices], state.mean.shape[-1])
    return merge(state, _merged_calls(fresh, rows))


def _absorb_rows_at_once(state: KeptRows, rows: Sequence[LayerRows]) -> State:
    calls = {len(matrices) for matrices in rows}
    if len(calls) > 1:
        return _absorb_rows(state, rows)
    for matrices in zip(*rows, strict=True):
        state = kept_rows.keep_all(state, matrices)
    return state


def _merged_calls(states: CovarianceState, rows: Sequence[LayerRows]) -> CovarianceState:
    """A state for each layer of those for each of its calls."""
    if all(len(matrices) == 1 for matrices in rows):
        return states
    calls = iter(_unstacked(states))
    return _stacked([reduce(merge, [next(calls) for _ in matrices]) for matrices in rows])


def _solve_rows_at_once(state: KeptRows) -> tuple[tf.Tensor, tf.Tensor]:
    grams = kept_rows.grams(state)
    return grams.covariance, metrics.solvable(grams.rows)


ALL_ROWS_AT_ONCE = ALL_ROWS._replace(absorb=_absorb_at_once)
FEW_ROWS_AT_ONCE = FEW_ROWS._replace(absorb=_absorb_rows_at_once, solve=_solve_rows_at_once)


def _stacked(states: Sequence[Any]) -> Any:
    return type(states[0])(*map(tf.stack, zip(*states, strict=True)))


def _unstacked(state: Any) -> list[Any]:
    return [type(state)(*parts) for parts in zip(*map(tf.unstack, state), strict=True)]


def _products(matrices: Sequence[CallRows], width: int) -> Products:
    """The stacked sums over each layer's rows.

    What can be done for all layers at once is: each operation of a layer's own takes 10 ms to
    compile.
    """
    samples = [sample(rows) for rows in matrices]
    working = tf.float64 if any(s.dtype == tf.float64 for s in samples) else tf.float32
    stacked = tf.stack([_padded(tf.cast(s, working), SHIFT_ROWS, width) for s in samples])
    sizes = tf.constant([[max(1, s.shape[0])] for s in samples], working)
    shifts = tf.reduce_sum(stacked, axis=1) / sizes
    sums = [
        products(rows, tf.cast(shift[: rows.shape[1]], working_dtype(rows)))
        for rows, shift in zip(matrices, tf.unstack(shifts), strict=True)
    ]
    return _joined(sums, shifts, width)


def _joined(sums: Sequence[Products], shifts: tf.Tensor, width: int) -> Products:
    """The same, stacked and padded; ``shifts`` [L, W]."""
    # float32 as long as they may be: converted all at once
    dtype = tf.float64 if any(one.products.dtype == tf.float64 for one in sums) else tf.float32
    grams = [_padded(tf.cast(one.products, dtype), width + 1, width + 1) for one in sums]
    counts = tf.stack([one.count for one in sums])
    return Products(counts, tf.cast(shifts, tf.float64), tf.stack(grams))


def _padded(matrix: tf.Tensor, *shape: int) -> tf.Tensor:
    """Zeros up to ``shape`` change no eigenvalue but add zeros."""
    if matrix.shape == shape:
        return matrix
    return tf.pad(matrix, [[0, n - own] for n, own in zip(shape, matrix.shape, strict=True)])


def _padded_state(state: CovarianceState, width: int) -> CovarianceState:
    return CovarianceState(
        state.count, _padded(state.mean, width), _padded(state.scatter, width, width)
    )

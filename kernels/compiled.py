"""The one place where kernels become XLA programs.

A reading is a few programs: ``absorb`` updates the statistics of all monitored layers with one
chunk of rows, ``measure`` turns the statistics of all layers into spectra, metrics and
correlations. Shapes are the same at every reading, so each is traced and compiled once.

Eigenvalues of narrow layers are found inside XLA, in batches padded to a common width. Those of
wide ones are left to TensorFlow's ordinary kernel (``tf.linalg.eigvalsh``), between two XLA
programs: see ``WIDEST``.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nasmon.kernels import metrics
from nasmon.kernels.covariance import (
    SHIFT_ROWS,
    CovarianceState,
    Products,
    covariance,
    empty,
    from_products,
    from_rows,
    merge,
    products,
    sample,
    working_dtype,
)
from nasmon.kernels.groups import Group, groups_of
from nasmon.kernels.kept_rows import KeptRows, grams, keep, no_rows
from nasmon.kernels.metric_table import METRICS
from nasmon.kernels.spectrum import eigenvalues

State = CovarianceState | KeptRows

States = tuple[State, ...]
"""The statistics of all layers, a stack for each group; rows are kept a layer each."""

Rows = tuple[tuple[tf.Tensor, ...], ...]
"""For each layer the matrices of rows [N, C] that it put out, one for each time it was called."""


class LayerMeasurements(NamedTuple):
    """One layer's numbers on the host."""

    metrics: np.ndarray  # [len(METRICS)] float64, in the table's order
    eigenvalues: np.ndarray  # [C] float64, descending, in squared units of the activations
    correlations: np.ndarray  # [C, C] float32, NaN in rows and columns of dead channels


class CompiledKernels:
    """The programs of a fixed list of layers.

    Args:
        channels: number of channels C of each monitored layer.
        rows: for each layer the rows of a whole reading, if they are float32 or narrower and
            never more; None where that is not so. A wide layer with fewer of them than channels
            is solved by its rows.
    """

    def __init__(self, channels: Sequence[int], rows: Sequence[int | None] | None = None) -> None:
        self._channels = tuple(channels)
        self._groups = groups_of(self._channels, rows or [None] * len(self._channels))
        self._empty = tuple(self._empty_state(group) for group in self._groups)
        self._absorb = tf.function(self._absorb_all, jit_compile=True, autograph=False)
        # as one program, unless eigenvalues are to be found between two
        jit = not any(self._outside())
        self._begin = tf.function(self._spectra_of_all, jit_compile=True, autograph=False)
        self._end = tf.function(self._metrics_of_all, jit_compile=True, autograph=False)
        self._measure = tf.function(self._measure_all, jit_compile=jit, autograph=False)
        # once traced, the programs themselves are called: other shapes are an error, not a retrace
        self._absorb_program: Any = None
        self._measure_program: Any = None

    def empty(self) -> States:
        """The states of all layers before the first chunk."""
        return self._empty

    def compile(self, rows: Rows) -> None:
        """Compiles both programs, side by side: most of that is work of one core, in C++.

        Args:
            rows: of the shapes that ``absorb`` will be given.
        """
        # traced one after the other, as that is Python; the first call compiles
        self._measure_program = self._measure.get_concrete_function(self._empty)
        with ThreadPoolExecutor(1) as beside:
            measured = beside.submit(self._measure_program, self._empty)
            self.absorb(self._empty, rows)
            measured.result()

    def absorb(self, states: States, rows: Rows) -> States:
        """The states of all layers after one more chunk.

        Args:
            states: from ``empty`` or the chunk before.
            rows: floating-point matrices [N, C], of the same shapes at every call.
        """
        if self._absorb_program is None:
            self._absorb_program = self._absorb.get_concrete_function(states, rows)
        return self._absorb_program(states, rows)

    def measure(self, states: States) -> list[LayerMeasurements]:
        """Spectra, metrics and correlations of all layers, in one copy to the host."""
        return self.unpack(self.launch_measure(states).numpy())

    def launch_measure(self, states: States) -> tf.Tensor:
        """The same as ``measure`` but left on the device, as one float64 vector for ``unpack``."""
        if self._measure_program is None:
            self._measure_program = self._measure.get_concrete_function(states)
        return self._measure_program(states)

    def unpack(self, packed: np.ndarray) -> list[LayerMeasurements]:
        """The layers' numbers, in the order of ``channels``, out of ``launch_measure``'s vector."""
        layers: dict[int, LayerMeasurements] = {}
        of_metrics = len(self._channels) * len(METRICS)
        of_spectra = sum(len(group.members) * group.width for group in self._groups)
        values, spectra, correlations = np.split(packed, np.cumsum([of_metrics, of_spectra]))
        rows_of_metrics = iter(values.reshape(-1, len(METRICS)))
        squares = correlations.view(np.float32)
        for width, members, _ in self._groups:
            count = len(members)
            own_spectra, spectra = np.split(spectra, [count * width])
            own_squares, squares = np.split(squares, [count * width**2])
            parts = own_spectra.reshape(count, width), own_squares.reshape(count, width, width)
            for member, spectrum, square in zip(members, *parts, strict=True):
                own = self._channels[member]
                layers[member] = LayerMeasurements(
                    next(rows_of_metrics), spectrum[:own], square[:own, :own]
                )
        return [layers[index] for index in range(len(self._channels))]

    def trace_count(self) -> int:
        """How often anything was traced so far; it stays as it is after the first reading."""
        programs = (self._absorb, self._measure, self._begin, self._end)
        return sum(program.experimental_get_tracing_count() for program in programs)

    def _outside(self) -> list[bool]:
        """Of each group, whether its eigenvalues are found outside XLA."""
        return [not group.is_narrow for group in self._groups]

    def _empty_state(self, group: Group) -> State:
        if group.rows is not None:
            stacks = [no_rows(group.rows, group.width) for _ in group.members]
            return KeptRows(*map(tf.stack, zip(*stacks, strict=True)))
        states = [empty(group.width) for _ in group.members]
        return CovarianceState(*map(tf.stack, zip(*states, strict=True)))

    def _absorb_all(self, states: States, rows: Rows) -> States:
        pairs = zip(states, self._groups, strict=True)
        return tuple(_absorbed(state, [rows[i] for i in g.members], g.width) for state, g in pairs)

    def _measure_all(self, states: States) -> tf.Tensor:
        if not any(self._outside()):
            return self._metrics_of_all(states, *self._spectra_of_all(states))
        covariances, spectra = self._begin(states)
        outside = zip(spectra, self._outside(), strict=True)
        solved = tuple(_solved_outside(s) if is_outside else s for s, is_outside in outside)
        return self._end(states, covariances, solved)

    def _spectra_of_all(self, states: States) -> tuple[tuple[tf.Tensor, ...], ...]:
        """Covariances of all groups; and their spectra, or what is to be solved outside."""
        covariances, spectra = [], []
        for state, group in zip(states, self._groups, strict=True):
            if isinstance(state, KeptRows):
                one = [
                    grams(KeptRows(*parts)) for parts in zip(*map(tf.unstack, state), strict=True)
                ]
                of_channels, of_rows = map(tf.stack, zip(*one, strict=True))
                covariances.append(of_channels)
                spectra.append(metrics.solvable(of_rows))
                continue
            covariances.append(covariance(state))
            to_solve = metrics.solvable(covariances[-1])
            spectra.append(eigenvalues(to_solve) if group.is_narrow else to_solve)
        return tuple(covariances), tuple(spectra)

    def _metrics_of_all(
        self, states: States, covariances: Sequence[tf.Tensor], spectra: Sequence[tf.Tensor]
    ) -> tf.Tensor:
        batches, of_pairs = [], []
        for state, group, matrices, spectrum in zip(
            states, self._groups, covariances, spectra, strict=True
        ):
            channels = tf.constant([self._channels[index] for index in group.members])
            # the smaller Gram matrix lacks zeros
            spectrum = tf.pad(spectrum, [[0, 0], [0, group.width - spectrum.shape[1]]])
            batch, correlations = metrics.statistics(state.count, channels, matrices, spectrum)
            batches.append(batch)
            of_pairs.append(tf.cast(correlations, tf.float32))
        values = metrics.evaluate(metrics.side_by_side(batches))
        spectra = [batch.spectrum for batch in batches]
        packed = [values, *spectra, _two_in_one(_flat(of_pairs))]
        return _flat(packed)


def _flat(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def _two_in_one(numbers: tf.Tensor) -> tf.Tensor:
    """float32 [n] in the memory of float64 [n / 2], so that one copy brings both kinds."""
    even = tf.pad(numbers, [[0, numbers.shape[0] % 2]])
    return tf.bitcast(tf.reshape(even, [-1, 2]), tf.float64)


def _absorbed(state: State, rows: Sequence[Sequence[tf.Tensor]], width: int) -> State:
    """The stacked states of a group after one more chunk."""
    if isinstance(state, KeptRows):
        own = zip(*map(tf.unstack, state), strict=True)
        kept = [reduce(keep, r, KeptRows(*parts)) for parts, r in zip(own, rows, strict=True)]
        return KeptRows(*map(tf.stack, zip(*kept, strict=True)))
    if all(len(matrices) == 1 for matrices in rows):
        return merge(state, from_products(_products([matrix for (matrix,) in rows], width)))
    fresh = [_padded_state(reduce(merge, map(from_rows, r)), width) for r in rows]
    return merge(state, CovarianceState(*map(tf.stack, zip(*fresh, strict=True))))


def _products(matrices: Sequence[tf.Tensor], width: int) -> Products:
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
    # float32 as long as they may be: converted all at once
    dtype = tf.float64 if any(one.products.dtype == tf.float64 for one in sums) else tf.float32
    grams_of_all = [_padded(tf.cast(s.products, dtype), width + 1, width + 1) for s in sums]
    counts = tf.stack([one.count for one in sums])
    return Products(counts, tf.cast(shifts, tf.float64), tf.stack(grams_of_all))


def _padded(matrix: tf.Tensor, *shape: int) -> tf.Tensor:
    """Zeros up to ``shape`` change no eigenvalue but add zeros."""
    if matrix.shape == shape:
        return matrix
    return tf.pad(matrix, [[0, n - own] for n, own in zip(shape, matrix.shape, strict=True)])


def _padded_state(state: CovarianceState, width: int) -> CovarianceState:
    return CovarianceState(
        state.count, _padded(state.mean, width), _padded(state.scatter, width, width)
    )


def _solved_outside(matrices: tf.Tensor) -> tf.Tensor:
    return tf.reverse(tf.linalg.eigvalsh(matrices), [-1])

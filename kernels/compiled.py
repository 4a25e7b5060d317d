"""The one place where kernels become XLA programs.

A reading is a few programs: ``absorb`` updates the statistics of all monitored layers with one
chunk of rows, ``measure`` turns the statistics of all layers into spectra, metrics and
correlations. Shapes are the same at every reading, so each is traced and compiled once. The
correlations, nearly all that a reading puts out, stay on the device until someone asks.

What is done with which layer is told by its batch's solver, see ``solvers``, and by the device:
where it has spectra found outside XLA, ``measure`` is two XLA programs with that between them; and
what a solver has done with each matrix of rows before is a program for each shape of such.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, reduce
from itertools import compress
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from nasmon.kernels import metrics
from nasmon.kernels.covariance import CovarianceState, covariance
from nasmon.kernels.devices import CPU, Device, device_of
from nasmon.kernels.histograms import pair_counts
from nasmon.kernels.metric_table import METRICS
from nasmon.kernels.rows import CallRows
from nasmon.kernels.solvers import State, batches_of, solver_of
from nasmon.kernels.spectrum import eigenvalues_of_batches

States = tuple[State, ...]
"""The statistics of all layers, a stack for each batch."""

Rows = tuple[tuple[CallRows, ...], ...]
"""For each layer the matrices of rows [N, C] that it put out, one for each time it was called."""

KEPT = 8
"""Of so many lists of layers the programs are kept: the next monitor of a model of the same widths,
in a sweep, say, compiles nothing."""

COMPILING = 7.0
"""Seconds of compiling for each second of tracing ``measure``, on a CPU; from 0.7 to 1.6 times that
for the networks of ``bench/test_applications.py`` beside those that it was taken from."""


class Measured(NamedTuple):
    """What ``measure`` puts out, on the device."""

    numbers: tf.Tensor  # float64 vector, for ``unpack``: in one copy to the host
    correlations: tuple[tf.Tensor, ...]  # of each batch [L, W, W] float32, for ``matrices``


class LayerMeasurements(NamedTuple):
    """One layer's numbers on the host."""

    metrics: np.ndarray  # [len(METRICS)] float64, in the table's order
    eigenvalues: np.ndarray  # [C] float64, descending, in squared units of the activations
    pair_counts: np.ndarray  # as ``histograms.pair_counts``; empty where the host is to count


class CompiledKernels:
    """The programs of a fixed list of layers.

    Args:
        channels: number of channels C of each monitored layer.
        rows: for each layer the rows of a whole reading, if they are float32 or narrower and
            never more; None where that is not so. A wide layer with fewer of them than channels
            is solved by its rows.
        device: where they are to run.
    """

    def __init__(
        self,
        channels: Sequence[int],
        rows: Sequence[int | None] | None = None,
        device: Device = CPU,
    ) -> None:
        self._channels, self.device = tuple(channels), device
        self._batches = batches_of(self._channels, rows or [None] * len(self._channels))
        self._solvers = tuple(solver_of(batch, device) for batch in self._batches)
        self._inside = [b.width <= device.widest for b in self._batches]
        # as one program, unless something is to be done in others, or between two
        jit = all(solver.reduce is None for solver in self._solvers)
        self._absorb = tf.function(self._absorb_all, jit_compile=jit, autograph=False)
        self._reduce = {
            solver.reduce: tf.function(solver.reduce, jit_compile=True, autograph=False)
            for solver in self._solvers
            if solver.reduce
        }
        self._join = tf.function(self._join_all, jit_compile=True, autograph=False)
        self._merge = tf.function(self._merge_all, jit_compile=True, autograph=False)
        self._in_one = all(self._inside)
        self._begin = tf.function(self._solve_all, jit_compile=True, autograph=False)
        self._end = tf.function(self._metrics_of_all, jit_compile=True, autograph=False)
        self._measure = tf.function(self._measure_all, jit_compile=self._in_one, autograph=False)
        self.is_compiled = False  # whether all programs have run
        # once traced, the programs themselves are called: other shapes are an error, not a retrace
        self._absorb_program: Any = None
        self._measure_program: Any = None
        self._merge_programs: dict[int, Any] = {}  # by the number of replicas

    def empty(self) -> States:
        """The states of all layers before the first chunk; made anew, and not kept here."""
        pairs = zip(self._solvers, self._batches, strict=True)
        return tuple(solver.init(batch) for solver, batch in pairs)

    def compile(self, rows: Rows, foretold: Callable[[float], None] | None = None) -> None:
        """Compiles all programs, side by side: most of that is work of one core, in C++.

        Args:
            rows: of the shapes that ``absorb`` will be given.
            foretold: is told about how many seconds that will take, as soon as it can be said.
        """
        # traced one after the other, as that is Python; the first call compiles
        begun = time.perf_counter()
        states = self.empty()
        self._measure_program = self._measure.get_concrete_function(states)
        if foretold:
            foretold(COMPILING * (time.perf_counter() - begun))
        with ThreadPoolExecutor() as beside:
            others = [beside.submit(self._measure_program, states)]
            if not self._in_one:
                # as ``measure`` has it: what is called from outside a graph is another program
                end = tf.function(lambda *given: self._end(*given), autograph=False)
                others.append(beside.submit(end, states, *self._zeros(states)))
            self.absorb(states, rows)
            for other in others:
                other.result()
        self.is_compiled = True

    def _zeros(self, states: States) -> Any:
        """What the end of ``measure`` is given, all of it 0."""
        covariances, solved = self._begin.get_concrete_function(states).structured_outputs
        spectra = (
            own.shape if inside else own.shape[:-1]
            for own, inside in zip(solved, self._inside, strict=True)
        )
        shapes = ([own.shape for own in covariances], spectra)
        return [tuple(tf.zeros(shape, tf.float64) for shape in some) for some in shapes]

    def absorb(self, states: States, rows: Rows) -> States:
        """The states of all layers after one more chunk.

        Args:
            states: from ``empty`` or the chunk before.
            rows: floating-point matrices [N, C], of the same shapes at every call; the number of
                rows of data among ``PaddedRows`` may differ.
        """
        if self._absorb_program is None:
            self._absorb_program = self._absorb.get_concrete_function(states, rows)
        return self._absorb_program(states, rows)

    def merge(self, of_replicas: Sequence[States]) -> States:
        """The states of the chunks of all replicas, on the device that this is called for.

        Args:
            of_replicas: from ``empty`` or ``absorb``, on whatever devices; compiled once for each
                number of them.
        """
        count = len(of_replicas)
        if count == 1:
            return of_replicas[0]
        here = tf.nest.map_structure(tf.identity, tuple(of_replicas))
        if count not in self._merge_programs:
            self._merge_programs[count] = self._merge.get_concrete_function(here)
        return self._merge_programs[count](here)

    def measure(self, states: States) -> list[LayerMeasurements]:
        """Spectra and metrics of all layers, waited for."""
        return self.unpack(self.launch_measure(states).numbers.numpy())

    def launch_measure(self, states: States) -> Measured:
        """Spectra, metrics and correlations of all layers, left on the device."""
        if self._measure_program is None:
            self._measure_program = self._measure.get_concrete_function(states)
        return self._measure_program(states)

    def unpack(self, numbers: np.ndarray) -> list[LayerMeasurements]:
        """The layers' numbers, in the order of ``channels``, out of ``launch_measure``'s vector."""
        layers: dict[int, LayerMeasurements] = {}
        count = len(self._channels)
        of_spectra = sum(len(batch.members) * batch.width for batch in self._batches)
        parts = np.split(numbers, np.cumsum([count * len(METRICS), of_spectra]))
        values, spectra, counts = parts[0].reshape(count, -1), parts[1], parts[2].reshape(count, -1)
        rows = iter(zip(values, counts, strict=True))
        for batch in self._batches:
            own_spectra, spectra = np.split(spectra, [len(batch.members) * batch.width])
            for member, spectrum in zip(
                batch.members, own_spectra.reshape(-1, batch.width), strict=True
            ):
                metrics_of_layer, counts_of_layer = next(rows)
                own = spectrum[: self._channels[member]]
                layers[member] = LayerMeasurements(metrics_of_layer, own, counts_of_layer)
        return [layers[index] for index in range(count)]

    def moments(self, states: States) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Rows, mean [C] and covariance [C, C] of each layer, float64, on the host.

        Args:
            states: of layers of which no rows are kept (``rows`` was None); not compiled.
        """
        layers: dict[int, tuple[int, np.ndarray, np.ndarray]] = {}
        for batch, state in zip(self._batches, states, strict=True):
            assert isinstance(state, CovarianceState)
            parts = (state.count.numpy(), state.mean.numpy(), covariance(state).numpy())
            for member, count, mean, matrix in zip(batch.members, *parts, strict=True):
                own = self._channels[member]
                layers[member] = int(count), mean[:own], matrix[:own, :own]
        return [layers[index] for index in range(len(self._channels))]

    def matrices(self, correlations: Sequence[tf.Tensor]) -> tuple[np.ndarray, ...]:
        """The layers' correlations, in the order of ``channels``, out of ``launch_measure``'s.

        Waits for the device and copies them to the host; on a CPU they are there, and shared.

        Returns:
            [C, C] float32, NaN in rows and columns of dead channels, not to be written to.
        """
        layers: dict[int, np.ndarray] = {}
        for batch, tensor in zip(self._batches, correlations, strict=True):
            for member, square in zip(batch.members, np.asarray(tensor), strict=True):
                own = self._channels[member]
                layers[member] = square[:own, :own]
        return tuple(layers[index] for index in range(len(self._channels)))

    def trace_count(self) -> int:
        """How often anything was traced so far; it stays as it is after the first reading."""
        programs = (self._absorb, self._merge, self._measure, self._begin, self._end)
        return sum(program.experimental_get_tracing_count() for program in programs)

    def _absorb_all(self, states: States, rows: Rows) -> States:
        of_batches = []
        for solver, batch in zip(self._solvers, self._batches, strict=True):
            own: list[Any] = [rows[index] for index in batch.members]
            if solver.reduce:
                own = [[*map(self._reduce[solver.reduce], matrices)] for matrices in own]
            of_batches.append(own)
        # where nothing was done before, it is one program with what follows
        join = self._join if self._reduce else self._join_all
        return join(states, of_batches)

    def _join_all(self, states: States, of_batches: Sequence[Sequence[Any]]) -> States:
        return tuple(
            solver.absorb(state, own)
            for solver, state, own in zip(self._solvers, states, of_batches, strict=True)
        )

    def _merge_all(self, of_replicas: Sequence[States]) -> States:
        of_batches = zip(*of_replicas, strict=True)
        return tuple(
            reduce(solver.merge, states)
            for solver, states in zip(self._solvers, of_batches, strict=True)
        )

    def _measure_all(self, states: States) -> Measured:
        if self._in_one:
            return self._metrics_of_all(states, *self._solve_all(states))
        covariances, solved = self._begin(states)
        spectra = tuple(
            matrices if inside else tf.reverse(tf.linalg.eigvalsh(matrices), [-1])
            for matrices, inside in zip(solved, self._inside, strict=True)
        )
        return self._end(states, covariances, spectra)

    def _solve_all(self, states: States) -> tuple[tuple[tf.Tensor, ...], tuple[tf.Tensor, ...]]:
        """Covariances of all batches; and their spectra, or the matrices to solve outside XLA."""
        pairs = zip(self._solvers, states, strict=True)
        covariances, matrices = zip(*(solver.solve(state) for solver, state in pairs), strict=True)
        solved = iter(eigenvalues_of_batches([*compress(matrices, self._inside)], self.device))
        spectra = (
            next(solved) if inside else own
            for own, inside in zip(matrices, self._inside, strict=True)
        )
        return covariances, tuple(spectra)

    def _metrics_of_all(
        self, states: States, covariances: Sequence[tf.Tensor], spectra: Sequence[tf.Tensor]
    ) -> Measured:
        batches = [
            metrics.Solved(
                state.count,
                tf.constant([self._channels[index] for index in batch.members]),
                matrices,
                spectrum,
            )
            for state, batch, matrices, spectrum in zip(
                states, self._batches, covariances, spectra, strict=True
            )
        ]
        statistics, correlations = metrics.statistics(batches)
        of_pairs = tuple(tf.cast(own, tf.float32) for own in correlations)
        counted = of_pairs if self.device.counts_pairs else ()
        of_batches = tf.split(statistics.spectrum, [len(batch.members) for batch in self._batches])
        spectra = [
            own[:, : batch.width] for own, batch in zip(of_batches, self._batches, strict=True)
        ]
        numbers = [metrics.evaluate(statistics), *spectra, *map(pair_counts, counted)]
        return Measured(_flat(numbers), of_pairs)


def compiled_kernels(
    channels: Sequence[int],
    rows_of_reading: Sequence[int | None],
    rows: Rows,
    foretold: Callable[[float], None] | None = None,
) -> CompiledKernels:
    """The programs of a fixed list of layers, compiled; an earlier call's for equal layers if kept.

    They hold nothing of a model, its data or its statistics: the states go in and come out.

    Args:
        channels: as for ``CompiledKernels``.
        rows_of_reading: as its ``rows``.
        rows: of the shapes, dtypes and devices that ``absorb`` will be given.
        foretold: as for ``CompiledKernels.compile``.
    """
    shapes = tuple(
        # of padded rows the matrix and their number
        tuple((tuple(t.shape), t.dtype.name, t.device) for t in tf.nest.flatten(matrices))
        for matrices in rows
    )
    device = device_of(tf.nest.flatten(rows)[0].device)
    with _ONE_AT_A_TIME:
        kernels = _kernels(tuple(channels), tuple(rows_of_reading), device, shapes)
        if not kernels.is_compiled:
            kernels.compile(rows, foretold)
    return kernels


def forget_kernels() -> None:
    """Lets go of all programs that are kept; to measure what compiling takes, say."""
    with _ONE_AT_A_TIME:
        _kernels.cache_clear()


_ONE_AT_A_TIME = Lock()


@lru_cache(maxsize=KEPT)
def _kernels(
    channels: tuple[int, ...],
    rows_of_reading: tuple[int | None, ...],
    device: Device,
    shapes: tuple[object, ...],
) -> CompiledKernels:
    return CompiledKernels(channels, rows_of_reading, device)


def _flat(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)

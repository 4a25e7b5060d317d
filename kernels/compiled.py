"""The one place where kernels become XLA programs.

A reading is two programs: ``absorb`` updates the statistics of all monitored layers with one chunk
of rows, ``measure`` turns the statistics of all layers into spectra, metrics and
correlations. Shapes are the same at every reading, so each is traced and compiled once.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kernels import metrics
from kernels.covariance import CovarianceState, covariance, empty, from_rows, merge
from kernels.metric_table import METRICS

NARROW = 16
"""Layers of up to this width are padded to it, to share one batch: each width more costs a second
of compilation, padding nothing that can be measured."""

States = tuple[CovarianceState, ...]
"""The statistics of all layers; those of one width are stacked."""

Rows = tuple[tuple[tf.Tensor, ...], ...]
"""For each layer the matrices of rows [N, C] that it put out, one for each time it was called."""


class LayerMeasurements(NamedTuple):
    """One layer's numbers on the host."""

    metrics: np.ndarray  # [len(METRICS)] float64, in the table's order
    eigenvalues: np.ndarray  # [C] float64, descending, in squared units of the activations
    correlations: np.ndarray  # [C, C] float64, NaN in rows and columns of dead channels


class CompiledKernels:
    """The two XLA programs of a fixed list of layers.

    Args:
        channels: number of channels C of each monitored layer.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        self._channels = tuple(channels)
        self._groups = _groups(self._channels)
        self._empty = tuple(
            _stacked([empty(self._channels[index]) for index in members], width)
            for width, members in self._groups.items()
        )
        self._absorb = tf.function(self._absorb_all, jit_compile=True)
        self._measure = tf.function(self._measure_all, jit_compile=True)
        # once traced, the programs themselves are called: other shapes are an error, not a retrace
        self._absorb_program: Any = None
        self._measure_program: Any = None

    def empty(self) -> States:
        """The states of all layers before the first chunk, those of one width stacked."""
        return self._empty

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
        start = 0
        for width, members in self._groups.items():
            parts = []
            for shape in ((len(METRICS),), (width,), (width, width)):
                size = len(members) * int(np.prod(shape))
                parts.append(packed[start : start + size].reshape(len(members), *shape))
                start += size
            for member, metrics_of, spectrum, correlations in zip(members, *parts, strict=True):
                own = self._channels[member]
                layers[member] = LayerMeasurements(
                    metrics_of, spectrum[:own], correlations[:own, :own]
                )
        return [layers[index] for index in range(len(self._channels))]

    def trace_count(self) -> int:
        """How often the two programs were traced so far; 2 after the first reading, for good."""
        programs = (self._absorb, self._measure)
        return sum(program.experimental_get_tracing_count() for program in programs)

    def _absorb_all(self, states: States, rows: Rows) -> States:
        fresh = [reduce(merge, map(from_rows, matrices)) for matrices in rows]
        groups = zip(states, self._groups.items(), strict=True)
        return tuple(
            merge(state, _stacked([fresh[index] for index in members], width))
            for state, (width, members) in groups
        )

    def _measure_all(self, states: States) -> tf.Tensor:
        parts = []
        for state, members in zip(states, self._groups.values(), strict=True):
            channels = tf.constant([self._channels[index] for index in members])
            statistics = metrics.statistics(state.count, channels, covariance(state))
            values = metrics.evaluate(statistics)
            parts += [values, statistics.spectrum, statistics.correlations]
        return tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)


def _groups(channels: Sequence[int]) -> dict[int, list[int]]:
    """Indices of the layers of each width, narrow ones together."""
    groups: dict[int, list[int]] = {}
    for index, count in enumerate(channels):
        groups.setdefault(max(count, NARROW), []).append(index)
    return groups


def _stacked(states: Sequence[CovarianceState], width: int) -> CovarianceState:
    """States along a new first axis; zeros up to ``width`` change no eigenvalue but add zeros."""
    more = [width - state.mean.shape[0] for state in states]
    return CovarianceState(
        tf.stack([state.count for state in states]),
        tf.stack([tf.pad(s.mean, [[0, m]]) for s, m in zip(states, more, strict=True)]),
        tf.stack([tf.pad(s.scatter, [[0, m], [0, m]]) for s, m in zip(states, more, strict=True)]),
    )

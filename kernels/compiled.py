"""The one place where kernels become XLA programs.

A reading is two programs: ``absorb`` updates the statistics of all monitored layers with one chunk
of activations, ``measure`` turns the statistics of all layers into spectra, metrics and
correlations. Shapes are the same at every reading, so each is traced and compiled once.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kernels import metrics
from kernels.covariance import CovarianceState, covariance, empty, update
from kernels.metric_table import METRICS

NARROW = 16
"""Layers of up to this width are padded to it, to share one batch: each width more costs a second
of compilation, padding nothing that can be measured."""

Activations = tuple[tuple[tf.Tensor, ...], ...]


class LayerMeasurements(NamedTuple):
    """One layer's numbers on the host."""

    metrics: np.ndarray  # [len(METRICS)] float64, in the table's order
    eigenvalues: np.ndarray  # [C] float64, descending, in squared units of the activations
    correlations: np.ndarray  # [C, C] float64, NaN in rows and columns of dead channels


class CompiledKernels:
    """The two XLA programs of a fixed list of layers.

    Args:
        channels: number of channels C of each monitored layer.
        channel_axes: the axis of each layer's activations that holds its channels; the last one
            for all layers unless given.
    """

    def __init__(self, channels: Sequence[int], channel_axes: Sequence[int] | None = None) -> None:
        self._channels = tuple(channels)
        self._axes = tuple(channel_axes) if channel_axes else (-1,) * len(self._channels)
        self._groups = _groups(self._channels)
        self._absorb = tf.function(self._absorb_all, jit_compile=True)
        self._measure = tf.function(self._measure_all, jit_compile=True)
        # once traced, the programs themselves are called: other shapes are an error, not a retrace
        self._absorb_program: Any = None
        self._measure_program: Any = None

    def empty(self) -> tuple[CovarianceState, ...]:
        """The states of all layers before the first chunk."""
        return tuple(empty(channels) for channels in self._channels)

    def absorb(
        self, states: tuple[CovarianceState, ...], activations: Activations
    ) -> tuple[CovarianceState, ...]:
        """The states of all layers after one more chunk.

        Args:
            states: one state a layer.
            activations: the floating-point tensors [B, ..., C] that each layer put out, C on the
                layer's channel axis; of the same shapes at every call. A layer that a model calls
                twice has two.
        """
        if self._absorb_program is None:
            self._absorb_program = self._absorb.get_concrete_function(states, activations)
        return self._absorb_program(states, activations)

    def measure(self, states: tuple[CovarianceState, ...]) -> list[LayerMeasurements]:
        """Spectra, metrics and correlations of all layers, in one copy to the host."""
        return self.unpack(self.launch_measure(states).numpy())

    def launch_measure(self, states: tuple[CovarianceState, ...]) -> tf.Tensor:
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

    def _absorb_all(
        self, states: tuple[CovarianceState, ...], activations: Activations
    ) -> tuple[CovarianceState, ...]:
        updated = []
        for state, tensors, axis in zip(states, activations, self._axes, strict=True):
            for tensor in tensors:
                state = update(state, _rows(tensor, axis))
            updated.append(state)
        return tuple(updated)

    def _measure_all(self, states: tuple[CovarianceState, ...]) -> tf.Tensor:
        parts = []
        for width, members in self._groups.items():
            rows = tf.stack([states[index].count for index in members])
            channels = tf.constant([self._channels[index] for index in members])
            covariances = tf.stack([_padded(covariance(states[i]), width) for i in members])
            statistics = metrics.statistics(rows, channels, covariances)
            values = metrics.evaluate(statistics)
            parts += [values, statistics.spectrum, statistics.correlations]
        return tf.concat([tf.reshape(part, [-1]) for part in parts], axis=0)


def _rows(activations: tf.Tensor, axis: int) -> tf.Tensor:
    """[B, ..., C] -> [N, C], with the channels brought to the end where they are not."""
    rank = activations.shape.rank
    axis %= rank
    if axis != rank - 1:
        order = [i for i in range(rank) if i != axis] + [axis]
        activations = tf.transpose(activations, order)
    return tf.reshape(activations, [-1, activations.shape[-1]])


def _groups(channels: Sequence[int]) -> dict[int, list[int]]:
    """Indices of the layers of each width, narrow ones together."""
    groups: dict[int, list[int]] = {}
    for index, count in enumerate(channels):
        groups.setdefault(max(count, NARROW), []).append(index)
    return groups


def _padded(matrix: tf.Tensor, width: int) -> tf.Tensor:
    """[C, C] -> [width, width]: zeros add eigenvalues of zero and change no other."""
    more = width - matrix.shape[-1]
    return tf.pad(matrix, [[0, more], [0, more]])

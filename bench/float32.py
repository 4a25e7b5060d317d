"""A layer's spectrum made tridiagonal in float32 beside the same in float64."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from bench.thinning import COMPARED, SCALES, errors
from nasmon import Monitor
from nasmon.kernels.bisection import ascending_eigenvalues
from nasmon.kernels.compiled import CompiledKernels, LayerMeasurements, States
from nasmon.kernels.devices import CPU
from nasmon.kernels.metric_table import METRIC_NAMES, RESOLUTION
from nasmon.kernels.spectrum import _scale, eigenvalues_of_batches
from nasmon.kernels.tridiagonal import tridiagonals
from nasmon.probe_set import probe_set
from nasmon.replicas import shared_out
from nasmon.thresholds import DEFAULT_THRESHOLDS


class Read(NamedTuple):
    """Readings of the same layers."""

    metrics: np.ndarray  # [readings, layers, len(METRICS)]
    spectra: np.ndarray  # [readings, layers, widest], descending, NaN beyond C

    def at(self, readings: np.ndarray) -> "Read":
        """Some of the readings, in this order."""
        return Read(self.metrics[readings], self.spectra[readings])


class Precisions(NamedTuple):
    """Readings of the same rows."""

    double: Read  # as the product reads them
    single: Read  # made tridiagonal in float32


class Solvers:
    """All ways to solve a monitor's rows, all widths inside XLA as on a GPU.

    Args:
        monitor: whose layers; on a CPU, whose record is used, for its XLA passes over the barriers
            that a GPU's needs.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._probe = monitor._probe
        self._kernels: CompiledKernels = self._probe._kernels
        self._double = tf.function(_in_float64, jit_compile=True, autograph=False)
        self._single = tf.function(_in_float32, jit_compile=True, autograph=False)

    def read(self, sets: Sequence[np.ndarray]) -> Precisions:
        """Readings of several sets of samples, each solved in all ways."""
        return Precisions(*map(_read, zip(*map(self._readings, sets), strict=True)))

    def _readings(self, samples: np.ndarray) -> tuple[list[LayerMeasurements], ...]:
        states = self._absorbed(samples)
        pairs = zip(self._kernels._solvers, states, strict=True)
        covariances, matrices = zip(*(solver.solve(state) for solver, state in pairs), strict=True)
        # a float32 product is symmetric but for its rounding, and LAPACK reads one half only
        halves = [(m + tf.linalg.matrix_transpose(m)) / 2 for m in matrices]
        spectra = self._double(halves), self._single(halves)
        for own, dtype in zip(spectra, (np.float64, np.float32), strict=True):
            _check(own, halves, dtype)
        measured = [self._kernels._metrics_of_all(states, covariances, own) for own in spectra]
        return tuple(self._kernels.unpack(own.numbers.numpy()) for own in measured)

    def _absorbed(self, samples: np.ndarray) -> States:
        """The states of a whole reading."""
        probe = self._probe
        fresh = probe_set(samples, len(samples), probe.chunk_size)
        assert (fresh.samples, fresh.chunk_size) == (probe.samples, probe.chunk_size)
        (states,) = probe._empty
        for share in shared_out(fresh.chunks, probe._replicas):
            states = self._kernels.absorb(states, probe._rows_of(share))
        return states


def moves(one: Read, other: Read) -> np.ndarray:
    """How far readings lie apart, [readings, layers, len(MOVES)], where ``other`` is true."""
    apart = np.abs(_histogram(one.spectra) - _histogram(other.spectra))
    a, b = (read.metrics[..., METRIC_NAMES.index("condition_number")] for read in (one, other))
    poor = DEFAULT_THRESHOLDS["poor_conditioning"]
    flags = ((a > poor) != (b > poor), np.vectorize(_shown)(a) != np.vectorize(_shown)(b))
    found = [np.nanmean(apart, -1), np.nanmax(apart, -1), *map(np.float64, flags)]
    return np.concatenate([errors(one.metrics, other.metrics), np.stack(found, -1)], -1)


MOVES: dict[str, str] = {
    **{metric.name: SCALES[metric.name].name for metric in COMPARED},
    # over a layer's eigenvalues in their order; the mean is the least that must be carried from
    # one histogram to the other
    "histogram of eigenvalues, on average": "log10",
    "histogram of eigenvalues, farthest": "log10",
    "ill-conditioned in one of both only": "share of layers",
    "condition number shown in other digits": "share of layers",
}
"""What ``moves`` is of, and on which scale."""


def _histogram(spectra: np.ndarray) -> np.ndarray:
    """What TensorBoard's histogram of eigenvalues is of; NaN stays."""
    floored = np.maximum(spectra, RESOLUTION * spectra[..., :1])
    return np.log10(floored / np.nansum(spectra, -1, keepdims=True))


def _shown(condition: float) -> str:
    return f"{condition:.1e}"  # as in summary()


def _in_float64(batches: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    return eigenvalues_of_batches(batches, CPU)


def _in_float32(batches: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    scales = [_scale(matrices) for matrices in batches]
    narrow = [tf.cast(m / scale, tf.float32) for m, scale in zip(batches, scales, strict=True)]
    ascending = ascending_eigenvalues(tridiagonals(narrow, CPU), tf.float64, CPU)
    return [
        tf.reverse(own * scale[..., 0], [-1]) for own, scale in zip(ascending, scales, strict=True)
    ]


def _check(spectra: Sequence[tf.Tensor], matrices: Sequence[tf.Tensor], dtype: Any) -> None:
    """As far from LAPACK's as the eps of ``dtype`` allows."""
    for found, solved in zip(spectra, matrices, strict=True):
        true = _true(solved.numpy())
        most = 4 * true.shape[1] * np.finfo(dtype).eps * true[:, :1]
        assert (np.abs(found.numpy() - true) <= most).all()


def _true(matrices: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(matrices)[:, ::-1]


def _read(readings: Sequence[Sequence[LayerMeasurements]]) -> Read:
    widest = max(len(layer.eigenvalues) for layer in readings[0])
    spectra = np.full((len(readings), len(readings[0]), widest), np.nan)
    for reading, layers in zip(spectra, readings, strict=True):
        for spectrum, layer in zip(reading, layers, strict=True):
            spectrum[: len(layer.eigenvalues)] = layer.eigenvalues
    return Read(np.stack([[layer.metrics for layer in layers] for layers in readings]), spectra)

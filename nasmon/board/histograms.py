"""The buckets of a reading's histograms, as TensorBoard would make them of the values."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from nasmon.kernels.histograms import HISTOGRAM_BINS
from nasmon.kernels.metric_table import RESOLUTION
from nasmon.reading import Matrices, Reading


def histogram_buckets(reading: Reading) -> Iterator[np.ndarray]:
    """Buckets of log10(l / trace), then of R_ij for i < j, layer by layer."""
    assert reading.spectra is not None
    counted = reading.spectra.pair_counts
    pairs = map(_counted_buckets, counted) if counted else map(_pair_buckets, _matrices_of(reading))
    for eigenvalues, buckets in zip(reading.spectra.eigenvalues, pairs, strict=True):
        # floored at the resolution of the estimate, as the condition number is
        floored = np.maximum(eigenvalues, RESOLUTION * eigenvalues[:1])
        total = eigenvalues.sum()
        yield _buckets(np.log10(floored / total) if total > 0 else np.empty(0))
        yield buckets


def _matrices_of(reading: Reading) -> Matrices:
    matrices = reading.correlations
    assert matrices is not None, "a reading is written before the next one is launched"
    return matrices


def _pair_buckets(correlations: np.ndarray) -> np.ndarray:
    pairs = correlations[_above_diagonal(len(correlations))]
    return _buckets(pairs[np.isfinite(pairs)])


@lru_cache(maxsize=64)
def _above_diagonal(channels: int) -> tuple[np.ndarray, ...]:
    return np.triu_indices(channels, 1)


def _buckets(values: np.ndarray) -> np.ndarray:
    """Left edge, right edge and count of each bin, [bins, 3] float64; zeros for no values."""
    if not values.size:
        return np.zeros((HISTOGRAM_BINS, 3))
    low, high = values.min(), values.max()
    # as TensorBoard does, the largest value goes into the last bin, and so do equal ones
    width = (high - low) / HISTOGRAM_BINS or 1.0
    bins = np.minimum((values - low) / width, HISTOGRAM_BINS - 1).astype(np.intp)
    if low == high:
        bins[:] = HISTOGRAM_BINS - 1
    return _between(low, high, np.bincount(bins, minlength=HISTOGRAM_BINS))


def _counted_buckets(counted: np.ndarray) -> np.ndarray:
    """The same of what ``kernels.histograms`` counted."""
    low, high, *counts = counted
    return _between(low, high, counts) if any(counts) else np.zeros((HISTOGRAM_BINS, 3))


def _between(low: float, high: float, counts: ArrayLike) -> np.ndarray:
    edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)

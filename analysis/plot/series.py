"""What of a run is drawn: where its readings stand along the x axis, how thousands of them become
as many points as a picture can show, and spectra as shares of the variance.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasmon.analysis.run import Run
from nasmon.kernels.metric_table import RANK_SHARE
from nasmon.record.spectra import LayerSpectrum


class Timeline(NamedTuple):
    """The x values of a run's readings."""

    label: str  # "Epoch", "Training step" or "Reading"
    x: np.ndarray  # [readings] float64, rising

    def at(self, index: int) -> str:
        """One reading in words, such as "epoch 24"."""
        return f"{self.label.lower()} {self.x[index]:,.0f}"

    @property
    def span(self) -> str:
        """All readings in words, such as "epoch 1 to 24"."""
        return self.at(0) if len(self.x) == 1 else f"{self.at(0)} to {self.x[-1]:,.0f}"


def timeline(epochs: np.ndarray, steps: np.ndarray) -> Timeline:
    """Epochs, from 1, if no two readings share one; else training steps.

    Where neither rises, as in the joined rows of two trainings, readings are counted from 1.

    Args:
        epochs: [readings], counted from 0; -1 where a hand-written loop gave none.
        steps: [readings], training steps so far.
    """
    return _shared([(epochs, steps)])[0]


def timelines(runs: Sequence[Run]) -> list[Timeline]:
    """One timeline a run, all in the same unit."""
    return _shared([(run.readings["epoch"].to_numpy(), run.steps) for run in runs])


def _shared(moments: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Timeline]:
    if all(_rises(epochs) for epochs, _ in moments):
        return [Timeline("Epoch", epochs.astype(np.float64) + 1) for epochs, _ in moments]
    if all(_rises(steps) for _, steps in moments):
        return [Timeline("Training step", steps.astype(np.float64)) for _, steps in moments]
    return [Timeline("Reading", np.arange(1.0, len(steps) + 1)) for _, steps in moments]


def _rises(values: np.ndarray) -> bool:
    # written so that a NaN fails
    return bool((values >= 0).all() and (np.diff(values) > 0).all())


LINE_BINS = 500
"""Into so many bins the readings of a line are put: each is about a pixel and a half wide."""

MOST_COLUMNS = 1000
"""A heat map has at most so many columns."""


def reduced_line(
    x: np.ndarray, y: np.ndarray, bins: int = LINE_BINS
) -> tuple[np.ndarray, np.ndarray]:
    """A line that looks the same, of at most about 8 points a bin.

    Of each bin the first, the lowest, the highest and the last defined point are kept, so that no
    extreme is lost (Jugel et al., M4: a visualization-oriented time series data aggregation, VLDB
    2014). Where points are missing between two that are kept, a NaN stands for them.

    Args:
        x: [n] float64, rising.
        y: [n] float64, NaN where undefined.
        bins: how many.

    Returns:
        x and y; unchanged if there are few.
    """
    if len(y) <= 4 * bins:
        return x, y
    defined = np.flatnonzero(np.isfinite(y))
    if not len(defined):
        return x[:1], y[:1]
    of_bin = defined * bins // len(y)
    kept = np.unique(np.concatenate([_telling(part, y) for part in _parts(defined, of_bin)]))
    gap = np.flatnonzero(np.diff(np.searchsorted(defined, kept)) < np.diff(kept)) + 1
    return np.insert(x[kept], gap, x[kept][gap]), np.insert(y[kept], gap, np.nan)


def reduced_band(
    x: np.ndarray, low: np.ndarray, high: np.ndarray, bins: int = LINE_BINS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A band between two lines, with the lowest and the highest of each bin; NaN where all are."""
    if len(x) <= 4 * bins:
        return x, low, high
    starts = _starts(len(x), bins)
    # fmin and fmax pass over NaN
    return x[starts], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)


def block_means(values: np.ndarray, most: int = MOST_COLUMNS) -> tuple[np.ndarray, int]:
    """Columns put together by their means, without what is undefined.

    Args:
        values: [rows, columns] float64, NaN where undefined.
        most: columns to keep at most.

    Returns:
        [rows, at most ``most``], NaN where a whole block is; and how many columns make a block.
    """
    size = -(-values.shape[1] // most)
    if size == 1:
        return values, 1
    starts = np.arange(0, values.shape[1], size)
    defined = np.isfinite(values)
    counts = np.add.reduceat(defined, starts, axis=1, dtype=np.float64)
    sums = np.add.reduceat(np.where(defined, values, 0.0), starts, axis=1)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0), size


def alone(y: np.ndarray) -> np.ndarray:
    """[n] bool: defined points without a defined neighbour, which a line would not show."""
    defined = np.concatenate([[False], np.isfinite(y), [False]])
    return defined[1:-1] & ~defined[:-2] & ~defined[2:]


def _starts(count: int, bins: int) -> np.ndarray:
    return np.unique(np.arange(bins) * count // bins)


def _parts(defined: np.ndarray, of_bin: np.ndarray) -> list[np.ndarray]:
    return np.split(defined, np.flatnonzero(np.diff(of_bin)) + 1)


def _telling(part: np.ndarray, y: np.ndarray) -> np.ndarray:
    return part[[0, int(y[part].argmin()), int(y[part].argmax()), -1]]


class LayerShares(NamedTuple):
    """A spectrum as shares of its trace."""

    each: np.ndarray  # [C], descending
    together: np.ndarray  # [C], those of the leading ones, up to 1

    @property
    def rank(self) -> int:
        """The fewest leading ones that hold 99 %."""
        return min(int((self.together < RANK_SHARE).sum()) + 1, len(self.together))


def shares(spectrum: LayerSpectrum) -> LayerShares | None:
    """The shares of a layer's eigenvalues; None if they are not defined or all 0."""
    eigenvalues = np.maximum(spectrum.eigenvalues.astype(np.float64), 0)
    trace = eigenvalues.sum()
    if not (np.isfinite(trace) and trace > 0):
        return None
    return LayerShares(eigenvalues / trace, np.cumsum(eigenvalues) / trace)

"""Spectra as shares of the variance."""

from typing import NamedTuple

import numpy as np

from nasmon.analysis.run import LayerSpectrum
from nasmon.kernels.metric_table import RANK_SHARE


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

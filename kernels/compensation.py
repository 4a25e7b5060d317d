"""How the channels that a layer's consumer keeps stand in for those that it loses."""

from typing import NamedTuple

import numpy as np

from nasmon.kernels.selection import rounding


class StandIn(NamedTuple):
    """How the columns that a consumer keeps stand in for all that it had."""

    matrix: np.ndarray  # [K, N] float64: its kernel becomes matrix @ kernel
    # [N]: what they cannot know of the mean; its product with the kernel is added to the bias
    offset: np.ndarray
    lost: float  # share of its output's variance


def stand_in(
    covariance: np.ndarray,
    mean: np.ndarray,
    gram: np.ndarray,
    kept: np.ndarray,
    rows: int,
    blocks: int = 1,
) -> StandIn:
    """Least squares of all columns on those that are kept, which stand for themselves.

    What little is certain is not believed: the ridge is that of Hoerl, Kennard and Baldwin
    ("Ridge regression: some simulations", Communications in Statistics 4, 1975), from what is left
    over, the rows that were seen and the size of the solution; nothing where nothing is left over,
    but for the rounding of float32 products.

    Args:
        covariance: [N, N] float64, of what the consumer receives.
        mean: [N] of the same.
        gram: [N, N], as ``Consumer.gram``.
        kept: [K] int, ascending.
        rows: behind the covariance.
        blocks: of columns, as many of each kept, of which none stands in for one of another; the
            covariance is 0 between them.
    """
    gone = np.setdiff1d(np.arange(len(mean)), kept)
    own, cross = covariance[np.ix_(kept, kept)], covariance[np.ix_(kept, gone)]
    left, of_gone = covariance[np.ix_(gone, gone)], gram[np.ix_(gone, gone)]
    floor = rounding(covariance)
    solved = _solved(own, cross, floor)
    residual = max(0.0, float(np.sum(of_gone * (left - cross.T @ solved))))
    size = float(np.sum(of_gone * (solved.T @ solved)))
    if residual > 0 and size > 0:
        each = len(kept) // blocks
        free = max(1, rows - each)
        solved = _solved(own, cross, max(floor, each * residual / (free * size)))
    apart = left - cross.T @ solved - solved.T @ cross + solved.T @ own @ solved
    total = float(np.sum(gram * covariance))
    lost = max(0.0, float(np.sum(of_gone * apart))) / total if total > 0 else 0.0
    matrix = np.zeros((len(kept), len(mean)))
    matrix[:, kept], matrix[:, gone] = np.eye(len(kept)), solved
    return StandIn(matrix, mean - mean[kept] @ matrix, lost)


def _solved(own: np.ndarray, cross: np.ndarray, ridge: float) -> np.ndarray:
    return np.linalg.solve(own + ridge * np.eye(len(own)), cross)

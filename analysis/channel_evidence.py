"""Which channels of a layer never change, and which are near copies of one another."""

from typing import NamedTuple

import numpy as np

from nasmon.analysis.findings import Duplicate

MOST = 100
"""Of more pairs than this only the strongest are kept."""


class ChannelEvidence(NamedTuple):
    """What a correlation matrix tells about single channels, counted from 0."""

    dead: tuple[int, ...]
    duplicates: tuple[Duplicate, ...]  # strongest first
    duplicate_pairs: int  # with those that are not kept


NO_EVIDENCE = ChannelEvidence((), (), 0)


def channel_evidence(correlations: np.ndarray, near_duplicate: float) -> ChannelEvidence:
    """Dead channels and near copies.

    Args:
        correlations: [C, C], NaN for dead channels.
        near_duplicate: abs(R_ij) from which two channels are near copies.
    """
    dead = np.flatnonzero(np.isnan(np.diagonal(correlations)))
    strength = np.triu(np.abs(np.nan_to_num(correlations)), k=1)
    # in the precision of the matrix, so that a value at the threshold counts
    limit = strength.dtype.type(near_duplicate)
    firsts, seconds = np.nonzero((strength >= limit) & (strength > 0))
    order = np.argsort(-strength[firsts, seconds], kind="stable")[:MOST]
    pairs = zip(firsts[order].tolist(), seconds[order].tolist(), strict=True)
    return ChannelEvidence(
        tuple(dead.tolist()),
        tuple(Duplicate(i, j, float(correlations[i, j])) for i, j in pairs),
        len(firsts),
    )

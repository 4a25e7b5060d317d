"""The ranges that thresholds cut a metric into, with the user's words for them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

GREEN, PALE_GREEN, YELLOW, RED = "#bfe3d4", "#e3f2ec", "#fbf3b8", "#f6cdb0"
"""Tints of Okabe and Ito's colours for the colour-blind; words say the same beside them."""


class Band(NamedTuple):
    """A range of values."""

    name: str
    low: float
    high: float
    colour: str

    @property
    def interval(self) -> str:
        """The range in words, such as "0.3 to 0.5"."""
        if self.high >= 1:
            return f"above {self.low:g}"
        return f"below {self.high:g}" if self.low <= 0 else f"{self.low:g} to {self.high:g}"


def bands_of(metric: str, thresholds: Mapping[str, float]) -> tuple[Band, ...]:
    """The bands of a metric from 0 to 1, lowest first; none for a metric without thresholds.

    Args:
        metric: "redundancy_score" or "correlation_mean", others have none.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
    """
    if metric == "redundancy_score":
        limits = ["low_redundancy", "moderate_redundancy", "high_redundancy"]
        names = ["Excellent", "Good", "Moderate", "High"]
        colours = [GREEN, PALE_GREEN, YELLOW, RED]
    elif metric == "correlation_mean":
        limits, names = ["low_correlation", "high_correlation"], ["Diverse", "Moderate", "High"]
        colours = [GREEN, YELLOW, RED]
    else:
        return ()
    # in order, whatever a run recorded
    inner = sorted(min(max(thresholds[limit], 0.0), 1.0) for limit in limits)
    edges = zip(names, (0.0, *inner), (*inner, 1.0), colours, strict=True)
    return tuple(Band(*band) for band in edges if band[1] < band[2])


def band_of(value: float, bands: Sequence[Band]) -> Band | None:
    """The band that holds a value, None for NaN.

    A threshold itself belongs to what is above it, but "High" begins beyond its own.
    """
    for band in reversed(bands):
        if value > band.low or (value == band.low and band.name != "High"):
            return band
    return None


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Rising positions in 0 to 1, moved so that neighbours are at least ``gap`` apart.

    ``gap`` times their number must not exceed 1.
    """
    moved: list[float] = []
    for position in positions:
        least = moved[-1] + gap if moved else gap / 2
        moved.append(max(position, least))
    most = 1 - gap / 2
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], most)
        most = moved[index] - gap
    return moved

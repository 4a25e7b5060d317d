"""What the compared quantities are called, and how their values are written."""

import math

from nasmon.analysis.changes import Change
from nasmon.analysis.verdict import shown_beside

BEST = "_best"
"""What the name of a task metric ends in where its best epoch is meant."""

_LABELS = {
    "params": "parameters",
    "macs": "multiply-adds",
    "redundancy_score": "redundancy",
    "correlation_mean": "correlation",
    "correlation_std": "correlation spread",
    "condition_number": "condition number",
    "dead_channels": "dead channels",
}
_COUNTS = {"params", "macs", "readings", "steps", "dead_channels"}


def label(name: str) -> str:
    """A quantity's name as people say it; a metric of the training keeps its own."""
    if name.endswith(BEST):
        return f"best {name.removesuffix(BEST)}"
    return _LABELS.get(name, name)


def shown(name: str, value: float) -> str:
    """A value as a short text; "-" for what is not known or not defined."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return str(value)
    if name in _COUNTS:
        return f"{value:,.0f}"
    if name == "condition_number":
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa}e{int(exponent)}"
    if name == "overhead":
        return f"{value:.1%}".replace("%", " %")
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:.3g}"


def shown_change(change: Change) -> str:
    """How far a quantity went: in shares of a count, orders of a ratio, else a difference."""
    difference = change.after - change.before
    if math.isnan(difference):
        return "not known"
    if change.band.scale == "factor" and change.before:
        return f"x {change.after / change.before:.2g}"
    if change.measure in ("params", "macs") and change.before:
        return f"{difference / change.before:+.1%}".replace("%", " %")
    if change.measure in _COUNTS:
        return f"{difference:+,.0f}"
    return _signed(difference, _allowed(change))


def shown_band(change: Change) -> str:
    """Up to where a change of the quantity counts as noise, such as "0.02"; "" for counts."""
    size, scale = change.band
    if scale == "factor":
        return f"a factor of {size:g}"
    return f"{size * 100:g} %" if scale == "relative" else f"{size:g}" if size else ""


def _allowed(change: Change) -> float:
    return change.band.size * (abs(change.before) if change.band.scale == "relative" else 1)


def _signed(difference: float, allowed: float) -> str:
    # away from the rounding of binary numbers, which would show as many digits
    text = shown_beside(round(abs(difference), 9), round(allowed, 9))
    return f"{'-' if difference < 0 else '+'}{text}"

"""Names and numbers as they are printed. Names come from a user's model and may be any text."""

import math

from nasmon.acceptance import Change
from nasmon.widths.objectives import OBJECTIVES

UNDEFINED = "not defined"

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float) -> str:
    """A metric's value with three digits; large ones as 2.34e4."""
    if not math.isfinite(value):
        return UNDEFINED
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        return scientific(value)
    if value == round(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}"


def thousands(value: float) -> str:
    """A count, such as 1,024."""
    return f"{value:,.0f}"


def power_of_ten(value: float) -> str:
    """The label of a logarithmic axis, such as 10³."""
    return "10" + str(round(math.log10(value))).translate(_SUPERSCRIPTS)


def distinct_number(value: float, *limits: float, form: str = "f", digits: int = 3) -> str:
    """A number in so many decimals, or in as many more as tell it from the limits beside it."""
    for places in range(digits, 17):
        text = f"{value:.{places}{form}}"
        if all((float(text) == limit) == (value == limit) for limit in limits):
            break
    return text


def scientific(value: float, *limits: float) -> str:
    """A number in powers of ten, as short as a person would write it.

    Example:
        >>> scientific(23400.0)
        '2.34e4'
    """
    mantissa, mark, exponent = distinct_number(value, *limits, form="e", digits=2).partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else mantissa


def short_count(count: int) -> str:
    """A count: whole up to a million, then in millions or billions with three digits.

    Example:
        >>> short_count(37_848), short_count(20_570_000)
        ('37,848', '20.6 M')
    """
    for size, letter in ((10**9, "G"), (10**6, "M")):
        if count >= size:
            return f"{float(f'{count / size:.3g}'):,g} {letter}"
    return f"{count:,}"


BEST = "_best"
"""What the name of a task metric ends in where its best epoch is meant."""

_LABELS = {
    **{objective.name: objective.unit for objective in OBJECTIVES},
    "redundancy_score": "redundancy",
    "correlation_mean": "correlation",
    "correlation_std": "correlation spread",
    "condition_number": "condition number",
    "dead_channels": "dead channels",
}

_SIZES = {objective.name for objective in OBJECTIVES}
_COUNTS = {*_SIZES, "readings", "steps", "dead_channels"}


def quantity_label(name: str) -> str:
    """A quantity's name as people say it; a metric of the training keeps its own."""
    if name.endswith(BEST):
        return f"best {name.removesuffix(BEST)}"
    return _LABELS.get(name, name)


def quantity_value(name: str, value: float) -> str:
    """A value as a short text; "-" for what is not known or not defined."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return str(value)
    if name in _COUNTS:
        return f"{value:,.0f}"
    if name == "condition_number":
        return scientific(value)
    if name == "overhead":
        return f"{value:.1%}".replace("%", " %")
    return f"{value:.3f}" if abs(value) < 1e4 else f"{value:.3g}"


def change_text(change: Change) -> str:
    """How far a quantity went: in shares of a count, orders of a ratio, else a difference."""
    difference = change.after - change.before
    if math.isnan(difference):
        return "not known"
    if change.band.scale == "factor" and change.before:
        return f"x {change.after / change.before:.2g}"
    if change.measure in _SIZES and change.before:
        return f"{difference / change.before:+.1%}".replace("%", " %")
    if change.measure in _COUNTS:
        return f"{difference:+,.0f}"
    return _signed(difference, _allowed(change))


def dead_band_text(change: Change) -> str:
    """Up to where a change of the quantity counts as noise, such as "0.02"; "" for counts."""
    size, scale = change.band
    if scale == "factor":
        return f"a factor of {size:g}"
    return f"{size * 100:g} %" if scale == "relative" else f"{size:g}" if size else ""


def _allowed(change: Change) -> float:
    return change.band.size * (abs(change.before) if change.band.scale == "relative" else 1)


def _signed(difference: float, allowed: float) -> str:
    # away from the rounding of binary numbers, which would show as many digits
    text = distinct_number(round(abs(difference), 9), round(allowed, 9))
    return f"{'-' if difference < 0 else '+'}{text}"

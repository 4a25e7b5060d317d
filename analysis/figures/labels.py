"""Names and numbers as they are printed. Names come from a user's model and may be any text."""

import math
from collections import Counter
from collections.abc import Sequence

UNDEFINED = "not defined"

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def printable(name: str) -> str:
    """A name on one line, without characters that a picture's file could not hold."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def shortened(name: str, most: int) -> str:
    """A printable name of at most ``most`` characters, the middle left out if need be."""
    name = printable(name)
    if len(name) <= most:
        return name
    end = (most - 1) * 3 // 5
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def shortened_apart(names: Sequence[str], most: int) -> list[str]:
    """All names shortened; those that would look alike begin with their position, from 1."""
    short = [shortened(name, most) for name in names]
    alike = Counter(short)
    return [
        shortened(f"{position}: {name}", most) if alike[label] > 1 else label
        for position, (name, label) in enumerate(zip(names, short, strict=True), start=1)
    ]


def number(value: float) -> str:
    """A metric's value with three digits; large ones as 2.34e4."""
    if not math.isfinite(value):
        return UNDEFINED
    if value != 0 and not 1e-3 <= abs(value) < 1e4:
        mantissa, exponent = f"{value:.2e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    if value == round(value) or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:#.3g}"


def whole(value: float) -> str:
    """A count, such as 1,024."""
    return f"{value:,.0f}"


def count_of(count: int, noun: str) -> str:
    """A count with its noun: "1 reading", "1,024 readings"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def power_of_ten(value: float) -> str:
    """The label of a logarithmic axis, such as 10³."""
    return "10" + str(round(math.log10(value))).translate(_SUPERSCRIPTS)

"""Budgets: how they are typed, and what they are in numbers.

It needs no TensorFlow.
"""

import re
from collections.abc import Mapping

from nasmon.errors import UsageError
from nasmon.widths.objectives import OBJECTIVES, Amounts

_UNITS = {"B": 1, "kB": 1000, "KB": 1000, "KiB": 1024, "MB": 1000**2, "MiB": 1024**2}

_BYTES = re.compile(rf"\s*(\d+(?:\.\d+)?)\s*({'|'.join(_UNITS)})\s*")

_IN_BYTES = {objective.name for objective in OBJECTIVES if objective.in_bytes}


def budget_of(name: str, text: str, called: str = "") -> float:
    """A budget as it is typed: a whole number as an int, a share as a float.

    Args:
        name: of the objective.
        text: a number; of flash and RAM also with a unit: B, kB (1,000), KiB (1,024), MB or MiB.
        called: what it is given by, for errors; its name if "".

    Raises:
        UsageError: it is none, or cannot be a budget.

    Example:
        >>> budget_of("params", "8000"), budget_of("params", "0.25"), budget_of("flash", "64kB")
        (8000, 0.25, 64000)
    """
    called = called or name
    if name in _IN_BYTES and (match := _BYTES.fullmatch(text)):
        number, unit = match.groups()
        return checked_budget(called, int(float(number) * _UNITS[unit]))
    for number in (int, float):
        try:
            most = number(text)
        except ValueError:
            continue
        return checked_budget(called, most)
    size = ", a size such as 64kB" if name in _IN_BYTES else ""
    raise UsageError(f"{called} is {text!r}; use a number{size}, or a share such as 0.25")


def checked_budget(called: str, most: float) -> float:
    """A budget, if one can say without the model that it can be one.

    Args:
        called: for the error.
        most: a whole number, or a share of today's.

    Raises:
        UsageError: it is neither.

    Example:
        >>> checked_budget("params", 0)
        Traceback (most recent call last):
        nasmon.errors.UsageError: params is 0; use a whole number, or a share of today's above \
0 and up to 1
    """
    if isinstance(most, bool) or not isinstance(most, int | float) or not most > 0:
        raise UsageError(
            f"{called} is {most!r}; use a whole number, or a share of today's above 0 and up to 1"
        )
    if isinstance(most, float) and most > 1 and not most.is_integer():
        raise UsageError(f"{called} is {most}; a share is at most 1, and a number of them is whole")
    return most


def absolute_budgets(budgets: Mapping[str, float | str | None], today: Amounts) -> dict[str, int]:
    """Budgets as whole numbers.

    Args:
        budgets: by the names of objectives; None for none.
        today: what the model has.

    Raises:
        UsageError: one that cannot be, or of what is not known of the model.

    Example:
        >>> absolute_budgets({"params": 0.5, "flash": "2kB"}, Amounts((80, None, 4000, None)))
        {'params': 40, 'flash': 2000}
    """
    found = {}
    for name, given in budgets.items():
        if given is None:
            continue
        most = budget_of(name, given) if isinstance(given, str) else checked_budget(name, given)
        has = today.by_name()[name]
        if has is None:
            known = "is not known" if name in _IN_BYTES else "are not known"
            raise UsageError(f"{name} is a budget, but this model's {name} {known}{_WHY[name]}")
        share = isinstance(most, float) and most <= 1
        found[name] = int(most * has) if share else int(most)
    return found


_WHY = {objective.name: "" for objective in OBJECTIVES} | dict.fromkeys(
    _IN_BYTES,
    ": either one of its operations is not known in 8-bit integers, or the run's record is of an "
    "earlier nasmon",
)

"""What a single option may be: readers that turn a written value into a Python one.

A reader takes what YAML or the command line gave, a string from the latter, and returns the value
or raises ``UsageError`` with what would work, to which the caller adds the option's name.
"""

from __future__ import annotations

import re
from typing import Any

from nasmon.config_file import Reader
from nasmon.errors import UsageError


def whole(least: int, most: int | None = None) -> Reader:
    """Whole numbers from ``least`` to ``most``."""
    bound = f"of at least {least}" if most is None else f"from {least} to {most}"

    def read(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int):
            number = least - 1
        if number < least or (most is not None and number > most):
            raise UsageError(f"use a whole number {bound}")
        return number

    return read


def one_of(*choices: str) -> Reader:
    """One of a few words."""

    def read(value: Any) -> str:
        if value not in choices:
            raise UsageError(f"use one of {', '.join(choices)}")
        return str(value)

    return read


def switch(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise UsageError("use true or false")
    return value


def path(value: Any) -> str:
    """A path that is not empty; ``~`` is expanded."""
    from pathlib import Path

    if not isinstance(value, str | Path) or not str(value):
        raise UsageError("use a path")
    return str(Path(value).expanduser())


def layer_selection(value: Any) -> str | list[str]:
    """``auto``, ``output``, or a list of names, globs and /regular expressions/."""
    if value in ("auto", "output"):
        return str(value)
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return value
    raise UsageError('use auto, output, or a list such as ["down1_*", "/.*pointwise/"]')


def whole_list(value: Any) -> tuple[int, ...]:
    """Whole numbers of at least 1: a list, or text separated by spaces or commas."""
    parts = re.split(r"[\s,]+", value.strip(" ,")) if isinstance(value, str) else value
    if isinstance(parts, int) or not parts:
        raise UsageError("use whole numbers of at least 1, such as 4 8 16 16")
    read = whole(1)
    try:
        return tuple(read(part) for part in parts)
    except (UsageError, TypeError):
        raise UsageError("use whole numbers of at least 1, such as 4 8 16 16") from None


def optional(reader: Reader) -> Reader:
    """What ``reader`` accepts, or null."""

    def read(value: Any) -> Any:
        try:
            return None if value is None else reader(value)
        except UsageError as error:
            # On the command line everything is text, and null would be a value like any other.
            alternative = "" if isinstance(value, str) else ", or null"
            raise UsageError(f"{error}{alternative}") from None

    return read

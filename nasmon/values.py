"""What a single option or argument may be: readers that turn a given value into a checked one.

A reader takes what YAML, the command line (text) or a Python caller gave, and returns the value or
raises ``UsageError`` with what would work, to which the caller adds the name and the value.
"""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nasmon.errors import UsageError

Reader = Callable[[Any], Any]
"""From what was given to a value; raises ``UsageError`` with what would work."""


def checked(readers: Mapping[str, Reader], **arguments: Any) -> dict[str, Any]:
    """A Python caller's arguments, read by a table.

    Args:
        readers: by the arguments' names.
        arguments: what was given, by name.

    Raises:
        UsageError: a value that its reader refuses; the message names both.

    Example:
        >>> checked({"samples": whole(1)}, samples=0)
        Traceback (most recent call last):
        nasmon.errors.UsageError: samples is 0; use a whole number of at least 1
    """
    values = {}
    for name, value in arguments.items():
        try:
            values[name] = readers[name](value)
        except UsageError as error:
            raise UsageError(f"{name} is {_shown(value)}; {error}") from None
    return values


LONGEST_SHOWN = 60  # characters of a value in an error


def _shown(value: Any) -> str:
    """A value on one line; of a large one its type."""
    text = repr(value)
    short = len(text) <= LONGEST_SHOWN and "\n" not in text
    return text if short else f"of type {type(value).__name__}"


def whole(least: int, most: int | None = None) -> Reader:
    """Whole numbers from ``least`` to ``most``."""
    bound = f"of at least {least}" if most is None else f"from {least} to {most}"

    def read(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, str) else operator.index(value)
        except (TypeError, ValueError):
            number = least - 1
        if isinstance(value, bool):
            number = least - 1
        if number < least or (most is not None and number > most):
            raise UsageError(f"use a whole number {bound}")
        return number

    return read


def real(least: float, most: float = math.inf, above: bool = False) -> Reader:
    """Finite numbers from ``least`` (left out if ``above``) to ``most``."""
    bound = f"above {least:g}" if above else f"of at least {least:g}"
    if most < math.inf:
        bound += f" and at most {most:g}"

    def read(value: Any) -> float:
        try:
            # YAML 1.1 takes 1e6, without a dot, for a string.
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        fits = math.isfinite(number) and least <= number <= most and not (above and number == least)
        if not fits:
            raise UsageError(f"use a number {bound}")
        return number

    return read


def one_of(*choices: str) -> Reader:
    """One of a few words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
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
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise UsageError("use a path")
    return os.path.expanduser(os.fspath(value))


def layer_selection(value: Any) -> str | list[str]:
    """``auto``, ``output``, or a list of names, globs and /regular expressions/."""
    if value in ("auto", "output"):
        return str(value)
    if not isinstance(value, str):
        return layer_selectors(value)
    raise UsageError(_SELECTION)


def layer_selectors(value: Any) -> str | list[str]:
    """A name, glob or /regular expression/, ``auto`` or ``output``, or a list of them."""
    several = [value] if isinstance(value, str) else value
    if isinstance(several, Sequence) and several and all(isinstance(one, str) for one in several):
        return value if isinstance(value, str) else list(several)
    raise UsageError(_SELECTION)


_SELECTION = 'use auto, output, or a list such as ["down1_*", "/.*pointwise/"]'


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


def optional(reader: Reader, nothing: str = "null") -> Reader:
    """What ``reader`` accepts, or None; ``nothing`` is what the user writes for that."""

    def read(value: Any) -> Any:
        try:
            return None if value is None else reader(value)
        except UsageError as error:
            # On the command line everything is text, and null would be a value like any other.
            null = isinstance(value, str) and nothing == "null"
            alternative = "" if null else f", or {nothing}"
            raise UsageError(f"{error}{alternative}") from None

    return read


def not_text(reader: Reader) -> Reader:
    """What ``reader`` accepts unless it is text: for Python callers, who have numbers."""
    return lambda value: reader(None if isinstance(value, str) else value)


def instance_of(kind: type, instead: str) -> Reader:
    """Objects of a class; ``instead`` says what else to pass."""

    def read(value: Any) -> Any:
        if not isinstance(value, kind):
            raise UsageError(instead)
        return value

    return read


def either(reader: Reader, *others: Any) -> Reader:
    """What ``reader`` accepts, or one of a few other objects."""
    return lambda value: value if any(value is other for other in others) else reader(value)

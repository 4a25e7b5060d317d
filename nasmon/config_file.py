"""A user's YAML file of options: its sections, and the words for what is wrong."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from reprlib import Repr
from typing import Any

import yaml

from nasmon.errors import UsageError, first_line
from nasmon.record.files import regular_only

Tree = dict[str, Any]

MOST_CHARACTERS = 1 << 16
"""Of a file: all options with their remarks are a tenth, and YAML takes a second to read."""

_SHORT = Repr()
# an alias of a few characters may stand for more than memory holds
_SHORT.maxlist = _SHORT.maxdict = 6
_SHORT.maxlong = _SHORT.maxstring = _SHORT.maxother = 60


def read_config(path: Path) -> Tree:
    """The sections of a file; none of an empty one.

    Raises:
        UsageError: it cannot be read, or is no YAML with sections.
    """
    text = _text_of(path)
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"config file {path} is not YAML: {_one_line(error)}") from None
    except RecursionError:
        raise _unreadable(path, "it is nested too deep") from None
    except ValueError as error:
        # such as a number of too many digits
        raise _unreadable(path, first_line(error)) from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UsageError(f"config file {path} holds no sections; see train/defaults.yaml")
    return tree


def _text_of(path: Path) -> str:
    try:
        # a pipe would be waited for
        with open(path, encoding="utf-8", opener=regular_only) as file:
            text = file.read(MOST_CHARACTERS + 1)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _unreadable(path, reason) from None
    if len(text) > MOST_CHARACTERS:
        raise _unreadable(path, f"it has more than {MOST_CHARACTERS:,} characters")
    return text


def _unreadable(path: Path, reason: str | None) -> UsageError:
    return UsageError(f"config file {path} cannot be read ({reason}); give a YAML file of options")


def check_section(key: str, value: Any, names: Sequence[str], source: str) -> None:
    """Refuses what is no section; nothing at all is an empty one.

    Raises:
        UsageError: ``value`` is neither None nor a dictionary.
    """
    if value is not None and not isinstance(value, dict):
        raise UsageError(
            f"{key} in {source} is {shown_value(value)}; give it keys: {', '.join(names)}"
        )


def unknown_key(
    key: str, siblings: Mapping[str, str], elsewhere: Mapping[str, str], source: str
) -> UsageError:
    """The error for a key that there is not, with the nearest one that there is.

    Args:
        key: with its sections, such as "nas.logdir".
        siblings: the keys of the same section with their sections, by their own names.
        elsewhere: those of all sections, likewise; asked when no sibling is near.
        source: the file's name.
    """
    name = key.rpartition(".")[2]
    for candidates in (siblings, elsewhere):
        near = difflib.get_close_matches(name, candidates, n=1)
        if near:
            meant = candidates[near[0]]
            return UsageError(f"unknown key {key} in {source}; did you mean {meant}?")
    return UsageError(f"unknown key {key} in {source}; known here: {', '.join(siblings)}")


def shown_value(value: Any) -> str:
    """A value as YAML has it, where Python's word is another; of a long one, both ends."""
    try:
        return "null" if value is None else _SHORT.repr(value)
    except ValueError:
        return "a number of more digits than can be shown"


def _one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 1})" if mark else str(problem)

"""The JSON files of a run: how each says what it is, and how it is read and written.

Nothing here needs TensorFlow.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from nasmon.errors import UsageError, first_line
from nasmon.record.field_types import check_fields
from nasmon.record.files import regular_only, whole_file

_Held = TypeVar("_Held", bound=NamedTuple)

MOST_JSON_BYTES = 1 << 24
"""Of a file: that of a model of a thousand layers takes a tenth, and parsed it takes 20 times."""

_MOST_DIGITS, _MOST_WHOLE = 20, 2**63 - 1  # of whole numbers, as NumPy holds them

_UNREADABLE = (OSError, ValueError)


class JsonFile(NamedTuple):
    """A kind of file.

    Example:
        >>> JsonFile("nasmon notes", 1, "holds no notes", "remove it to go on without").version
        1
    """

    format: str  # that the file says of itself
    version: int
    is_none: str  # what is said of a file of another format
    remedy: str  # what to do about one that cannot be read

    def write(self, path: Path, tree: Mapping[str, Any]) -> None:
        """Writes a file; one already there is replaced only when the new one is whole."""
        whole = {"format": self.format, "version": self.version, **tree}
        with whole_file(path) as unfinished:
            unfinished.write_text(json.dumps(whole, indent=1, allow_nan=False), "utf-8")

    def read(self, path: Path, made_of: Callable[[dict[str, Any], Path], _Held]) -> _Held:
        """Reads a file.

        Args:
            path: of the file.
            made_of: from its tree and its folder to what it holds; may raise KeyError, TypeError,
                ValueError or AttributeError of what is damaged. That its fields hold what they
                should is checked here.

        Raises:
            UsageError: it is not one of these, is damaged, or from another version.
        """
        try:
            tree = _tree(path)
        except _UNREADABLE as error:
            reason = first_line(error)
            if isinstance(error, OSError):
                reason = error.strerror or reason
            raise UsageError(f"{path} cannot be read ({reason}); {self.remedy}") from None
        if not isinstance(tree, dict) or tree.get("format") != self.format:
            raise UsageError(f"{path} {self.is_none}; {self.remedy}")
        if tree.get("version") != self.version:
            raise UsageError(
                f"{path} has version {tree.get('version')}, this nasmon reads {self.version}; use "
                f"the nasmon that wrote it, or {self.remedy}"
            )
        try:
            held = made_of(tree, path.parent)
            check_fields(held)
            return held
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UsageError(
                f"{path} is damaged ({type(error).__name__}: {error}); {self.remedy}"
            ) from None

    def is_of(self, path: Path) -> bool:
        """Whether a file says that it is one of these."""
        try:
            tree = _tree(path)
        except _UNREADABLE:
            return False
        return isinstance(tree, dict) and tree.get("format") == self.format


def _tree(path: Path) -> Any:
    """What a file holds.

    Raises:
        OSError: it cannot be opened, or is no file.
        ValueError: it is no JSON, too large or nested too deep, or holds a number that is.
    """
    with open(path, "rb", opener=regular_only) as file:
        content = file.read(MOST_JSON_BYTES + 1)
    if len(content) > MOST_JSON_BYTES:
        raise ValueError(f"it is larger than {MOST_JSON_BYTES:,} bytes")
    # an editor may have put a mark in front
    text = content.decode("utf-8-sig")
    try:
        return json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS or abs(int(digits)) > _MOST_WHOLE:
        raise ValueError(f"it holds {digits[:_MOST_DIGITS]}, which 64 bits do not hold")
    return int(digits)


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"it holds {text[:_MOST_DIGITS]}, which is no finite number")
    return float(text)


def relative(path: Path | None, folder: Path) -> str | None:
    """A path from where a file lies, so that a folder of runs can be moved; None of none."""
    return None if path is None else os.path.relpath(path, folder)


def from_folder(folder: Path, path: str) -> Path:
    """The path that ``relative`` wrote."""
    return Path(os.path.normpath(folder / path))


def without_nan(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Values of which those that are no finite numbers are None, for JSON has no such numbers.

    Example:
        >>> without_nan({"loss": float("nan"), "miou": 0.5, "name": "a"})
        {'loss': None, 'miou': 0.5, 'name': 'a'}
    """
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in tree.items()
    }


def with_nan(tree: Mapping[str, float | None]) -> dict[str, float]:
    """Numbers of which None were none, as ``without_nan`` wrote them."""
    return {name: math.nan if value is None else float(value) for name, value in tree.items()}

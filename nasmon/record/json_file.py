"""The JSON files of a run: how each says what it is, and how it is read and written.

Nothing here needs TensorFlow.
"""

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from nasmon.errors import UsageError
from nasmon.record.files import whole_file

_Held = TypeVar("_Held")


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
                ValueError or AttributeError of what is damaged.

        Raises:
            UsageError: it is not one of these, is damaged, or from another version.
        """
        try:
            # an editor may have put a mark in front
            tree = json.loads(path.read_text("utf-8-sig"))
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} cannot be read ({error}); {self.remedy}") from None
        if not isinstance(tree, dict) or tree.get("format") != self.format:
            raise UsageError(f"{path} {self.is_none}; {self.remedy}")
        if tree.get("version") != self.version:
            raise UsageError(
                f"{path} has version {tree.get('version')}, this nasmon reads {self.version}; use "
                f"the nasmon that wrote it, or {self.remedy}"
            )
        try:
            return made_of(tree, path.parent)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                f"{path} is damaged ({type(error).__name__}: {error}); {self.remedy}"
            ) from None

    def is_of(self, path: Path) -> bool:
        """Whether a file says that it is one of these."""
        try:
            tree = json.loads(path.read_text("utf-8-sig"))
        except (OSError, ValueError):
            return False
        return isinstance(tree, dict) and tree.get("format") == self.format


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

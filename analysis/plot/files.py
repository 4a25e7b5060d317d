"""Which pictures to draw, into which files, and writing those."""

import re
from collections.abc import Iterable, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from nasmon.analysis.command_line import existing_parent
from nasmon.analysis.companions import WITHOUT, companion_path
from nasmon.analysis.plot.kinds import FILE_TYPES, KINDS, Options, missing
from nasmon.analysis.plot.picture import render
from nasmon.analysis.run import Run
from nasmon.analysis.run_names import distinct_names
from nasmon.errors import UsageError
from nasmon.record.files import whole_file

_LONGEST_STEM = 56
"""Characters of a model's name in a file's, which most systems limit to 255 bytes."""


class Picture(NamedTuple):
    """A picture to draw."""

    kind: str
    run: Run
    options: Options
    path: Path


def kinds_drawn(plot_type: str | None, every: bool, compared: bool) -> list[str]:
    """The kinds of pictures for one run, or for several that are compared."""
    if every:
        return [name for name, kind in KINDS.items() if kind.needs != "runs" or compared]
    return [plot_type or ("comparison" if compared else "dashboard")]


def pictures_in(
    folder: Path, runs: Sequence[Run], kinds: Sequence[str], options: Options, file_type: str
) -> list[Picture]:
    """One picture a run and kind, but one comparison of all, as ``<model>_<kind>.<ending>``."""
    pictures = []
    for run, stem in zip(runs, _stems(runs), strict=True):
        for kind in kinds:
            if KINDS[kind].needs == "runs" and run is not runs[0]:
                continue
            path = folder / f"{stem}_{kind}.{file_type}"
            pictures.append(Picture(kind, run, options, path))
    return pictures


def file_type_of(path: Path) -> str:
    """The type that a file's ending asks for.

    Raises:
        UsageError: there is no such type.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in FILE_TYPES:
        endings = ", ".join(f".{name}" for name in FILE_TYPES)
        raise UsageError(f"--output is {path}; give it one of the endings {endings}")
    return ending


def drawable(pictures: Iterable[Picture], leave_out: bool) -> tuple[list[Picture], list[str]]:
    """The pictures that the runs' files allow.

    Args:
        pictures: as they were asked for.
        leave_out: whether to leave out the others, with a note each.

    Returns:
        The pictures and the notes.

    Raises:
        UsageError: one is not possible, and not to be left out.
    """
    possible, notes = [], []
    for picture in pictures:
        reason = missing(picture.kind, picture.run, picture.options)
        if reason is None:
            possible.append(picture)
        elif leave_out:
            notes.append(f"{picture.kind} is left out: {reason}")
        else:
            raise UsageError(f"{picture.kind} cannot be drawn: {reason}")
    return possible, notes


def check_paths(pictures: Iterable[Picture], runs: Iterable[Run], option: str) -> None:
    """Makes the folders of the files, and sees that none is a file of a run.

    Raises:
        UsageError: one is, or cannot be written.
    """
    inputs = {path.resolve() for run in runs for path in _files_of(run)}
    for picture in pictures:
        if picture.path.resolve() in inputs:
            raise UsageError(f"{option} would replace {picture.path}, a run's file; choose another")
        existing_parent(picture.path, option)


def write(picture: Picture, thresholds: dict[str, float]) -> None:
    """Draws a picture and puts it in its place at once, so that no half of one is ever seen.

    Raises:
        UsageError: it cannot be drawn or written.
    """
    path = picture.path
    content = render(
        picture.kind, picture.run, thresholds, file_type_of(path), **picture.options._asdict()
    )
    try:
        with whole_file(path) as unfinished:
            unfinished.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); choose another") from None


def _stems(runs: Sequence[Run]) -> list[str]:
    """How the runs are called in the names of files; any two differ."""
    stems: list[str] = []
    for name in distinct_names(runs):
        stem = re.sub(r"[^\w.-]+", "_", name).strip("._-")[:_LONGEST_STEM] or "model"
        numbered = chain([stem], (f"{stem}_{number}" for number in count(2)))
        stems.append(next(candidate for candidate in numbered if candidate not in stems))
    return stems


def _files_of(run: Run) -> list[Path]:
    return [run.path, *(companion_path(run.path, kind) for kind in WITHOUT)]

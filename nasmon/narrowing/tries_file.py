"""The tries of a search: rows of a CSV, where a search that was cut short goes on."""

import csv
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, NamedTuple

from nasmon.errors import UsageError
from nasmon.record.files import regular_only


class Try(NamedTuple):
    """Widths, and the loss after a training with them."""

    stage: str  # "try" or "final"
    number: int  # among the tries
    seed: int
    widths: dict[str, int]  # by leader
    loss: float
    seconds: float


TRY_COLUMNS = ("search", "stage", "number", "seed", "loss", "seconds", "widths")


class TriesFile:
    """Tries as rows of a CSV, on disk when ``add`` returns; those of other searches stay.

    Args:
        file: where they are kept; None for nowhere.
        key: what tells this search from others.

    Raises:
        UsageError: there is a file that holds something else.
    """

    def __init__(self, file: str | os.PathLike[str] | None, key: str) -> None:
        self._path, self._key = None if file is None else Path(file), key
        self._known = {} if self._path is None else self._read(self._path)

    def _read(self, path: Path) -> dict[tuple[str, int, int, str], Try]:
        try:
            with open(path, "a+", newline="", encoding="utf-8", opener=regular_only) as file:
                _cut_torn_row(file)
                file.seek(0)
                rows = list(csv.DictReader(file))
                file.seek(0)
                header = next(csv.reader(file), list(TRY_COLUMNS))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or "it is no CSV"
            raise UsageError(
                f"the file of tries {path} cannot be used ({reason}); give another one"
            ) from None
        if tuple(header) != TRY_COLUMNS:
            raise UsageError(f"{path} is no file of a search's tries; give another one")
        found = [_read_row(row) for row in rows if row["search"] == self._key]
        return {_place(one.stage, one.number, one.seed, one.widths): one for one in found}

    def find(self, stage: str, number: int, seed: int, widths: Mapping[str, int]) -> Try | None:
        """What is known of a training already."""
        return self._known.get(_place(stage, number, seed, widths))

    def add(self, one: Try) -> None:
        """Appends a row."""
        if self._path is None:
            return
        new = not self._path.exists() or not self._path.stat().st_size
        with open(self._path, "a", newline="", encoding="utf-8", opener=regular_only) as file:
            writer = csv.writer(file, lineterminator="\n")
            if new:
                writer.writerow(TRY_COLUMNS)
            numbers = (repr(one.loss), f"{one.seconds:.3f}", json.dumps(one.widths))
            writer.writerow((self._key, one.stage, one.number, one.seed, *numbers))


def _cut_torn_row(file: IO[str]) -> None:
    """Removes the end of a row that a search was killed in."""
    file.seek(0)
    text = file.read()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.seek(0)
        file.truncate(len(whole.encode()))


def _place(
    stage: str, number: int, seed: int, widths: Mapping[str, int]
) -> tuple[str, int, int, str]:
    return stage, number, seed, json.dumps(widths)


def _read_row(row: Mapping[str, str]) -> Try:
    return Try(
        row["stage"],
        int(row["number"]),
        int(row["seed"]),
        json.loads(row["widths"]),
        float(row["loss"]),
        float(row["seconds"]),
    )

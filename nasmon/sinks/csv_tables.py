"""Readings as rows of two CSV files.

Each reading is flushed as it happens, so that a killed run keeps all it had.
"""

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Literal, NoReturn

from nasmon.errors import RunExistsError, UsageError
from nasmon.reading import LayerInfo, Reading
from nasmon.record.files import (
    LAYER_COLUMNS,
    RUN_COLUMNS,
    beside,
    check_regular,
    layers_path,
    local_path,
    regular_only,
)
from nasmon.sinks.run_record import Watched

IfExists = Literal["error", "append", "overwrite"]

IF_EXISTS: tuple[IfExists, ...] = ("error", "append", "overwrite")


class CsvSink:
    """The run's CSV, one row a reading, and beside it one row a reading and layer.

    Args:
        path: the run's CSV; the folder is made if it is not there.
        if_exists: what to do with an earlier run's files: refuse, continue or replace them.

    Raises:
        FileExistsError: an earlier run's file is there and ``if_exists`` is "error".
        ValueError: a file to continue has other columns, or a file cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], if_exists: IfExists = "error") -> None:
        self.path = local_path(path)
        self.place, self.layers_path = str(self.path), layers_path(self.path)
        self.last_step: int | None = None  # of the last row that is there
        tables = ((self.layers_path, LAYER_COLUMNS), (self.path, RUN_COLUMNS))
        for file in (self.path, self.layers_path, *beside(self.path)):
            check_regular(file, "csv_path")
        try:
            self._check_companions(if_exists)
            for file, columns in tables:
                _check_earlier(file, columns, if_exists)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for file, columns in tables:
                _begin(file, columns, if_exists)
        except RunExistsError:
            raise
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be written ({error.strerror}); choose another csv_path"
            ) from error

    def begin(self, watched: Watched) -> None:
        """Nothing: what is watched stands in the run's record."""

    def write(self, reading: Reading) -> None:
        """Appends one reading; the run's row comes last, so it tells that all of it is there."""
        head = (reading.epoch, reading.step)
        rows = zip(reading.layers, reading.metrics.tolist(), strict=True)
        by_layer = ((*head, *_described(info), *values) for info, values in rows)
        _append(self.layers_path, LAYER_COLUMNS, by_layer)
        _append(self.path, RUN_COLUMNS, [(*head, *reading.aggregates.values(), *reading.costs)])
        self.last_step = reading.step

    def close(self, status: str, error: str | None = None) -> None:
        """Nothing: every reading is flushed as it happens."""

    def _check_companions(self, if_exists: str) -> None:
        """What lies there without the CSV belongs to a run whose CSV was moved away."""
        for file in beside(self.path):
            if if_exists == "error" and file.exists() and not self.path.exists():
                _refuse(file)


def _described(info: LayerInfo) -> tuple[object, ...]:
    macs = "" if math.isnan(info.macs) else int(info.macs)
    return info.name, info.kind, info.channels, info.params, macs, info.tied_to


def _refuse(path: Path) -> NoReturn:
    raise RunExistsError(
        f"{path} holds an earlier run; choose another csv_path or log_dir, or pass "
        'if_exists="append" to continue it or "overwrite" to replace it'
    )


def _check_earlier(path: Path, columns: Sequence[str], if_exists: IfExists) -> None:
    if if_exists == "overwrite" or not _holds_rows(path, columns):
        return
    if if_exists == "error":
        _refuse(path)
    with open(path, newline="", encoding="utf-8", opener=regular_only) as file:
        header = next(csv.reader(file), [])
    if tuple(header) != tuple(columns):
        raise UsageError(
            f"{path} has other columns ({', '.join(header)}) and cannot be continued; choose "
            'another csv_path, or pass if_exists="overwrite"'
        )


def _holds_rows(path: Path, columns: Sequence[str]) -> bool:
    """Whether anything would be lost with the file: a header alone is from a run that never ran."""
    return path.exists() and path.read_bytes() not in (b"", f"{','.join(columns)}\n".encode())


def _begin(path: Path, columns: Sequence[str], if_exists: IfExists) -> None:
    """Leaves a file that ends in a whole line: a header, or the rows to continue."""
    if if_exists == "append" and path.exists() and path.stat().st_size:
        with open(path, "rb+", opener=regular_only) as file:
            # a killed run may have left half a row
            file.truncate(file.read().rfind(b"\n") + 1)
        return
    with open(path, "wb", opener=regular_only) as file:
        file.write(_text_of([columns]))


def _append(path: Path, columns: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Adds rows, or nothing at all; a file that was taken away is begun once more."""
    with open(path, "ab", buffering=0, opener=regular_only) as file:
        before = file.tell()
        left = memoryview(_text_of(rows if before else chain([columns], rows)))
        try:
            while left:
                left = left[file.write(left) :]
        except OSError:
            # a full disk takes half a row
            file.truncate(before)
            raise


def _text_of(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()

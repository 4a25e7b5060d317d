"""Reading tables from CSV files, whole or their end, with a clear word for whatever is wrong.

The one place that does: the run's readings, its rows by layer and the training's history are read
here, however they were saved. A file may have been cut off in the middle of a row when its run was
killed: that row is left out, with a note.
"""

import csv
import io
import re
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from nasmon.analysis.dialect import (
    REPLACED,
    TEXT_COLUMNS,
    Cells,
    cells_of,
    decoded,
    header_of,
    is_plain,
    plain_text,
)
from nasmon.analysis.table_file import (
    TableFile,
    beginning_of,
    check_is_file,
    check_size,
    content_of,
)
from nasmon.errors import UsageError
from nasmon.terminal import printable

_ARCHIVE = b"PK\x03\x04"  # what a spreadsheet's own file begins with
_UNDEFINED = ("", "nan", "NaN", "NA", "N/A", "#N/A")  # as nasmon, Keras and spreadsheets write it
_LINE_END = re.compile(rb"[\n\r]")
_BEGINNING = 1 << 16  # bytes in which a header and some rows stand

MOST_SAVED_BYTES = 1 << 24
"""Of a table that another program saved: it is read cell by cell, which takes a second or two."""


class Table(NamedTuple):
    """Rows of a file, in its order."""

    rows: pd.DataFrame
    repeated: tuple[int, ...]  # positions of the rows before which the header stands once more
    notes: list[str]  # about rows that were left out


def read_header(file: TableFile) -> list[str]:
    """The names of a table's columns.

    Raises:
        UsageError: there is no such file, it is empty, it is no text, or its first line has no end.
    """
    beginning = beginning_of(file, _BEGINNING)
    if is_plain(beginning):
        return beginning.partition(b"\n")[0].decode().split(",")
    header = header_of(_text(file, beginning, "replace"))
    if not header:
        raise UsageError(f"{file.path} is empty; {file.remedy}")
    if any(REPLACED in name for name in header):
        raise _no_text(file)
    if len(beginning) == _BEGINNING and not _LINE_END.search(beginning):
        raise UsageError(
            f"{file.path} has a first line of more than {_BEGINNING:,} bytes; {file.remedy}"
        )
    return header


def holds_rows(file: TableFile) -> bool:
    """Whether anything stands below a table's header; half a row does not count.

    Raises:
        UsageError: as ``read_header``.
    """
    beginning = beginning_of(file, _BEGINNING)
    if is_plain(beginning):
        return beginning.count(b"\n") > 1
    lines = _text(file, beginning, "replace").splitlines()
    return sum(bool(line.strip()) for line in lines) > 1


def read_columns(file: TableFile, columns: Sequence[str]) -> Table:
    """Some columns of all whole rows.

    Args:
        file: with those columns.
        columns: which; names stay text, everything else must be numbers (NaN where empty).

    Raises:
        UsageError: a cell that should be a number is none, or a row is longer or shorter than the
            header.
    """
    content = content_of(file)
    if is_plain(content):
        whole = content[: content.rfind(b"\n") + 1]
        rows = _plain_rows(whole, columns)
        if rows is not None:
            return Table(rows, (), _torn_note(file, len(whole) < len(content)))
    check_size(file, len(content), MOST_SAVED_BYTES, "is not as nasmon wrote it and ")
    cells = _cells(file, content)
    try:
        rows = _parsed(plain_text(cells), columns)
    except ValueError as error:
        raise _damaged(file, error) from None
    return Table(rows, cells.repeated, _torn_note(file, cells.torn))


def read_tail(file: TableFile, columns: Sequence[str], rows: int) -> Table | None:
    """The last ``rows`` whole rows, or some more; of a long file only the end is read.

    Returns:
        None if the end alone cannot be understood: the file is packed, was saved by another
        program, or holds more than plain rows; or if its rows are too long.

    Raises:
        UsageError: there is no such file.
    """
    check_is_file(file)
    with open(file.path, "rb") as opened:
        header = opened.readline(_BEGINNING)
        if not is_plain(header):
            return None
        start, size = opened.tell(), file.path.stat().st_size
        wanted = 2 * rows * _row_bytes(opened.read(_BEGINNING))
        if wanted > file.most:
            return None
        opened.seek(max(start, size - wanted))
        content = opened.read()
    if size - wanted > start:
        content = content[content.find(b"\n") + 1 :]
    whole = content[: content.rfind(b"\n") + 1]
    table = _plain_rows(header + whole, columns)
    if table is None:
        return None
    return Table(table, (), _torn_note(file, len(whole) < len(content)))


def _text(file: TableFile, content: bytes, errors: str = "strict") -> str:
    if content.startswith(_ARCHIVE):
        raise UsageError(f"{file.path} is a spreadsheet or an archive; save its table as CSV")
    try:
        return decoded(content, errors)
    except ValueError:
        raise _no_text(file) from None


def _cells(file: TableFile, content: bytes) -> Cells:
    try:
        return cells_of(_text(file, content))
    except UsageError:
        raise
    except (csv.Error, ValueError) as error:
        raise _damaged(file, error) from None


def _plain_rows(content: bytes, columns: Sequence[str]) -> pd.DataFrame | None:
    """The rows of a table as nasmon writes it; None if it is not quite one."""
    if not any(name in TEXT_COLUMNS for name in columns) and not _is_even(content):
        return None
    try:
        return _parsed(content, columns)
    except ValueError:
        return None


def _is_even(content: bytes) -> bool:
    """Whether all rows of plain numbers are as long as the header.

    pandas would leave out what is too much, and so read a number under another's name.
    """
    lines = content.splitlines()
    return all(line.count(b",") == lines[0].count(b",") for line in lines)


def _parsed(content: bytes, columns: Sequence[str]) -> pd.DataFrame:
    numbers = [name for name in columns if name not in TEXT_COLUMNS]
    table = pd.read_csv(
        io.BytesIO(content),
        usecols=list(columns),
        dtype={name: "float64" if name in numbers else "category" for name in columns},
        keep_default_na=False,
        na_values={name: list(_UNDEFINED) for name in numbers},
    )
    blank = table[numbers].isna().all(axis=1)
    for name in set(columns) - set(numbers):
        blank &= table[name] == ""
    # a table of a million rows is not copied for nothing
    whole = table.loc[~blank].reset_index(drop=True) if blank.any() else table
    return whole[list(columns)]


def _row_bytes(sample: bytes) -> int:
    return len(sample) // max(1, sample.count(b"\n")) + 1


def _torn_note(file: TableFile, torn: bool) -> list[str]:
    return [f"the last row of {file.path} is cut off and was left out"] if torn else []


def _no_text(file: TableFile) -> UsageError:
    return UsageError(f"{file.path} is not a CSV file of nasmon: it is not text; {file.remedy}")


def _damaged(file: TableFile, error: Exception) -> UsageError:
    reason = printable(str(error).strip().splitlines()[0])
    return UsageError(
        f"{file.path} is damaged ({reason}); remove the damaged rows, or {file.remedy}"
    )

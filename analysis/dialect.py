"""How a table's file is written, and the same table as nasmon would have written it.

Spreadsheets save a CSV with a byte-order mark, semicolons or tabs, quotes, decimal commas, and
empty rows and columns behind the table. All of that becomes rows of plain cells here, so that
whatever reads a table knows one form of it.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

SEPARATORS = ",;\t"
"""What may stand between two cells."""

TEXT_COLUMNS = ("layer", "kind", "tied_to")
"""Columns whose cells are names; all others hold numbers."""

REPLACED = "\N{REPLACEMENT CHARACTER}"
"""What stands for bytes that are no text."""

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_PLAIN_HEADER = re.compile(rb"\w+(,\w+)+\n")
_WITH_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
_WITH_POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")


class Cells(NamedTuple):
    """A table as plain text: no row is blank, and every number has a point."""

    header: list[str]
    rows: list[list[str]]  # each as long as the header
    repeated: tuple[int, ...]  # the rows before which the header stands once more
    torn: bool  # whether the last row was cut off, and left out


class UnevenRowError(ValueError):
    """A row has more or fewer cells than the header."""


def is_plain(beginning: bytes) -> bool:
    """Whether a file begins as nasmon begins one: a line of plain names between commas."""
    return _PLAIN_HEADER.match(beginning) is not None


def decoded(raw: bytes, errors: str = "strict") -> str:
    """A file's text: what its mark says, else UTF-8, else Windows' Western encoding.

    Args:
        raw: all of a file, or its beginning.
        errors: as for ``bytes.decode``, for a beginning that may end within a character.

    Raises:
        ValueError: it is no text.
    """
    encoding = next((name for mark, name in _MARKS.items() if raw.startswith(mark)), None)
    text = raw.decode(encoding, errors) if encoding else _unmarked(raw)
    if "\0" in text:
        raise ValueError("a character is 0")
    # what Excel writes, and takes, as a first line that tells it the separator
    return text.partition("\n")[2] if text.startswith("sep=") else text


def header_of(text: str) -> list[str]:
    """The names in the first line that is not blank; [] if there is none."""
    line = _first_line(text)
    return _names(next(csv.reader([line], delimiter=_separator(line)), []))


def cells_of(text: str) -> Cells:
    """All cells of a table.

    Args:
        text: of a whole file.

    Raises:
        UnevenRowError: a row is longer or shorter than the header; the last one may be cut off.
        csv.Error: a cell never ends.
    """
    reader = csv.reader(_lines(text), delimiter=_separator(_first_line(text)))
    numbered = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    header = _names(numbered[0][1]) if numbered else []
    torn = _is_torn(text, [row for _, row in numbered[1:]], header)
    rows: list[list[str]] = []
    repeated = []
    for number, row in numbered[1 : len(numbered) - torn]:
        if row[0].strip() == header[0] and _names(row) == header:
            repeated.append(len(rows))
        else:
            rows.append(_even(row, len(header), number))
    _put_points(header, rows)
    return Cells(header, rows, tuple(repeated), torn)


def plain_text(cells: Cells) -> bytes:
    """The table as nasmon writes one."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([cells.header, *cells.rows])
    return text.getvalue().encode()


def _unmarked(raw: bytes) -> str:
    # a beginning is read up to its last line end, which no character is cut at
    whole = raw[: raw.rfind(b"\n") + 1] or raw
    try:
        whole.decode("utf-8")
        return raw.decode("utf-8", "strict" if whole == raw else "replace")
    except UnicodeDecodeError:
        return raw.decode("cp1252")


def _lines(text: str) -> Iterable[str]:
    """All lines, whatever they end in."""
    return io.StringIO(text, newline=None)


def _first_line(text: str) -> str:
    return next((line for line in _lines(text) if line.strip()), "")


def _separator(line: str) -> str:
    """That which makes the most cells of a line."""
    return max(SEPARATORS, key=lambda mark: len(next(csv.reader([line], delimiter=mark), [])))


def _names(row: Sequence[str]) -> list[str]:
    """A header's names, without the empty ones that a spreadsheet leaves behind them."""
    names = [cell.strip() for cell in row]
    while names and not names[-1]:
        names.pop()
    return names


def _is_torn(text: str, rows: Sequence[Sequence[str]], header: Sequence[str]) -> bool:
    """Whether the last row was cut off: it has no end, and no other program saved it whole."""
    if not rows or text.endswith(("\n", "\r")):
        return False
    return is_plain(text.encode()) or len(rows[-1]) < len(header)


def _even(row: list[str], length: int, number: int) -> list[str]:
    beyond = row[length:]
    if len(row) < length or any(cell.strip() for cell in beyond):
        raise UnevenRowError(f"line {number} has {len(row)} values for {length} columns")
    return row[:length]


def _put_points(header: Sequence[str], rows: Sequence[list[str]]) -> None:
    """Decimal commas become points, in a table that has commas and no points."""
    columns = [index for index, name in enumerate(header) if name not in TEXT_COLUMNS]
    cells = [row[index] for row in rows for index in columns]
    commas = (cell.strip() for cell in cells if "," in cell)
    points = (cell.strip() for cell in cells if "." in cell)
    if not any(map(_WITH_COMMA.fullmatch, commas)) or any(map(_WITH_POINT.fullmatch, points)):
        return
    for row in rows:
        for index in columns:
            row[index] = row[index].replace(",", ".")

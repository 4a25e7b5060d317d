"""Reading the CSV files of a run, whole or their end, with a clear word for whatever is wrong.

A file may have been cut off in the middle of a row when its run was killed: that row is left out,
with a note.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from nasmon.errors import UsageError

_TEXT = ("layer", "kind", "tied_to")


def read_header(path: Path) -> list[str]:
    """The names of a CSV file's columns.

    Raises:
        UsageError: there is no such file, it is empty, or it is no text.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            line = file.readline()
    except FileNotFoundError:
        raise UsageError(
            f"{path} does not exist; give the CSV that a run wrote, such as "
            "logs/nas/nano_u_nas_metrics.csv"
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a CSV file of nasmon: it is not text") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); give a run's CSV") from None
    if not line.strip():
        raise UsageError(
            f"{path} is empty; train again with the monitor on, or give another run's CSV"
        )
    return line.strip().split(",")


def check_lengths(path: Path) -> None:
    """Refuses a file of plain numbers with a row that is longer or shorter than its header.

    pandas would leave out what is too much, and so read a number under another's name.

    Raises:
        UsageError: there is such a row; the last one may be cut off.
    """
    columns, torn = len(read_header(path)), _is_torn(path)
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines[: len(lines) - torn], start=1):
        if line and line.count(",") + 1 != columns:
            raise UsageError(
                f"{path} is damaged (line {number} has {line.count(',') + 1} values for {columns} "
                "columns); remove the damaged rows, or give another run's CSV"
            )


def read_columns(path: Path, columns: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Some columns of all whole rows.

    Args:
        path: a CSV file with those columns.
        columns: which; text stays text, everything else must be numbers (NaN where empty).

    Returns:
        The rows, and a note for a row that was left out.

    Raises:
        UsageError: a cell that should be a number is none, or rows of several lengths.
    """
    torn = _is_torn(path)
    with open(path, "rb") as file:
        # whole lines only; a file that ends in one is handed over as it is
        source = io.BytesIO(_whole_lines(file.read())) if torn else file
        table = _parse(path, source, columns)
    return table, _note_of(path, torn)


def read_tail(path: Path, columns: Sequence[str], rows: int) -> tuple[pd.DataFrame, list[str]]:
    """The last ``rows`` whole rows, or some more; of a long file only the end is read.

    Returns and raises as ``read_columns``.
    """
    torn = _is_torn(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        header = file.readline()
        start = file.tell()
        wanted = 2 * rows * _row_bytes(file.read(1 << 16))
        file.seek(max(start, size - wanted))
        text = file.read()
    if size - wanted > start:
        text = text[text.find(b"\n") + 1 :]
    text = header + (_whole_lines(text) if torn else text)
    return _parse(path, io.BytesIO(text), columns), _note_of(path, torn)


def _row_bytes(sample: bytes) -> int:
    return len(sample) // max(1, sample.count(b"\n")) + 1


def _is_torn(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(max(0, path.stat().st_size - 1))
        return file.read() not in (b"\n", b"")


def _whole_lines(text: bytes) -> bytes:
    return text[: text.rfind(b"\n") + 1]


def _note_of(path: Path, torn: bool) -> list[str]:
    return [f"the last row of {path} is cut off and was left out"] if torn else []


def _parse(path: Path, source: io.BufferedIOBase, columns: Sequence[str]) -> pd.DataFrame:
    kinds = {name: "category" if name in _TEXT else "float64" for name in columns}
    try:
        table = pd.read_csv(
            source,
            usecols=list(columns),
            dtype=kinds,
            keep_default_na=False,
            na_values={name: ["", "nan", "NaN"] for name in columns if name not in _TEXT},
        )
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a CSV file of nasmon: it is not text") from None
    except pd.errors.EmptyDataError:
        # a header that was cut off before its end of line
        return pd.DataFrame(columns=list(columns), dtype="float64")
    except (pd.errors.ParserError, ValueError) as error:
        reason = str(error).strip().splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise UsageError(
            f"{path} is damaged ({reason}); remove the damaged rows, or give another run's CSV"
        ) from None
    return table[list(columns)]

"""The same table as other programs save it."""

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal

Save = Callable[[Path], None]
"""Replaces a file that nasmon wrote by what another program makes of it."""


def saved(
    separator: str = ",",
    decimal: str = ".",
    encoding: str = "utf-8",
    quoting: Literal[0, 1, 2, 3] = csv.QUOTE_MINIMAL,
    line_end: str = "\n",
    blank: tuple[int, int] = (0, 0),
    pack: bool = False,
) -> Save:
    """A way to save a table.

    Args:
        separator: between cells.
        decimal: in numbers.
        encoding: of the text.
        quoting: as in ``csv``.
        line_end: of each row.
        blank: how many empty columns and rows stand behind the table.
        pack: whether gzip packs it.
    """

    def save(path: Path) -> None:
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8"))))
        columns, more = blank
        rows = [[_number(cell, decimal) for cell in row] + [""] * columns for row in rows]
        rows += [[""] * len(rows[0])] * more
        text = io.StringIO()
        csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=line_end).writerows(
            rows
        )
        content = text.getvalue().encode(encoding)
        path.write_bytes(gzip.compress(content) if pack else content)

    return save


def _number(cell: str, decimal: str) -> str:
    try:
        float(cell)
    except ValueError:
        return cell
    return cell.replace(".", decimal)


DIALECTS: dict[str, Save] = {
    "marked": saved(encoding="utf-8-sig"),
    "utf-16": saved(encoding="utf-16", separator="\t"),
    "quoted": saved(quoting=csv.QUOTE_ALL),
    "semicolons": saved(separator=";"),
    "semicolons and decimal commas": saved(separator=";", decimal=",", line_end="\r\n"),
    "tabs": saved(separator="\t", encoding="utf-8-sig"),
    "commas between quoted decimal commas": saved(decimal=","),
    "windows": saved(encoding="cp1252", line_end="\r\n"),
    "old mac": saved(line_end="\r"),
    "empty rows and columns": saved(blank=(2, 3), line_end="\r\n"),
    "all at once": saved(
        ";", ",", "utf-8-sig", csv.QUOTE_NONNUMERIC, line_end="\r\n", blank=(1, 2)
    ),
    "packed": saved(pack=True),
}

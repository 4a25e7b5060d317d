"""Tables of what was measured, which grow row by row."""

import csv
from collections.abc import Sequence
from pathlib import Path


def rows_of(table: Path) -> list[dict[str, str]]:
    """The rows of a table, as text; none where there is none yet."""
    if not table.exists():
        return []
    with open(table, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append(table: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Appends rows to a table, and makes one that is not there."""
    head = [] if table.exists() else [columns]
    with open(table, "a", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([*head, *rows])

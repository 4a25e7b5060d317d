"""Tables on a terminal: with colours and bars by rich where it shows them, else as plain text."""

import shutil
from collections.abc import Sequence
from math import isnan
from typing import TYPE_CHECKING, Literal

from nasmon.table import Part, ShownTable, text_of
from nasmon.terminal import LEAST_WIDTH_OF_TEXT, is_drawable, printed

if TYPE_CHECKING:
    from rich.console import Console

_BAR = 12  # columns of a bar, and two before it


def print_parts(parts: Sequence[Part]) -> None:
    """Prints tables and sentences."""
    if not is_drawable():
        printed(text_of(parts))
        return
    # not loaded where it is not needed
    from rich.console import Console

    width = max(shutil.get_terminal_size().columns, LEAST_WIDTH_OF_TEXT)
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    for part in parts:
        if isinstance(part, str):
            console.print(part)
        else:
            _print_table(console, part, width)


def _print_table(console: "Console", table: ShownTable, width: int) -> None:
    from rich import box
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    table = table.fitted(width)
    cells = table.cells()
    bars = {i for row in table.rows for i, cell in enumerate(row) if not isnan(cell.share)}
    used = sum(max(map(len, column)) + 2 for column in zip(*cells, strict=True))
    drawn = bars if used + _BAR * len(bars) <= width else set()
    numbers = {*range(len(table.headings))} - {*table.texts}
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for i, heading in enumerate(table.headings):
        side: Literal["left", "right"] = "left" if i in table.texts else "right"
        shown.add_column(heading, justify=side, no_wrap=i in {0, *numbers})
        if i in drawn:
            shown.add_column("", width=_BAR - 2)
    for number, (row, texts) in enumerate(zip(table.rows, cells[1:], strict=True), start=1):
        line: list[Text | Bar] = []
        for i, (cell, text) in enumerate(zip(row, texts, strict=True)):
            line.append(Text(text, style="bold yellow" if cell.stands_out else ""))
            if i in drawn:
                share = 0.0 if isnan(cell.share) else cell.share
                line.append(Bar(1.0, 0.0, share, width=_BAR - 2, color="cyan"))
        shown.add_row(*line, end_section=table.ruled and number == len(table.rows) - 1)
    console.print(shown)

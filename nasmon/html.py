"""Tables and sentences as HTML, for notebooks: names are a user's and may be any text."""

from collections.abc import Sequence
from html import escape
from math import isnan

from nasmon.table import Entry, Part, ShownTable
from nasmon.terminal import printable

_CELL = "padding: 0.15em 0.6em; white-space: nowrap; text-align:"
_RULE = "border-top: 1px solid currentColor;"
_BAR = "display: inline-block; vertical-align: middle; width: 5em; height: 0.7em;"
_BAR += " margin-right: 0.5em; border: 1px solid #8888; text-align: left"
_FILLED = "display: block; height: 100%; background: #3b7dd8"


def html_of(parts: Sequence[Part]) -> str:
    """Tables and sentences, one below the other; of a cell's share a bar.

    Colours and fonts are those of the page, so that a dark one stays dark.

    Example:
        >>> html_of(["<b>"])
        '<div><p>&lt;b&gt;</p></div>'
    """
    return f"<div>{''.join(map(_part, parts))}</div>"


def _part(part: Part) -> str:
    if isinstance(part, ShownTable):
        return _table(part)
    return f"<p>{escape(printable(part))}</p>"


def _table(table: ShownTable) -> str:
    aligned = ["left" if i in table.texts else "right" for i in range(len(table.headings))]
    head = "".join(
        f'<th style="{_CELL} {side}">{escape(heading)}</th>'
        for side, heading in zip(aligned, table.headings, strict=True)
    )
    rows = [
        "".join(_cell(cell, side) for cell, side in zip(row, aligned, strict=True))
        for row in table.rows
    ]
    body = "".join(f"<tr>{row}</tr>" for row in (rows[:-1] if table.ruled else rows))
    last = f'<tr style="{_RULE} font-weight: bold">{rows[-1]}</tr>' if table.ruled else ""
    return (
        '<table style="border-collapse: collapse; font-variant-numeric: tabular-nums">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}{last}</tbody></table>"
    )


def _cell(cell: Entry, side: str) -> str:
    text = escape(printable(cell.text))
    if cell.stands_out:
        text = f"<strong>{text}*</strong>"
    if not isnan(cell.share):
        percent = 100 * min(max(cell.share, 0.0), 1.0)
        filled = f'<span style="{_FILLED}; width: {percent:.0f}%"></span>'
        # before the number, which so stands under its heading
        text = f'<span style="{_BAR}" role="presentation">{filled}</span>{text}'
    return f'<td style="{_CELL} {side}">{text}</td>'

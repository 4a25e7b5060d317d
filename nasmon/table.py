"""A table that is shown as plain text, on a terminal with colours, or on a page: what is in it."""

import textwrap
from collections.abc import Sequence
from math import nan
from typing import NamedTuple

from nasmon.short_names import shortened_apart
from nasmon.terminal import encodable, line_width
from nasmon.text_table import aligned

_SHORTEST_NAME, _WORDS = 12, 24  # characters: of a name, and of a column of words

_ELLIPSIS, _PLAIN_ELLIPSIS = "…", "~"


class Entry(NamedTuple):
    """What stands in one place of a table."""

    text: str
    stands_out: bool = False  # marked by a *, or by a colour
    share: float = nan  # from 0 to 1, of what can be drawn as a bar; NaN for none


class ShownTable(NamedTuple):
    """Rows under headings; the first column holds names.

    Example:
        >>> rows = ((Entry("conv"), Entry("0.8", stands_out=True)), (Entry("dense"), Entry("0.25")))
        >>> print(text_of([ShownTable(("layer", "redun."), rows)]))
        layer  redun.
        conv     0.8*
        dense   0.25
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[Entry, ...], ...]
    texts: tuple[int, ...] = (0,)  # the columns of words; all others are of numbers
    ruled: bool = False  # whether the last row is of all the others, and stands apart
    dispensable: int | None = None  # a column that a narrow terminal goes without

    @property
    def marked(self) -> frozenset[int]:
        """The columns in which something stands out."""
        return frozenset(i for row in self.rows for i, cell in enumerate(row) if cell.stands_out)

    def cells(self) -> list[list[str]]:
        """Headings and rows as texts, with a * behind what stands out."""
        marked = self.marked - {*self.texts}
        marks = {True: "*", False: " "}
        rows = [
            [cell.text + marks[cell.stands_out] * (i in marked) for i, cell in enumerate(row)]
            for row in self.rows
        ]
        return [list(self.headings), *rows]

    def fitted(self, width: int) -> "ShownTable":
        """A table at most ``width`` wide, as far as shorter names allow that."""
        names = [row[0].text for row in self.rows]
        room = self._room(width)
        if self.dispensable is not None and room < max(map(len, names), default=0):
            return self._without(self.dispensable).fitted(width)
        short = shortened_apart(names, max(room, _SHORTEST_NAME))
        rows = zip(short, self.rows, strict=True)
        return self._replace(rows=tuple((row[0]._replace(text=n), *row[1:]) for n, row in rows))

    def _room(self, width: int) -> int:
        """What a table leaves to the names."""
        others = [max(map(len, column)) for column in zip(*self.cells(), strict=True)]
        # words go on in the next line
        taken = [min(n, _WORDS) if i in self.texts else n for i, n in enumerate(others)][1:]
        return width - sum(taken) - 2 * len(taken)

    def _without(self, gone: int) -> "ShownTable":
        left = [i for i in range(len(self.headings)) if i != gone]
        return self._replace(
            headings=tuple(self.headings[i] for i in left),
            rows=tuple(tuple(row[i] for i in left) for row in self.rows),
            texts=tuple(left.index(i) for i in self.texts if i != gone),
            dispensable=None,
        )


Part = ShownTable | str
"""Of what is shown: a table, or a sentence."""


def text_of(parts: Sequence[Part], width: int | None = None) -> str:
    """Tables and sentences as lines of plain text.

    Args:
        parts: one below the other.
        width: of a line; that of the terminal, at most 100, if None.
    """
    width = line_width() if width is None else width
    lines: list[str] = []
    for part in parts:
        lines += (
            _lines(part.fitted(width)) if isinstance(part, ShownTable) else _wrapped(part, width)
        )
    text = "\n".join(lines)
    return text if encodable(_ELLIPSIS) else text.replace(_ELLIPSIS, _PLAIN_ELLIPSIS)


def _wrapped(sentence: str, width: int) -> list[str]:
    return textwrap.wrap(sentence, width, break_long_words=False, break_on_hyphens=False)


def _lines(table: ShownTable) -> list[str]:
    """Aligned columns; of a ruled table a rule under the headings and above the last line."""
    rows = aligned(table.cells(), texts=table.texts)
    if not table.ruled:
        return rows
    rule = "-" * max(map(len, rows))
    return [rows[0], rule, *rows[1:-1], rule, rows[-1]]

"""The report's table by layer: its columns, and what stands in each cell."""

import math
import re
from collections.abc import Callable
from typing import Literal, NamedTuple

from nasmon.analysis.figures.labels import printable
from nasmon.analysis.findings import Advice, LayerAdvice


class Column(NamedTuple):
    """A column of the table."""

    title: str
    means: str  # in full
    sort: Literal["number", "text"]
    value: Callable[[LayerAdvice], float | str]
    form: str = ",.0f"  # of numbers


class Cell(NamedTuple):
    """A cell of the table."""

    parts: tuple[str, ...]  # its text, in pieces between which a line may break
    value: str  # that it is sorted by; "" where it is not defined, and comes last
    sort: str
    below: str | None = None  # smaller, below the text of a row's head


class Row(NamedTuple):
    """A layer's row."""

    action: str
    cells: tuple[Cell, ...]  # of COLUMNS, and the position in front
    lines: tuple[str, ...]  # the evidence


_SETTLED: dict[bool | None, str] = {True: "yes", False: "no", None: ""}

COLUMNS = (
    Column("layer", "layer and its kind", "text", lambda layer: printable(layer.layer)),
    Column("what to do", "what to do with its width", "text", lambda layer: todo(layer)),
    Column("channels", "channels today", "number", lambda layer: layer.channels),
    Column("redund.", "redundancy", "number", lambda layer: layer.redundancy, ".2f"),
    Column("correl.", "mean correlation", "number", lambda layer: layer.correlation, ".2f"),
    Column("eff. rank", "effective rank", "number", lambda layer: layer.effective_rank, ".1f"),
    Column("rank_99", "rank that holds 99 %", "number", lambda layer: layer.rank_99),
    Column("dead", "dead channels", "number", lambda layer: layer.dead),
    Column("settled", "settled at the end", "text", lambda layer: _SETTLED[layer.settled]),
    Column("saves", "parameters saved", "number", lambda layer: _known(layer.saving.params)),
)

HEADINGS = (
    ("#", "place in the model", "number"),
    *((column.title, column.means, column.sort) for column in COLUMNS),
    ("evidence", "why, with its numbers", "text"),
)
"""Title, meaning and sorting of all columns of the table."""


def rows(advice: Advice) -> list[Row]:
    """A row for each layer, in the model's order."""
    return [
        Row(
            layer.action,
            (
                Cell((str(position),), str(position), "number"),
                *(_cell(column, layer) for column in COLUMNS),
            ),
            tuple(printable(line) for line in layer.lines) or ("",),
        )
        for position, layer in enumerate(advice.layers, start=1)
    ]


def todo(layer: LayerAdvice) -> str:
    """What to do with a layer, in a word or three."""
    return f"narrow to {layer.width}" if layer.action == "narrow" else layer.action


def _cell(column: Column, layer: LayerAdvice) -> Cell:
    value = column.value(layer)
    if isinstance(value, str):
        below = printable(layer.kind) if column.title == "layer" else None
        return Cell(_parts(value or "-"), value, column.sort, below)
    if not math.isfinite(value):
        return Cell(("-",), "", column.sort)
    return Cell((format(value, column.form),), repr(value), column.sort)


def _parts(name: str) -> tuple[str, ...]:
    """A name cut behind its slashes, underscores and dots."""
    return tuple(re.findall(r"[^/_.]*[/_.]+|[^/_.]+", name))


def _known(count: int | None) -> float:
    return math.nan if count is None else count

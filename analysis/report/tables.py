"""The tables of a report: what is known about the run itself, and the layers."""

import math
import re
import shlex
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from nasmon.analysis.recommend.advice import Recommendations
from nasmon.analysis.recommend.findings import Advice, LayerAdvice
from nasmon.analysis.run import Run
from nasmon.record.run import Record
from nasmon.terminal import printable
from nasmon.widths.objectives import OBJECTIVES, sizes

_ENDINGS = {
    "running": ("This run has not ended.", "It is still running, or its process was killed."),
    "interrupted": ("This run was interrupted.", "Its readings stop before the planned end."),
    "failed": ("This run failed.", "Its readings stop before the planned end."),
}


class Fact(NamedTuple):
    """A line of the facts."""

    title: str
    text: str
    code: bool = False


class Banner(NamedTuple):
    """What must be known before anything else is read."""

    title: str
    text: str


def banner(run: Run) -> Banner | None:
    """How a run ended that did not end well; None for one that did, or if it is not known."""
    if run.record is None or run.record.status == "ended":
        return None
    unknown = (f"The run's status is {printable(run.record.status)}.", "")
    title, text = _ENDINGS.get(run.record.status, unknown)
    error = f" {printable(run.record.error)}" if run.record.error else ""
    return Banner(title, f"{text} What follows is about its latest reading.{error}")


def subtitle(run: Run) -> str:
    """The run in a line: how many readings, up to which step, when."""
    last = run.readings.iloc[-1]
    count = len(run.readings)
    end = f"training step {last['step']:,.0f}" if run.has_steps else f"epoch {last['epoch']:,.0f}"
    line = f"{count:,} reading{'' if count == 1 else 's'} up to {end}"
    if run.record is None:
        return f"{line}; what ran was not recorded beside {printable(run.path.name)}"
    return f"{line}; started {_moment(run.record.started)}"


def facts(found: Recommendations) -> list[Fact]:
    """All that is known about a run, in the order of a reader's questions."""
    run = found.run
    overhead = float(run.readings["overhead"].iloc[-1])
    share = "not recorded" if math.isnan(overhead) else f"{100 * overhead:.1f} % of the training"
    thresholds = ", ".join(f"{name} {value:g}" for name, value in found.thresholds.items())
    return [
        *(_recorded(run.record) if run.record else [Fact("Status", "not recorded")]),
        Fact("Readings", f"{len(run.readings):,}"),
        Fact("Monitor's overhead", share),
        Fact("Thresholds", thresholds),
        Fact("Widths are rounded up to", f"a multiple of {found.round_to}"),
        Fact("File", printable(str(run.path)), code=True),
    ]


_AS_INT8 = {"flash": "Flash", "ram": "RAM"}


def _recorded(record: Record) -> list[Fact]:
    facts = [
        Fact("Status", printable(record.status)),
        Fact("Started", _moment(record.started)),
        Fact("Ended", _moment(record.ended) + _duration(record)),
        Fact("Command", printable(shlex.join(record.command)), code=True),
        Fact("Seed", "not set" if record.seed is None else str(record.seed)),
        Fact("Samples a reading", f"{record.samples:,}"),
        Fact("Parameters", f"{record.params:,}"),
        Fact("Multiply-adds", "not known" if record.macs is None else f"{record.macs:,}"),
        *(
            Fact(f"{_AS_INT8[one.name]} as 8-bit integers", f"{size:,} bytes, predicted")
            for one, size in zip(OBJECTIVES, sizes(record), strict=True)
            if one.in_bytes and size is not None
        ),
        Fact("Versions", printable(", ".join(f"{k} {v}" for k, v in record.versions.items()))),
    ]
    if record.earlier:
        facts.append(Fact("Continues", f"{len(record.earlier)} earlier run(s) of the same files"))
    return facts


def _moment(value: str | None) -> str:
    if not value:
        return "not yet"
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return printable(value)
    return f"{moment:%Y-%m-%d %H:%M:%S} {moment.tzname() or ''}".strip()


def _duration(record: Record) -> str:
    try:
        started, ended = (datetime.fromisoformat(v or "") for v in (record.started, record.ended))
        return f" (after {timedelta(seconds=round((ended - started).total_seconds()))})"
    except (ValueError, TypeError):
        return ""


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
    cells: tuple[Cell, ...]  # of TABLE_COLUMNS, and the position in front
    lines: tuple[str, ...]  # the evidence


_SETTLED: dict[bool | None, str] = {True: "yes", False: "no", None: ""}

TABLE_COLUMNS = (
    Column("layer", "layer and its kind", "text", lambda layer: printable(layer.layer)),
    Column("what to do", "what to do with its width", "text", lambda layer: layer.todo),
    Column("channels", "channels today", "number", lambda layer: layer.channels),
    Column("redund.", "redundancy", "number", lambda layer: layer.redundancy, ".2f"),
    Column("correl.", "mean correlation", "number", lambda layer: layer.correlation, ".2f"),
    Column("eff. rank", "effective rank", "number", lambda layer: layer.effective_rank, ".1f"),
    Column("rank_99", "rank that holds 99 %", "number", lambda layer: layer.rank_99),
    Column("dead", "dead channels", "number", lambda layer: layer.dead),
    Column("settled", "settled at the end", "text", lambda layer: _SETTLED[layer.settled]),
    Column("saves", "parameters saved", "number", lambda layer: _known(layer.saving.params)),
)

TABLE_HEADINGS = (
    ("#", "place in the model", "number"),
    *((column.title, column.means, column.sort) for column in TABLE_COLUMNS),
    ("evidence", "why, with its numbers", "text"),
)
"""Title, meaning and sorting of all columns of the table."""


def layer_rows(advice: Advice) -> list[Row]:
    """A row for each layer, in the model's order."""
    return [
        Row(
            layer.action,
            (
                Cell((str(position),), str(position), "number"),
                *(_cell(column, layer) for column in TABLE_COLUMNS),
            ),
            tuple(printable(line) for line in layer.lines) or ("",),
        )
        for position, layer in enumerate(advice.layers, start=1)
    ]


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

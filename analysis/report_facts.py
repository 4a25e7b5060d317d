"""What a report says about the run itself: how it went, and what it ran with."""

import math
import shlex
from datetime import datetime, timedelta
from typing import NamedTuple

from nasmon.analysis.figures.labels import printable
from nasmon.analysis.recommend import Recommendations
from nasmon.analysis.run import Run
from nasmon.record import Record

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
    line = f"{count:,} reading{'' if count == 1 else 's'} up to training step {last['step']:,.0f}"
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
        Fact("Versions", ", ".join(f"{k} {v}" for k, v in record.versions.items())),
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

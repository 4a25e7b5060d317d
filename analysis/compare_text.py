"""A comparison as text for a terminal, or as Markdown."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from nasmon.analysis.changes import Change, Kind
from nasmon.analysis.command_line import ARROW, PLAIN_ARROW, SIGNS, WORDS, encodable
from nasmon.analysis.compare_words import label, shown, shown_band, shown_change
from nasmon.analysis.comparison import CAVEAT, Against, Comparison
from nasmon.analysis.figures.labels import printable
from nasmon.analysis.judgement import RULES
from nasmon.analysis.recommend_markdown import escaped

WIDTH = 100
"""A table that would be wider is cut into several, one below the other."""

_RULE = "=" * 60
_INDENT = " " * 3
_STATUS: dict[Kind, str] = {
    "better": "good",
    "worse": "warning",
    "steady": "info",
    "unknown": "unknown",
}
_TITLES: dict[Kind, str] = {
    "better": "better",
    "worse": "worse",
    "steady": "within noise",
    "unknown": "not known in both",
}


class _Marks(NamedTuple):
    """What stands in front of lines: the user's signs, or words that any terminal can show."""

    signs: dict[str, str]
    arrow: str


def text(comparison: Comparison) -> str:
    """The comparison for a terminal, with status signs where it can show them."""
    signs = encodable("".join(SIGNS.values()))
    marks = _Marks(SIGNS if signs else WORDS, ARROW if encodable(ARROW) else PLAIN_ARROW)
    title = f"NAS COMPARISON OF {len(comparison.runs)} RUNS"
    lines = [_RULE, title, _RULE, "", "RUNS:", *_runs(comparison), ""]
    for block in _blocks(table(comparison)):
        lines += [*_aligned(block), ""]
    for against in comparison.against:
        lines += [*_against(comparison, against, marks), ""]
    lines += ["NOTE:", *_item(marks.arrow, CAVEAT), "", _RULE]
    return "\n".join(lines)


def markdown(comparison: Comparison) -> str:
    """The comparison as Markdown: a table, then what changed, then the verdict, for each run."""
    head, *rows = ([escaped(cell) for cell in row] for row in table(comparison))
    baseline = escaped(comparison.runs[0].name)
    lines = [f"# Comparison of {len(comparison.runs)} runs", ""]
    lines += [_row(head), _row(["---", *["---:"] * (len(head) - 1)]), *map(_row, rows), ""]
    for against in comparison.against:
        lines += [f"## {escaped(against.name)} against {baseline}", ""]
        lines += [f"**{verdict_of(against)}** {escaped(reason_of(against))}", ""]
        lines += [f"- {escaped(line)}" for _, line in changes_of(against)]
        lines += [f"- note: {escaped(note)}" for note in against.notes]
        lines.append("")
    files = ", ".join(
        f"{escaped(each.name)}: {escaped(str(each.run.path))}" for each in comparison.runs
    )
    return "\n".join([*lines, f"The runs are {files}. {CAVEAT}"])


def table(comparison: Comparison) -> list[list[str]]:
    """A row of names, then a row for each quantity: its name, and its value in each run."""
    readings = [each.run.readings for each in comparison.runs]
    records = [each.run.record for each in comparison.runs]
    rows = [
        ["", *(printable(each.name) for each in comparison.runs)],
        ["status", *(record.status if record else "-" for record in records)],
        ["readings", *(f"{len(each):,}" for each in readings)],
        ["training steps", *(shown("steps", float(each["step"].iloc[-1])) for each in readings)],
    ]
    for measure in comparison.measures:
        values = [shown(measure.name, value) for value in measure.values]
        rows.append([printable(label(measure.name)), *values])
    return rows


def verdict_of(against: Against) -> str:
    """Where the decision flow ends for a run."""
    return "ACCEPT CHANGES" if against.judgement.accept else "REVERT TO PREVIOUS"


def reason_of(against: Against) -> str:
    """The rule that decided, in words, and what it found."""
    rule = against.judgement.rule
    return f"Rule {rule} of {len(RULES)} ({RULES[rule - 1]}): {printable(against.judgement.reason)}"


def changes_of(against: Against) -> list[tuple[Kind, str]]:
    """What got better, what got worse, and what cannot be told, a line each."""
    judged = [one for one in against.changes.values() if one.judged]
    lines: list[tuple[Kind, str]] = []
    for kind, title in _TITLES.items():
        found = [one for one in judged if one.kind == kind]
        if kind in ("better", "worse"):
            lines += [(kind, f"{title}: {_told(one)}") for one in found]
        elif found:
            names = ", ".join(printable(label(one.measure)) for one in found)
            lines.append((kind, f"{title}: {names}"))
    return lines


def _told(change: Change) -> str:
    name = change.measure
    values = f"{shown(name, change.before)} to {shown(name, change.after)}"
    band = shown_band(change)
    noise = f"; noise up to {band}" if band else ""
    return f"{printable(label(name))} {values} ({shown_change(change)}{noise})"


def _runs(comparison: Comparison) -> list[str]:
    width = max(len(printable(each.name)) for each in comparison.runs)
    return [
        f"{_INDENT}{printable(each.name):{width}}  {printable(str(each.run.path))}"
        + ("" if index else " (the baseline)")
        for index, each in enumerate(comparison.runs)
    ]


def _against(comparison: Comparison, against: Against, marks: _Marks) -> list[str]:
    names = printable(against.name), printable(comparison.runs[0].name)
    lines = [f"{names[0].upper()} AGAINST {names[1].upper()}:"]
    for kind, line in changes_of(against):
        lines += _item(marks.signs[_STATUS[kind]], line)
    sign = marks.signs["good" if against.judgement.accept else "warning"]
    lines += ["", f"{_INDENT}{sign} {verdict_of(against)}"]
    for one in (reason_of(against), *(f"Note: {printable(note)}" for note in against.notes)):
        lines += _item(marks.arrow, one)
    return lines


def _item(mark: str, sentence: str) -> list[str]:
    """A sentence behind its mark, on as many lines as it needs."""
    first = f"{_INDENT}{mark} "
    return textwrap.wrap(
        sentence,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _blocks(rows: Sequence[Sequence[str]]) -> list[list[list[str]]]:
    """The table cut between runs, so that no part is too wide; the quantities lead each part."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    parts: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        used = len(_INDENT) + widths[0] + sum(2 + widths[other] for other in parts[-1])
        if parts[-1] and used + 2 + widths[column] > WIDTH:
            parts.append([])
        parts[-1].append(column)
    return [[[row[0], *(row[column] for column in part)] for row in rows] for part in parts]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        f"{_INDENT}{row[0]:{widths[0]}}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

"""A comparison as text for a terminal, or as Markdown."""

import math
from collections.abc import Callable
from typing import NamedTuple

from nasmon.acceptance import RULES, SPECTRAL, Change, Judgement, Outcome, Rule
from nasmon.analysis.compare.comparison import COMPARISON_CAVEAT, Against, Comparison
from nasmon.analysis.layout import (
    ARROW,
    INDENT,
    PLAIN_ARROW,
    RULE,
    SIGN_WORDS,
    SIGNS,
    blocks,
    escaped,
    markdown_row,
    marked,
)
from nasmon.analysis.words import (
    change_text,
    dead_band_text,
    quantity_label,
    quantity_value,
)
from nasmon.terminal import encodable, printable
from nasmon.text_table import aligned

_STATUS: dict[Outcome, str] = {
    "better": "good",
    "worse": "warning",
    "steady": "info",
    "unknown": "unknown",
}

_TITLES: dict[Outcome, str] = {
    "better": "better",
    "worse": "worse",
    "steady": "within noise",
    "unknown": "not known in both",
}

RULE_TEXTS: dict[Rule, str] = {
    "task": "the task metric got better or worse by more than the tolerance",
    "size": "the task metric held, and the size changed",
    "spectrum": "redundancy or correlation changed by more than noise",
    "nothing": "no improvement was shown",
}
"""What decides, in the order of ``acceptance.RULES``."""


class _Marks(NamedTuple):
    """What stands in front of lines: the user's signs, or words that any terminal can show."""

    signs: dict[str, str]
    arrow: str


def comparison_text(comparison: Comparison) -> str:
    """The comparison for a terminal, with status signs where it can show them."""
    signs = encodable("".join(SIGNS.values()))
    marks = _Marks(SIGNS if signs else SIGN_WORDS, ARROW if encodable(ARROW) else PLAIN_ARROW)
    title = f"NAS COMPARISON OF {len(comparison.runs)} RUNS"
    lines = [RULE, title, RULE, "", "RUNS:", *_runs(comparison), ""]
    for block in blocks(comparison_table(comparison)):
        lines += [*(f"{INDENT}{line}" for line in aligned(block)), ""]
    for against in comparison.against:
        lines += [*_against(comparison, against, marks), ""]
    lines += ["NOTE:", *marked(marks.arrow, COMPARISON_CAVEAT), "", RULE]
    return "\n".join(lines)


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison as Markdown: a table, then what changed and the verdict, for each run."""
    head, *rows = ([escaped(cell) for cell in row] for row in comparison_table(comparison))
    baseline = escaped(comparison.runs[0].name)
    lines = [f"# Comparison of {len(comparison.runs)} runs", ""]
    lines += [
        markdown_row(head),
        markdown_row(["---", *["---:"] * (len(head) - 1)]),
        *map(markdown_row, rows),
        "",
    ]
    for against in comparison.against:
        lines += [f"## {escaped(against.name)} against {baseline}", ""]
        lines += [f"**{verdict_of(against)}** {escaped(reason_of(against))}", ""]
        lines += [f"- {escaped(line)}" for _, line in changes_of(against)]
        lines += [f"- note: {escaped(note)}" for note in against.notes]
        lines.append("")
    files = ", ".join(
        f"{escaped(each.name)}: {escaped(str(each.run.path))}" for each in comparison.runs
    )
    return "\n".join([*lines, f"The runs are {files}. {COMPARISON_CAVEAT}"])


def comparison_table(comparison: Comparison) -> list[list[str]]:
    """A row of names, then a row for each quantity: its name, and its value in each run."""
    readings = [each.run.readings for each in comparison.runs]
    steps = [each.run.steps[-1] for each in comparison.runs]
    records = [each.run.record for each in comparison.runs]
    rows = [
        ["", *(printable(each.name) for each in comparison.runs)],
        ["status", *(record.status if record else "-" for record in records)],
        ["readings", *(f"{len(each):,}" for each in readings)],
        ["training steps", *(quantity_value("steps", float(s)) for s in steps)],
    ]
    for measure in comparison.measures:
        values = [quantity_value(measure.name, value) for value in measure.values]
        rows.append([printable(quantity_label(measure.name)), *values])
    return rows


def verdict_of(against: Against) -> str:
    """Where the decision flow ends for a run."""
    return "ACCEPT CHANGES" if against.judgement.accept else "REVERT TO PREVIOUS"


def reason_of(against: Against) -> str:
    """The rule that decided, in words, and what it found."""
    judgement = against.judgement
    rule = f"Rule {judgement.rule} of {len(RULES)} ({RULE_TEXTS[judgement.rule_name]})"
    return f"{rule}: {printable(reason(judgement))}"


def changes_of(against: Against) -> list[tuple[Outcome, str]]:
    """What got better, what got worse, and what cannot be told, a line each."""
    judged = [one for one in against.changes.values() if one.judged]
    lines: list[tuple[Outcome, str]] = []
    for kind, title in _TITLES.items():
        found = [one for one in judged if one.kind == kind]
        if kind in ("better", "worse"):
            lines += [(kind, f"{title}: {_told(one)}") for one in found]
        elif found:
            names = ", ".join(printable(quantity_label(one.measure)) for one in found)
            lines.append((kind, f"{title}: {names}"))
    return lines


def _told(change: Change) -> str:
    name = change.measure
    values = f"{quantity_value(name, change.before)} to {quantity_value(name, change.after)}"
    band = dead_band_text(change)
    noise = f"; noise up to {band}" if band else ""
    return f"{printable(quantity_label(name))} {values} ({change_text(change)}{noise})"


def _runs(comparison: Comparison) -> list[str]:
    width = max(len(printable(each.name)) for each in comparison.runs)
    return [
        f"{INDENT}{printable(each.name):{width}}  {printable(str(each.run.path))}"
        + ("" if index else " (the baseline)")
        for index, each in enumerate(comparison.runs)
    ]


def _against(comparison: Comparison, against: Against, marks: _Marks) -> list[str]:
    names = printable(against.name), printable(comparison.runs[0].name)
    lines = [f"{names[0].upper()} AGAINST {names[1].upper()}:"]
    for kind, line in changes_of(against):
        lines += marked(marks.signs[_STATUS[kind]], line)
    sign = marks.signs["good" if against.judgement.accept else "warning"]
    lines += ["", f"{INDENT}{sign} {verdict_of(against)}"]
    for one in (reason_of(against), *(f"Note: {printable(note)}" for note in against.notes)):
        lines += marked(marks.arrow, one)
    return lines


def reason(judgement: Judgement) -> str:
    """What the rule that decided found, with its numbers."""
    sentences: dict[Rule, Callable[[Judgement], str]] = {
        "task": _task_sentence,
        "size": _size_sentence,
        "spectrum": _spectrum_sentence,
        "nothing": _nothing_shown,
    }
    return sentences[judgement.rule_name](judgement)


def _task_sentence(judgement: Judgement) -> str:
    (task,) = judgement.decided_by
    if math.isnan(task.after):
        return f"{task.measure} is not a number any more: the training diverged"
    if math.isnan(task.before):
        return f"{task.measure} is {quantity_value(task.measure, task.after)}, and was not a number"
    return f"{task.measure} got {task.kind}, {_beyond(task)}"


def _size_sentence(judgement: Judgement) -> str:
    (size,) = judgement.decided_by
    word = "fewer" if judgement.accept else "more"
    held = _held(judgement.task) if judgement.task else ""
    return f"{held}, with {word} {quantity_label(size.measure)} ({_from_to(size)})"


def _spectrum_sentence(judgement: Judgement) -> str:
    verbs = {"better": "fell", "worse": "rose"}
    watched = [one for one in judgement.decided_by if one.measure in SPECTRAL]
    told = "; ".join(
        f"{quantity_label(one.measure)} {verbs[one.kind]}, {_beyond(one)}" for one in watched
    )
    for size in judgement.decided_by:
        if size.measure not in SPECTRAL:
            told += f", but the model has more {quantity_label(size.measure)} ({_from_to(size)})"
    return f"{told}{_without(judgement.task)}"


def _nothing_shown(judgement: Judgement) -> str:
    task = judgement.task
    held = f"{_held(task)}; " if task and task.kind == "steady" else ""
    noise = "redundancy and correlation changed by no more than noise, or are not defined"
    return f"{held}{noise}{_without(task)}; more seeds of both would tell"


def _held(task: Change) -> str:
    return f"{task.measure} held ({_from_to(task)}, within {dead_band_text(task) or 0})"


def _beyond(change: Change) -> str:
    band = dead_band_text(change)
    return _from_to(change) + (f", by more than {band}" if band else "")


def _from_to(change: Change) -> str:
    before, after = (quantity_value(change.measure, v) for v in (change.before, change.after))
    return f"{before} to {after}"


def _without(task: Change | None) -> str:
    return "; no task metric is known in both runs" if task is None else ""

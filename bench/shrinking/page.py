"""bench/SHRINKING.md, written from bench/shrinking.csv; ``python -m bench.shrinking --page``."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from bench.results import machine
from bench.shrinking.arms import ARMS, TRIES
from bench.shrinking.claims import claims
from bench.shrinking.picture import save
from bench.shrinking.spare_section import TABLE as SPARE_TABLE
from bench.shrinking.spare_section import section
from bench.shrinking.table import rows_of
from bench.shrinking.tasks import RATE, TASKS, WEIGHT_DECAY, Task

TABLE = Path(__file__).parent.with_name("shrinking.csv")

PAGE = Path(__file__).parent.with_name("SHRINKING.md")

Rows = Sequence[dict[str, str]]

REFERENCE = "ours"
"""The arm that all others are held against, fold by fold."""


PAST = {
    "fitted proposals": "As many tries, each proposed near the best so far by a ridge regression "
    "over those before; it did no better than chance, and is gone."
}
"""Arms that were measured when nasmon still had them."""


def page(rows: Rows) -> str:
    """The text of SHRINKING.md.

    Args:
        rows: of the table, as text by column.
    """
    spare = section(rows_of(SPARE_TABLE))
    sections = [_section(task, own) for task in TASKS if (own := _of(rows, task=task.name))]
    sections += [spare] if spare else []
    return TEXT.format(
        rate=RATE,
        decay=WEIGHT_DECAY,
        tries=TRIES,
        arms=_arms(),
        claims=claims(rows),
        sections="\n\n".join(sections),
    )


def _arms() -> str:
    said = {name: (arm.__doc__ or "").strip() for name, arm in ARMS.items()} | PAST
    return "\n".join(f"- **{name}**: {text}" for name, text in said.items())


def _section(task: Task, rows: Rows) -> str:
    before = {row["fold"]: float(row["before"]) for row in rows}
    shown = ", ".join(f"{before[fold]:.4f}" for fold in sorted(before))
    head = (
        f"## {task.name}\n\n"
        f"{task.epochs} epochs, batches of {task.batch}; {task.fine_tuning} epochs after carrying "
        f"over. {task.metric} before, by fold: {shown}; mean {mean(before.values()):.4f}."
    )
    return "\n\n".join(
        [head, *(_budget(rows, one) for one in task.budgets if _of(rows, budget=one))]
    )


def _budget(rows: Rows, budget: str) -> str:
    own = _of(rows, budget=budget)
    reference = {row["fold"]: float(row["after"]) for row in _of(own, arm=REFERENCE)}
    lines = [
        f"### {_named(budget)}",
        "",
        "| | folds | carried over | after | spread | against ours, by fold | s to carry over | "
        "s to train |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in (*ARMS, *PAST):
        found = _of(own, arm=name)
        if not found:
            continue
        after = {row["fold"]: float(row["after"]) for row in found}
        carried = [float(row["carried"]) for row in found]
        differences = [after[fold] - reference[fold] for fold in sorted(after) if fold in reference]
        against = "" if name == REFERENCE else ", ".join(f"{one:+.4f}" for one in differences)
        spread = f"{stdev(after.values()):.4f}" if len(after) > 1 else "-"
        cells = [
            *(name, str(len(after)), "-" if carried[0] != carried[0] else f"{mean(carried):.3f}"),
            *(f"{mean(after.values()):.4f}", spread, against),
            *(_seconds(found, "carrying"), _seconds(found, "training")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _named(budget: str) -> str:
    if budget.endswith(" macs"):
        return f"{float(budget.split()[0]):.1%} of the multiply-adds"
    return f"{int(budget):,} parameters"


def _seconds(rows: Rows, column: str) -> str:
    return f"{mean(float(row[column]) for row in rows):.0f}"


def _of(rows: Rows, **values: str) -> list[dict[str, str]]:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


TEXT = """# Shrinking trained networks

Written by `python -m bench.shrinking` from `shrinking.csv`; where the data are is said by the
environment (`bench/shrinking/tasks.py`). Each fold has a network and a seed of its own, and is
judged on data that nothing was trained, chosen or tuned on; a search parts the fold's training data
for itself. Folds differ in how hard they are, so arms are held against each other fold by fold; a
fold that was trained again on another machine counts as one more.
AdamW, rate {rate:g} falling to 0 along a cosine, weight decay {decay:g}; after carrying over the
rate begins there again. Seconds are of shared machines, and some of these ran side by side: they
tell orders of magnitude.

{arms}

Every arm but those from scratch recomputes the statistics of batch normalizations. Searches try
{tries} widths.

![Size against accuracy for each network, nasmon and its rivals](../docs/front.png)

{claims}

{sections}
"""


def write(rows: Rows) -> None:
    """Writes the page, with the machine that it was written on, and its picture."""
    save(rows)
    PAGE.write_text(f"{page(rows)}\n{machine()}.\n", "utf-8")

"""What the table of shrinking allows to be claimed, and what not: a section of its page."""

from collections.abc import Iterator, Mapping, Sequence
from math import inf
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
import pandas as pd

from bench.shrinking.tasks import TASKS

Rows = Sequence[Mapping[str, str]]

SHORT, LONG, LONG_RIVAL = "ours", "ours, all epochs", "from scratch, all epochs"

RIVALS = ("from scratch", "random channels", "largest gamma", "not compensated", "rank_99")
"""Of the same widths or parameters, trained as briefly as ours."""


class Difference(NamedTuple):
    """Of a metric between two arms, over folds."""

    mean: float
    error: float  # of the mean; infinite of a single fold
    folds: int

    def __str__(self) -> str:
        error = "" if self.error == inf else f" ± {self.error:.4f}"
        return f"{self.mean:+.4f}{error} ({self.folds})"


def difference(rows: Rows, arm: str, rival: str) -> Difference | None:
    """How much an arm is ahead of another, in the folds that have both.

    Args:
        rows: of one network and budget.
        arm: one.
        rival: the other; "before" is the wide network.
    """
    first = {row["fold"]: float(row["after"]) for row in rows if row["arm"] == arm}
    if rival == "before":
        second = {row["fold"]: float(row["before"]) for row in rows}
    else:
        second = {row["fold"]: float(row["after"]) for row in rows if row["arm"] == rival}
    found = [first[fold] - second[fold] for fold in first if fold in second]
    if not found:
        return None
    error = stdev(found) / len(found) ** 0.5 if len(found) > 1 else inf
    return Difference(mean(found), error, len(found))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """The rank correlation of two lists, ties at their mean rank; NaN where all are alike.

    Example:
        >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([10.0, 20.0, 30.0]))
        1.0
    """
    ranks = [pd.Series(one).rank() for one in (a, b)]
    return float(ranks[0].corr(ranks[1]))


def claims(rows: Rows) -> str:
    """The section, in Markdown."""
    parts = [_short(rows), _sizes(rows), _long(rows), _fifths(rows)]
    return "\n\n".join(["## What it comes to", HEAD, *parts])


HEAD = """Differences are means over folds with the standard error of that mean, and the number of
folds; "ahead" and "behind" are so by more than two standard errors, "level" is what is between."""


def _cells(rows: Rows) -> Iterator[tuple[str, str, list[Mapping[str, str]]]]:
    for task in TASKS:
        for budget in task.budgets:
            own = [row for row in rows if (row["task"], row["budget"]) == (task.name, budget)]
            if own:
                yield task.name, budget, own


def _short(rows: Rows) -> str:
    lines = [
        "**Equal and few epochs.** Ours against each rival, over the networks and budgets where",
        "both were trained on two folds or more:",
        "",
        "| against | ahead | level | behind | mean difference |",
        "| --- | --- | --- | --- | --- |",
    ]
    for rival in RIVALS:
        found = [difference(own, SHORT, rival) for _, _, own in _cells(rows)]
        told = [one for one in found if one is not None and one.folds > 1]
        if not told:
            continue
        ahead = sum(one.mean > 2 * one.error for one in told)
        behind = sum(one.mean < -2 * one.error for one in told)
        level = len(told) - ahead - behind
        average = mean(one.mean for one in told)
        lines.append(f"| {rival} | {ahead} | {level} | {behind} | {average:+.4f} |")
    return "\n".join(lines)


def _sizes(rows: Rows) -> str:
    told = []
    for task in TASKS:
        pairs = []
        for name, budget, own in _cells(rows):
            arms = [
                [float(row["after"]) for row in own if row["arm"] == arm]
                for arm in (SHORT, LONG_RIVAL)
            ]
            if name == task.name and all(arms) and " " not in budget:
                pairs.append([mean(after) for after in arms])
        if len(pairs) > 2:
            short, full = np.array(pairs).T
            told.append(f"{task.name} {spearman(short, full):.2f} of {len(pairs)} sizes")
    return (
        "**Choosing a size.** Rank correlation, over sizes, of what a short fine-tuning came to "
        f"and what a full training from scratch did: {', '.join(told) or 'not measured'}."
    )


def _long(rows: Rows) -> str:
    lines = [
        "**Finishing.** Against a training from scratch for as many epochs as the wide network and",
        "the fine-tuning have together: carried over and fine-tuned, which is as many in all, and",
        "carried over and trained for as many again; and that against the wide network:",
        "",
        "| network | budget | as many in all | as many again | and the wide network |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, budget, own in _cells(rows):
        found = [
            difference(own, SHORT, LONG_RIVAL),
            difference(own, LONG, LONG_RIVAL),
            difference(own, LONG, "before"),
        ]
        if any(found[:2]):
            lines.append(f"| {name} | {budget} | {' | '.join(str(one or '-') for one in found)} |")
    return "\n".join(lines)


FIFTHS = ("7500", "4840", "15685", "25982", "36190")
"""Budgets of a fifth of a network's parameters."""


def _fifths(rows: Rows) -> str:
    lines = [
        "**A fifth of the parameters**, against the wide network:",
        "",
        "| network | few epochs | all epochs |",
        "| --- | --- | --- |",
    ]
    for name, budget, own in _cells(rows):
        if budget in FIFTHS:
            found = (difference(own, arm, "before") or "-" for arm in (SHORT, LONG))
            lines.append(f"| {name} | {' | '.join(map(str, found))} |")
    return "\n".join(lines)

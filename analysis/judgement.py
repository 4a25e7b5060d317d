"""Whether to accept a changed model: the last question of the decision flow, "Improvement?".

It is asked for someone who designs small networks: the task comes first, then the size, then what
the monitor saw. The first rule that applies decides:

1. The task metric got worse by more than the tolerance: revert. It got better by more: accept.
2. The task metric held, and the model has fewer parameters: accept; it has more: revert. With as
   many parameters, the multiply-adds count in the same way.
3. Redundancy or correlation fell by more than its dead band, and the other did not rise by as much:
   accept, unless the model grew. Either rose: revert.
4. Otherwise revert, for no improvement was shown.

The task metric is the one after the last epoch, whose weights are saved. Without a history in both
runs, rules 3 and 4 are left. A run is one sample of its seed: differences within the bands tell
nothing, and those beyond them are certain only when more seeds show them.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from nasmon.analysis.changes import Change
from nasmon.analysis.compare_words import label, shown, shown_band

RULES = (
    "the task metric got better or worse by more than the tolerance",
    "the task metric held, and the size changed",
    "redundancy or correlation changed by more than noise",
    "no improvement was shown",
)
"""What decides, in this order; rules are counted from 1."""

_Found = tuple[bool, str] | None


class Judgement(NamedTuple):
    """Whether to accept a run in the baseline's place."""

    accept: bool
    rule: int  # of RULES, from 1
    reason: str  # what the rule found, with its numbers


def judge(changes: Mapping[str, Change], task: Change | None) -> Judgement:
    """Judges a run against the baseline.

    Args:
        changes: by quantity; at least params, macs, redundancy_score and correlation_mean.
        task: the change of the task metric; None unless both runs measured it. NaN in the later
            run alone means that its training diverged, and counts as worse.
    """
    found = (_by_task(task), _by_size(changes, task), _by_spectrum(changes, task))
    for rule, one in enumerate(found, 1):
        if one is not None:
            return Judgement(one[0], rule, one[1])
    return Judgement(False, len(RULES), _nothing_shown(task))


def _by_task(task: Change | None) -> _Found:
    if task is None or (math.isnan(task.before) and math.isnan(task.after)):
        return None
    if math.isnan(task.after):
        return False, f"{task.measure} is not a number any more: the training diverged"
    if math.isnan(task.before):
        return True, f"{task.measure} is {shown(task.measure, task.after)}, and was not a number"
    if task.kind == "steady":
        return None
    return task.kind == "better", f"{task.measure} got {task.kind}, {_beyond(task)}"


def _by_size(changes: Mapping[str, Change], task: Change | None) -> _Found:
    size = _size(changes)
    if task is None or task.kind != "steady" or size.kind not in ("better", "worse"):
        return None
    smaller = size.kind == "better"
    word = "fewer" if smaller else "more"
    return smaller, f"{_held(task)}, with {word} {label(size.measure)} ({_from_to(size)})"


def _by_spectrum(changes: Mapping[str, Change], task: Change | None) -> _Found:
    watched = [changes["redundancy_score"], changes["correlation_mean"]]
    fell = [one for one in watched if one.kind == "better"]
    rose = [one for one in watched if one.kind == "worse"]
    if not fell and not rose:
        return None
    told = "; ".join(
        [f"{label(one.measure)} fell, {_beyond(one)}" for one in fell]
        + [f"{label(one.measure)} rose, {_beyond(one)}" for one in rose]
    )
    size = _size(changes)
    if fell and not rose and size.kind == "worse":
        price = f"but the model has more {label(size.measure)} ({_from_to(size)})"
        return False, f"{told}, {price}{_without(task)}"
    return not rose, f"{told}{_without(task)}"


def _size(changes: Mapping[str, Change]) -> Change:
    """The parameters, or the multiply-adds where those did not change."""
    return changes["macs"] if changes["params"].kind == "steady" else changes["params"]


def _nothing_shown(task: Change | None) -> str:
    held = f"{_held(task)}; " if task and task.kind == "steady" else ""
    noise = "redundancy and correlation changed by no more than noise, or are not defined"
    return f"{held}{noise}{_without(task)}; more seeds of both would tell"


def _held(task: Change) -> str:
    return f"{task.measure} held ({_from_to(task)}, within {shown_band(task) or 0})"


def _beyond(change: Change) -> str:
    band = shown_band(change)
    return _from_to(change) + (f", by more than {band}" if band else "")


def _from_to(change: Change) -> str:
    return f"{shown(change.measure, change.before)} to {shown(change.measure, change.after)}"


def _without(task: Change | None) -> str:
    return "; no task metric is known in both runs" if task is None else ""

"""Whether to accept a changed model, from what is compared and what counts as noise.

It is the last question of the decision flow, "Improvement?", asked for someone who designs small
networks: the task comes first, then the size, then what the monitor saw. The first rule that
applies decides:

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
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from nasmon.kernels.metric_table import AGGREGATED
from nasmon.widths.objectives import OBJECTIVES

CONDITION_FACTOR = 10.0
"""The condition number hangs on one layer's smallest eigenvalue: only orders of magnitude count."""

TOLERANCE = 0.01
"""What the task metric may lose: in points of a score, or as a share of a loss."""

DECIMAL_ROUNDING = 1e-9
"""Decimal numbers that differ by just a band must not exceed it in binary."""

Better = Literal["lower", "higher", "neither"]

Outcome = Literal["better", "worse", "steady", "unknown"]


class DeadBand(NamedTuple):
    """A change up to which two values count as equal."""

    size: float
    scale: Literal["absolute", "relative", "factor"]  # relative: a share of the earlier value

    def allowed(self, before: float) -> float:
        """By how much a value may differ from the earlier one, unless the scale is a factor."""
        return self.size * (abs(before) if self.scale == "relative" else 1)


class Measure(NamedTuple):
    """One quantity of all runs."""

    name: str  # a column of the files, or one of OBJECTIVES
    better: Better
    band: DeadBand
    values: tuple[float, ...]  # by run; NaN where not known or not defined


class Change(NamedTuple):
    """A quantity of a run against the baseline's."""

    measure: str
    before: float
    after: float
    kind: Outcome
    band: DeadBand
    judged: bool = True  # whether one way is better


EXACT = DeadBand(0, "absolute")


def model_dead_bands(thresholds: Mapping[str, float]) -> dict[str, tuple[Better, DeadBand]]:
    """Which way is better and what is noise, for what the files of the monitor hold.

    Args:
        thresholds: ``steady_redundancy`` is the band of redundancy and correlation, both means of
            shares over the layers; ``settled_rank`` that of saturation, which is a share of ranks.
    """
    steady = DeadBand(thresholds["steady_redundancy"], "absolute")
    judged: dict[str, tuple[Better, DeadBand]] = {
        **{objective.name: ("lower", EXACT) for objective in OBJECTIVES},
        "redundancy_score": ("lower", steady),
        "correlation_mean": ("lower", steady),
        "condition_number": ("lower", DeadBand(CONDITION_FACTOR, "factor")),
        "saturation": ("higher", DeadBand(thresholds["settled_rank"], "absolute")),
        "dead_channels": ("lower", EXACT),
    }
    unjudged: tuple[Better, DeadBand] = ("neither", EXACT)
    sizes = (objective.name for objective in OBJECTIVES)
    names = (*sizes, *(metric.name for metric in AGGREGATED), "overhead")
    return {name: judged.get(name, unjudged) for name in names}


def task_dead_band(
    metric: str, values: Iterable[float], tolerance: float
) -> tuple[Better, DeadBand]:
    """Which way is better, and what is noise, for a metric of the training's history.

    Args:
        metric: its column.
        values: all that will be compared.
        tolerance: in points where all values are in 0..1 and higher is better, as for accuracies;
            else, as for losses, a share of the earlier value.
    """
    lower = lower_is_better(metric)
    share = not lower and all(0 <= value <= 1 for value in values if not math.isnan(value))
    return "lower" if lower else "higher", DeadBand(tolerance, "absolute" if share else "relative")


def moved(band: DeadBand, before: float, after: float) -> bool:
    """Whether a change goes beyond its band; both values are defined."""
    if band.scale == "factor":
        return max(before, after) > band.size * min(before, after) * (1 + DECIMAL_ROUNDING)
    return abs(after - before) > band.allowed(before) + DECIMAL_ROUNDING


def change(measure: Measure, index: int) -> Change:
    """A quantity of one run against the first one's."""
    before, after = measure.values[0], measure.values[index]
    kind, judged = _kind(measure, before, after), measure.better != "neither"
    return Change(measure.name, before, after, kind, measure.band, judged)


def _kind(measure: Measure, before: float, after: float) -> Outcome:
    if math.isnan(before) or math.isnan(after):
        return "unknown"
    if measure.better == "neither" or not moved(measure.band, before, after):
        return "steady"
    return "better" if (after < before) == (measure.better == "lower") else "worse"


_LOWER_IS_BETTER = (
    *("loss", "error", "mae", "mse", "rmse", "mape", "msle", "hinge", "crossentropy", "entropy"),
    *("divergence", "perplexity", "logcosh", "poisson", "distance", "false"),
)


def lower_is_better(metric: str) -> bool:
    """Whether a metric is a loss or an error, by the words in its name."""
    return not set(_LOWER_IS_BETTER).isdisjoint(metric.lower().split("_"))


Rule = Literal["task", "size", "spectrum", "nothing"]

RULES: tuple[Rule, ...] = ("task", "size", "spectrum", "nothing")
"""What decides, in this order; rules are counted from 1."""


def main_metric(metrics: Iterable[str]) -> str:
    """What to judge a model by: the first metric that is no loss or error, else the loss.

    Example:
        >>> main_metric(["loss", "miou"])
        'miou'
    """
    return next((name for name in metrics if not lower_is_better(name)), "loss")


SPECTRAL = ("redundancy_score", "correlation_mean")
"""What the third rule watches."""


class Judgement(NamedTuple):
    """Whether to accept a run in the baseline's place."""

    accept: bool
    rule: int  # of RULES, from 1
    decided_by: tuple[Change, ...]  # the changes that the rule decided by
    task: Change | None  # of the task metric; None unless both runs measured it

    @property
    def rule_name(self) -> Rule:
        """The rule by its name."""
        return RULES[self.rule - 1]


_Found = tuple[bool, tuple[Change, ...]] | None


def judge(changes: Mapping[str, Change], task: Change | None) -> Judgement:
    """Judges a run against the baseline.

    Args:
        changes: by quantity; at least those of OBJECTIVES and SPECTRAL.
        task: the change of the task metric; None unless both runs measured it. NaN in the later
            run alone means that its training diverged, and counts as worse.

    Example:
        >>> bands = model_dead_bands({"steady_redundancy": 0.02, "settled_rank": 0.1})
        >>> measures = [Measure(name, *bands[name], (4.0, 3.0)) for name in bands]
        >>> task = change(Measure("val_miou", "higher", DeadBand(0.01, "absolute"), (0.8, 0.8)), 1)
        >>> judge({each.name: change(each, 1) for each in measures}, task).accept
        True
    """
    found = (_by_task(task), _by_size(changes, task), _by_spectrum(changes))
    for rule, one in enumerate(found, 1):
        if one is not None:
            return Judgement(one[0], rule, one[1], task)
    return Judgement(False, len(RULES), (), task)


def _by_task(task: Change | None) -> _Found:
    if task is None or (math.isnan(task.before) and math.isnan(task.after)):
        return None
    if math.isnan(task.before) or math.isnan(task.after):
        return not math.isnan(task.after), (task,)
    return None if task.kind == "steady" else (task.kind == "better", (task,))


def _by_size(changes: Mapping[str, Change], task: Change | None) -> _Found:
    size = _size(changes)
    if task is None or task.kind != "steady" or size.kind not in ("better", "worse"):
        return None
    return size.kind == "better", (size,)


def _by_spectrum(changes: Mapping[str, Change]) -> _Found:
    watched = [changes[name] for name in SPECTRAL]
    fell = [one for one in watched if one.kind == "better"]
    rose = [one for one in watched if one.kind == "worse"]
    if not fell and not rose:
        return None
    size = _size(changes)
    if fell and not rose and size.kind == "worse":
        return False, (*fell, size)
    return not rose, (*fell, *rose)


def _size(changes: Mapping[str, Change]) -> Change:
    """The first objective that is better or worse; the first of all if none is."""
    of_size = [changes[objective.name] for objective in OBJECTIVES]
    return next((one for one in of_size if one.kind in ("better", "worse")), of_size[0])

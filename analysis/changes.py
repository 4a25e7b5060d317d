"""What is compared between runs: each quantity, which way is better, and what counts as noise."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from nasmon.analysis.task_metric import lower_is_better
from nasmon.kernels.metric_table import AGGREGATED

CONDITION_FACTOR = 10.0
"""The condition number hangs on one layer's smallest eigenvalue: only orders of magnitude count."""

_ROUNDING = 1e-9
"""Decimal numbers that differ by just a band must not exceed it in binary."""

Better = Literal["lower", "higher", "neither"]
Kind = Literal["better", "worse", "steady", "unknown"]


class Band(NamedTuple):
    """A change up to which two values count as equal."""

    size: float
    scale: Literal["absolute", "relative", "factor"]  # relative: a share of the earlier value


class Measure(NamedTuple):
    """One quantity of all runs."""

    name: str  # a column of the files, "params" or "macs"
    better: Better
    band: Band
    values: tuple[float, ...]  # by run; NaN where not known or not defined


class Change(NamedTuple):
    """A quantity of a run against the baseline's."""

    measure: str
    before: float
    after: float
    kind: Kind
    band: Band
    judged: bool = True  # whether one way is better


EXACT = Band(0, "absolute")


def model_bands(thresholds: Mapping[str, float]) -> dict[str, tuple[Better, Band]]:
    """Which way is better and what is noise, for what the files of the monitor hold.

    Args:
        thresholds: ``steady_redundancy`` is the band of redundancy and correlation, both means of
            shares over the layers; ``settled_rank`` that of saturation, which is a share of ranks.
    """
    steady = Band(thresholds["steady_redundancy"], "absolute")
    judged: dict[str, tuple[Better, Band]] = {
        "params": ("lower", EXACT),
        "macs": ("lower", EXACT),
        "redundancy_score": ("lower", steady),
        "correlation_mean": ("lower", steady),
        "condition_number": ("lower", Band(CONDITION_FACTOR, "factor")),
        "saturation": ("higher", Band(thresholds["settled_rank"], "absolute")),
        "dead_channels": ("lower", EXACT),
    }
    unjudged: tuple[Better, Band] = ("neither", EXACT)
    names = ("params", "macs", *(metric.name for metric in AGGREGATED), "overhead")
    return {name: judged.get(name, unjudged) for name in names}


def task_band(metric: str, values: Iterable[float], tolerance: float) -> tuple[Better, Band]:
    """Which way is better, and what is noise, for a metric of the training's history.

    Args:
        metric: its column.
        values: all that will be compared.
        tolerance: in points where all values are in 0..1 and higher is better, as for accuracies;
            else, as for losses, a share of the earlier value.
    """
    lower = lower_is_better(metric)
    share = not lower and all(0 <= value <= 1 for value in values if not math.isnan(value))
    return "lower" if lower else "higher", Band(tolerance, "absolute" if share else "relative")


def moved(band: Band, before: float, after: float) -> bool:
    """Whether a change goes beyond its band; both values are defined."""
    if band.scale == "factor":
        return max(before, after) > band.size * min(before, after) * (1 + _ROUNDING)
    allowed = band.size * (abs(before) if band.scale == "relative" else 1)
    return abs(after - before) > allowed + _ROUNDING


def change(measure: Measure, index: int) -> Change:
    """A quantity of one run against the first one's."""
    before, after = measure.values[0], measure.values[index]
    kind, judged = _kind(measure, before, after), measure.better != "neither"
    return Change(measure.name, before, after, kind, measure.band, judged)


def _kind(measure: Measure, before: float, after: float) -> Kind:
    if math.isnan(before) or math.isnan(after):
        return "unknown"
    if measure.better == "neither" or not moved(measure.band, before, after):
        return "steady"
    return "better" if (after < before) == (measure.better == "lower") else "worse"

"""The five findings about a whole run, and the user's decision flow.

The flow: a redundancy above the high threshold: reduce the architecture; below the low one: it is
optimal; between them the correlation decides: above its high threshold add regularization, else
minor tweaks will do.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasmon.analysis.recommend.findings import Decision, Finding, Status, Verdict
from nasmon.analysis.run import Run
from nasmon.analysis.words import distinct_number, scientific
from nasmon.kernels.metric_table import RESOLUTION

ENDS = 5
"""How many readings at either end of the run have their means compared."""

# as far as float64 rounds the difference of two means of numbers up to 1
_MEAN_ROUNDING = 8 * float(np.finfo(np.float64).eps)


class _Level(NamedTuple):
    """What a value may be found to be."""

    holds: bool
    status: Status
    name: str
    lines: tuple[str, ...]


_OVERALL: dict[Decision, _Level] = {
    "reduce": _Level(
        True,
        "warning",
        "ARCHITECTURE NEEDS OPTIMIZATION",
        (
            "Reduce model width or bottleneck size by 25-50%",
            "Add regularization (dropout, weight decay)",
        ),
    ),
    "optimal": _Level(
        True, "good", "ARCHITECTURE IS OPTIMAL", ("Keep it: the model uses its width",)
    ),
    "regularize": _Level(
        True,
        "warning",
        "ARCHITECTURE NEEDS REGULARIZATION",
        ("Add regularization (dropout, weight decay)",),
    ),
    "tweak": _Level(
        True,
        "info",
        "MINOR TWEAKS",
        ("Architecture is reasonable, minor optimizations possible",),
    ),
    "undecided": _Level(True, "unknown", "UNDECIDED", ("Mend what is not defined above first",)),
}


def verdict(run: Run, thresholds: Mapping[str, float]) -> Verdict:
    """The five findings of a run, and where the decision flow ends.

    Args:
        run: with at least one reading; the last one counts.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
    """
    last = run.readings.iloc[-1]
    redundancy = float(last["redundancy_score"])
    correlation = float(last["correlation_mean"])
    decision, rule = decide(redundancy, correlation, thresholds)
    findings = (
        _redundancy(redundancy, thresholds),
        _correlation(correlation, thresholds),
        _conditioning(float(last["condition_number"]), thresholds),
        _dynamics(run.readings["redundancy_score"].to_numpy(), thresholds),
        _overall(decision, rule),
    )
    return Verdict(findings, decision, rule)


def decide(
    redundancy: float, correlation: float, thresholds: Mapping[str, float]
) -> tuple[Decision, str]:
    """The user's decision flow.

    Args:
        redundancy: of the last reading, over all layers; NaN if undefined.
        correlation: likewise; it counts only between the two thresholds of the redundancy.
        thresholds: all of ``DEFAULT_THRESHOLDS``.

    Returns:
        Where the flow ends, and the rule that decided, with its numbers.
    """
    high, low = thresholds["high_redundancy"], thresholds["low_redundancy"]
    limit = thresholds["high_correlation"]
    if np.isnan(redundancy):
        return "undecided", "redundancy is not defined"
    found = f"redundancy {distinct_number(redundancy, high, low)}"
    if redundancy > high:
        return "reduce", f"{found} > {high:g}"
    if redundancy < low:
        return "optimal", f"{found} < {low:g}"
    found += f" is from {low:g} to {high:g}, correlation"
    if np.isnan(correlation):
        return "undecided", f"{found} is not defined"
    found += f" {distinct_number(correlation, limit)}"
    if correlation > limit:
        return "regularize", f"{found} > {limit:g}"
    return "tweak", f"{found} <= {limit:g}"


def _redundancy(value: float, thresholds: Mapping[str, float]) -> Finding:
    high, moderate, low = (thresholds[f"{n}_redundancy"] for n in ("high", "moderate", "low"))
    levels = (
        _Level(
            value > high,
            "warning",
            "HIGH REDUNDANCY",
            (
                "Consider reducing bottleneck size or decoder filters",
                "Reduce filters by 25-30%, bottleneck by 25%",
                "High redundancy indicates wasted capacity",
            ),
        ),
        _Level(
            value >= moderate,
            "info",
            "MODERATE REDUNDANCY",
            ("Reduce filters by 10-15%", "Some of the capacity is to spare"),
        ),
        _Level(
            value >= low,
            "good",
            "GOOD",
            ("Architecture is reasonable, minor optimizations possible",),
        ),
        _Level(value < low, "good", "EXCELLENT", ("Model is well-sized, features are diverse",)),
    )
    evidence = f"final={distinct_number(value, high, moderate, low)}"
    return _first_that_holds("REDUNDANCY ANALYSIS", "redundancy_score", value, evidence, levels)


def _correlation(value: float, thresholds: Mapping[str, float]) -> Finding:
    high, low = thresholds["high_correlation"], thresholds["low_correlation"]
    levels = (
        _Level(
            value > high,
            "warning",
            "HIGH CORRELATION",
            ("Reduce filter count, features are redundant",),
        ),
        _Level(
            value >= low,
            "info",
            "MODERATE CORRELATION",
            (
                "Features have some redundancy",
                "Consider adding dropout or reducing layer width",
            ),
        ),
        _Level(value < low, "good", "DIVERSE FEATURES", ("Good feature learning",)),
    )
    evidence = f"final={distinct_number(value, high, low)}"
    return _first_that_holds("CORRELATION ANALYSIS", "correlation_mean", value, evidence, levels)


def _conditioning(value: float, thresholds: Mapping[str, float]) -> Finding:
    poor = thresholds["poor_conditioning"]
    # files may hold it rounded
    saturated = value >= (1 - 1e-6) / RESOLUTION
    why = (
        f"The number ends at {scientific(1 / RESOLUTION)}: some layer has fewer independent "
        "directions than channels"
        if saturated
        else "In some layer, some directions carry next to nothing"
    )
    levels = (
        _Level(
            value > poor,
            "warning",
            "POOR CONDITIONING",
            (why, "Narrow that layer, or normalize what goes into it"),
        ),
        _Level(
            value <= poor,
            "good",
            "GOOD CONDITIONING",
            (why,) if saturated else ("Excellent numerical stability",),
        ),
    )
    evidence = f"final={scientific(value, poor)}"
    return _first_that_holds("NUMERICAL STABILITY", "condition_number", value, evidence, levels)


def _first_that_holds(
    title: str, metric: str, value: float, evidence: str, levels: Sequence[_Level]
) -> Finding:
    for level in levels:
        if level.holds:
            return Finding(title, level.status, level.name, metric, value, evidence, level.lines)
    # no comparison holds for NaN
    why = (
        "Every layer's activations are not finite, never vary, or have a single channel",
        "Look for NaN in the loss, then at the layers one by one",
    )
    return Finding(title, "unknown", "UNDEFINED", metric, value, "final=nan", why)


def _dynamics(redundancy: np.ndarray, thresholds: Mapping[str, float]) -> Finding:
    title, metric = "TRAINING DYNAMICS", "redundancy_score"
    defined = redundancy[~np.isnan(redundancy)]
    count = min(ENDS, len(defined) // 2)
    if count < 1:
        lines = (
            f"There {_are(len(defined), 'reading')} of a defined redundancy; two are needed",
            "Train longer, or take readings more often",
        )
        level = "NOT ENOUGH READINGS"
        return Finding(title, "unknown", level, metric, float("nan"), "", lines)
    first, last = float(defined[:count].mean()), float(defined[-count:].mean())
    steady = thresholds["steady_redundancy"]
    change = last - first
    levels = (
        _Level(
            change < -steady - _MEAN_ROUNDING,
            "good",
            "Redundancy DECREASING over training",
            ("Model is learning efficient representations",),
        ),
        _Level(
            change > steady + _MEAN_ROUNDING,
            "warning",
            "Redundancy INCREASING over training",
            ("Possible overfitting or overparameterization",),
        ),
        _Level(True, "info", "Redundancy STABLE over training", ("Consistent feature usage",)),
    )
    shown = distinct_number(round(change, 12), -steady, steady)
    sign = "+" if change >= 0 else ""
    evidence = f"change={sign}{shown}".replace("=-0.000", "=+0.000")
    found = _first_that_holds(title, metric, change, evidence, levels)
    return found._replace(lines=(*found.lines, _ends(first, last, count, len(defined))))


def _ends(first: float, last: float, count: int, readings: int) -> str:
    whole = f"; there are only {readings}" if readings < 2 * ENDS else ""
    if count == 1:
        return f"First reading {first:.3f}, last {last:.3f}{whole}"
    return f"Mean of the first {count} readings {first:.3f}, of the last {count} {last:.3f}{whole}"


def _are(count: int, noun: str) -> str:
    return f"is {count} {noun}" if count == 1 else f"are {count or 'no'} {noun}s"


def _overall(decision: Decision, rule: str) -> Finding:
    level = _OVERALL[decision]
    after = () if decision in ("optimal", "undecided") else ("Then train again and compare",)
    lines = (*level.lines, *after, f"Decided by: {rule}")
    title = "OVERALL RECOMMENDATION"
    return Finding(title, level.status, level.name, "", float("nan"), "", lines)

"""Several runs side by side, and each against the first of them.

What got better and worse, the dead bands beside it, and whether to accept, by the rules of
``nasmon.acceptance``.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nasmon.acceptance import (
    EXACT,
    TOLERANCE,
    Change,
    Judgement,
    Measure,
    change,
    judge,
    model_dead_bands,
    task_dead_band,
)
from nasmon.analysis.history import VALIDATION_LOSS, TaskResult, shared_metric, task_result
from nasmon.analysis.run import Run
from nasmon.analysis.run_names import distinct_names
from nasmon.analysis.words import BEST
from nasmon.errors import UsageError

COMPARISON_CAVEAT = (
    "One run is one sample of its seed: a difference within the noise tells nothing, and one "
    "beyond it is certain only when more seeds show it."
)


class Compared(NamedTuple):
    """One of the runs."""

    name: str  # distinct from all others'
    run: Run
    task: TaskResult | None
    loss: TaskResult | None  # the validation loss
    notes: tuple[str, ...]  # what could not be read


class Against(NamedTuple):
    """A later run against the baseline."""

    name: str
    changes: dict[str, Change]  # by quantity, in the order of the measures
    judgement: Judgement
    notes: tuple[str, ...]  # why the two may be unlike


class Comparison(NamedTuple):
    """Several runs, the first of which is the baseline."""

    runs: tuple[Compared, ...]
    task_metric: str | None
    tolerance: float
    measures: tuple[Measure, ...]
    against: tuple[Against, ...]  # all runs but the first


def compare(
    runs: Sequence[Run], thresholds: Mapping[str, float], tolerance: float = TOLERANCE
) -> Comparison:
    """Compares runs with the first of them.

    Args:
        runs: at least two.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
        tolerance: what the task metric may lose, see TOLERANCE.

    Raises:
        UsageError: fewer than two runs, one of them twice, a tolerance that is no share, or a
            history that is damaged.
    """
    _check(runs, tolerance)
    metric = shared_metric([run.history for run in runs])
    names = distinct_names(runs)
    compared = tuple(_compared(name, run, metric) for name, run in zip(names, runs, strict=True))
    measures = (*_task_measures(compared, metric, tolerance), *_model_measures(runs, thresholds))
    against = tuple(_against(compared, index, measures, metric) for index in range(1, len(runs)))
    return Comparison(compared, metric, tolerance, measures, against)


def _check(runs: Sequence[Run], tolerance: float) -> None:
    if len(runs) < 2:
        count = "one run" if runs else "no run"
        raise UsageError(f"{count} given to compare; give the CSVs of two or more")
    if not 0 <= tolerance < 1:
        raise UsageError(f"tolerance is {tolerance:g}; use a number from 0 to below 1, as 0.01")
    for index, run in enumerate(runs):
        if any(_are_same(run, other) for other in runs[:index]):
            remedy = "give the CSVs of different runs"
            if run.choice.runs > 1:
                remedy = "choose two of its runs with --run"
            raise UsageError(f"{run.path} is given twice; {remedy}")


def _are_same(run: Run, other: Run) -> bool:
    return run.path.samefile(other.path) and run.choice.number == other.choice.number


def _compared(name: str, run: Run, metric: str | None) -> Compared:
    task = task_result(run.history, metric) if metric else None
    return Compared(
        name, run, task, task_result(run.history, VALIDATION_LOSS), (*run.notes, *_absent(run))
    )


def _absent(run: Run) -> list[str]:
    absence = run.absent("record")
    if absence:
        return [
            f"{absence.state}, so neither the size nor the task metric of {run.path.name} is "
            f"known; {absence.remedy}"
        ]
    if run.record and run.history is None:
        where = run.record.history or "a history of the training"
        return [f"{where} is not there, so the task metric of {run.path.name} is not known"]
    return []


def _task_measures(
    compared: Sequence[Compared], metric: str | None, tolerance: float
) -> list[Measure]:
    if metric is None:
        return []
    finals = tuple(each.task.final if each.task else math.nan for each in compared)
    bests = tuple(each.task.best if each.task else math.nan for each in compared)
    better, band = task_dead_band(metric, (*finals, *bests), tolerance)
    rows = [
        Measure(metric, better, band, finals),
        Measure(f"{metric}{BEST}", "neither", EXACT, bests),
    ]
    losses = tuple(each.loss.final if each.loss else math.nan for each in compared)
    if metric != VALIDATION_LOSS and not all(math.isnan(loss) for loss in losses):
        rows.append(
            Measure(VALIDATION_LOSS, *task_dead_band(VALIDATION_LOSS, losses, tolerance), losses)
        )
    return rows


def _model_measures(runs: Sequence[Run], thresholds: Mapping[str, float]) -> list[Measure]:
    bands = model_dead_bands(thresholds)
    return [Measure(name, *bands[name], tuple(_value(run, name) for run in runs)) for name in bands]


def _value(run: Run, name: str) -> float:
    if name in run.readings:
        return float(run.readings[name].iloc[-1])
    value = getattr(run.record, name, None)
    return math.nan if value is None else float(value)


def _against(
    compared: Sequence[Compared], index: int, measures: Sequence[Measure], metric: str | None
) -> Against:
    baseline, later = compared[0], compared[index]
    changes = {measure.name: change(measure, index) for measure in measures}
    measured = metric is not None and baseline.task is not None and later.task is not None
    task = changes[metric] if metric and measured else None
    return Against(later.name, changes, judge(changes, task), _unlike(baseline, later))


def _unlike(baseline: Compared, later: Compared) -> tuple[str, ...]:
    notes = [
        f"{each.name} is not whole (status: {each.run.record.status}), so this is provisional"
        for each in (baseline, later)
        if each.run.record and each.run.record.status != "ended"
    ]
    counted = "step" if baseline.run.has_steps and later.run.has_steps else "epoch"
    ends = [float(each.run.readings[counted].iloc[-1]) for each in (baseline, later)]
    if ends[0] != ends[1]:
        notes.append(
            f"{later.name} was read up to {counted} {ends[1]:,.0f} and {baseline.name} up to "
            f"{counted} {ends[0]:,.0f}: they were not trained alike"
        )
    if baseline.run.has_steps != later.run.has_steps:
        other = later if baseline.run.has_steps else baseline
        notes.append(
            f"{other.name} was read by another monitor, whose numbers may be of the model's output "
            "alone: they are not to be held against those of all layers"
        )
    if baseline.run.readings.equals(later.run.readings):
        notes.append(f"{later.name} and {baseline.name} hold the same readings: one is a copy")
    return tuple(notes)

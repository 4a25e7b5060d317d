"""Whether a smaller model does as well: both judged on the same samples, and by what rule."""

import re
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from statistics import fmean
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nasmon.acceptance import (
    DECIMAL_ROUNDING,
    TOLERANCE,
    DeadBand,
    lower_is_better,
    main_metric,
    task_dead_band,
)
from nasmon.errors import UsageError, first_line
from nasmon.narrowing.labelled import has_labels
from nasmon.narrowing.sampled import Blocks, Interval, Predict, SampledMetrics, agree

Metrics = dict[str, float]

Accept = str | Callable[[Metrics, Metrics], bool]
"""A rule such as "miou >= -0.01", of how much a metric may change; or a function of all metrics
before and after."""


class JudgedModel(NamedTuple):
    """A model on the validation data."""

    metrics: Metrics  # empty where nothing can be measured
    blocks: Blocks | None = None  # None where a metric is no sum over samples


class Evaluation:
    """Judges models on validation data, where there are labels and a loss.

    Args:
        model: as which all are compiled.
        data: as for ``shrink``.
    """

    def __init__(self, model: keras.Model, data: Any) -> None:
        self._data, self._model = data, model
        batches = isinstance(data, tf.data.Dataset | keras.utils.PyDataset)
        self._possible = model.compiled and has_labels(data)
        self._arrays = None if batches else data
        self._sampled: SampledMetrics | None = None

    def of(self, model: keras.Model) -> Metrics:
        """Metrics by name of a model that is compiled; empty where nothing can be measured."""
        if not self._possible:
            return {}
        settings = {"verbose": 0, "return_dict": True}
        if self._arrays is None:
            found = model.evaluate(self._data, **settings)
        else:
            x, y, weight = keras.utils.unpack_x_y_sample_weight(tuple(self._arrays))
            found = model.evaluate(x, y, sample_weight=weight, **settings)
        return {name: float(value) for name, value in found.items()}

    def judged(self, model: keras.Model) -> JudgedModel:
        """A model, with what its metrics sum up over samples."""
        metrics = self.of(model)
        if not metrics:
            return JudgedModel({})
        try:
            found = self._blocks(model.predict_on_batch)
        except Exception:
            # a loss or a metric may be anything; then there is no interval
            return JudgedModel(metrics)
        # what else is in a loss, such as regularizers, is of no sample
        same = frozenset(
            name
            for name in found.additive & metrics.keys()
            if agree(found.metrics[name], metrics[name])
        )
        return JudgedModel(metrics, found._replace(additive=same))

    def predicted(self, predict: Predict) -> JudgedModel:
        """What predicts, by its predictions alone.

        Args:
            predict: from a batch of inputs to what the model puts out.

        Raises:
            UsageError: there is nothing to judge by.
        """
        if not self._possible:
            raise UsageError(f"there is nothing to judge by: {UNJUDGED}")
        try:
            found = self._blocks(predict)
        except UsageError:
            raise
        except Exception as error:
            # a loss or a metric may be anything
            raise UsageError(
                f"the metrics of {self._model.name!r} cannot be computed from predictions alone "
                f"({type(error).__name__}: {first_line(error)})"
            ) from error
        return JudgedModel(found.metrics, found)

    def interval(
        self, name: str, before: Sequence[JudgedModel], after: Sequence[JudgedModel]
    ) -> Interval | None:
        """How much a metric changed; None where it is not known how sure that is.

        Args:
            name: of the metric.
            before: a model, or several trainings of it.
            after: another.
        """
        first, last = (
            [one.blocks for one in models if one.blocks is not None] for models in (before, after)
        )
        if self._sampled is None or len(first) < len(before) or len(last) < len(after):
            return None
        return self._sampled.interval(name, first, last)

    def _blocks(self, predict: Predict) -> Blocks:
        # kept once it has worked
        sampled = self._sampled or SampledMetrics(self._model, self._data)
        found = sampled.blocks(predict)
        self._sampled = sampled
        return found


class Acceptance(NamedTuple):
    """Whether a model is accepted."""

    accepted: bool | None  # None where there was nothing to judge by
    decided_by: str  # in words
    interval: Interval | None = None  # of the metric that decided


class Bound(NamedTuple):
    """How much a metric may change."""

    metric: str
    lowest: float
    highest: float
    asked: str  # in words

    def holds(self, low: float, high: float) -> bool:
        """Whether all changes between two are allowed, but for rounding."""
        return self.lowest - DECIMAL_ROUNDING <= low and high <= self.highest + DECIMAL_ROUNDING


def checked_rule(accept: Accept | None, before: Mapping[str, float]) -> Accept | None:
    """A rule that can be applied, before anything takes long.

    Raises:
        UsageError: it is no rule, or of a metric that is not measured.
    """
    if isinstance(accept, str):
        _bound(accept, before)
    return accept


def accepted_by(
    accept: Accept | None,
    evaluation: Evaluation,
    before: JudgedModel,
    after: Sequence[JudgedModel],
) -> Acceptance:
    """Whether a model is accepted in another one's place.

    A rule has to hold for the whole interval of the change: what samples cannot tell is not shown,
    and not accepted.

    Args:
        accept: the rule; None: the first metric that is no loss, or else the loss, may become worse
            by ``acceptance.TOLERANCE``.
        evaluation: that judged both.
        before: the model that was given.
        after: the smaller one, or several trainings of it: their mean is judged.
    """
    mean = mean_of(after)
    if callable(accept):
        holds = bool(accept(before.metrics, mean))
        return Acceptance(holds, "by the function that was given")
    if not before.metrics:
        return Acceptance(None, f"nothing was measured: {UNJUDGED}")
    bound = _bound(accept, before.metrics) if accept else _not_worse(before.metrics, mean)
    first, last = before.metrics[bound.metric], mean[bound.metric]
    change = f"{bound.metric} {first:.4g} -> {last:.4g}{_trainings(bound.metric, after)}"
    if isnan(last):
        return Acceptance(False, f"{bound.metric} is not a number after the training")
    interval = evaluation.interval(bound.metric, [before], after)
    if interval is None:
        accepted = bound.holds(last - first, last - first)
        return Acceptance(accepted, f"{change}, {bound.asked}; how sure that is, is not known")
    accepted = bound.holds(interval.low, interval.high)
    inside = bound.holds(interval.change, interval.change)
    shown = "" if accepted or not inside else ", which these samples do not show"
    return Acceptance(accepted, f"{change}, {interval}; {bound.asked}{shown}", interval)


def mean_of(models: Sequence[JudgedModel]) -> Metrics:
    """The mean of each metric over trainings of a model."""
    return {name: fmean(one.metrics[name] for one in models) for name in models[0].metrics}


def _trainings(metric: str, models: Sequence[JudgedModel]) -> str:
    """What several trainings came to, in words; nothing of a single one."""
    if len(models) == 1:
        return ""
    values = [one.metrics[metric] for one in models]
    if len({tuple(one.metrics.items()) for one in models}) == 1:
        return f" in each of {len(models)} trainings, which do not depend on the seed"
    listed = ", ".join(f"{value:.4g}" for value in values)
    return f" in the mean of {len(models)} trainings ({listed})"


UNJUDGED = "there are no labels, or the model is not compiled"

_INFINITE = float("inf")


_RULE = re.compile(r"\s*(\w+)\s*(>=|<=)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*")


def _bound(accept: str, metrics: Mapping[str, float]) -> Bound:
    match = _RULE.fullmatch(accept)
    if match is None:
        raise UsageError(
            f"accept is {accept!r}; use a metric, >= or <=, and by how much it may change, such as "
            '"accuracy >= -0.01"'
        )
    name, sign, amount = match.groups()
    if name not in metrics:
        there = ", ".join(metrics) or "none: give labels, and a model that is compiled"
        raise UsageError(f"accept has {name!r}, which is not measured; there are {there}")
    asked = f"asked for is {sign} {amount}"
    if sign == ">=":
        return Bound(name, float(amount), _INFINITE, asked)
    return Bound(name, -_INFINITE, float(amount), asked)


def _not_worse(before: Mapping[str, float], after: Mapping[str, float]) -> Bound:
    # a model that was compiled again tells its earlier metrics, too
    name = main_metric([name for name in before if name in after])
    _, band = task_dead_band(name, (before[name], after[name]), TOLERANCE)
    allowed = band.allowed(before[name])
    words = f"{_allowed(band)} is allowed"
    if lower_is_better(name):
        return Bound(name, -_INFINITE, allowed, words)
    return Bound(name, -allowed, _INFINITE, words)


def _allowed(band: DeadBand) -> str:
    return f"{band.size:g} worse" if band.scale == "absolute" else f"{band.size:.0%} worse"

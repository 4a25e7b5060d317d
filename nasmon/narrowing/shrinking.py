"""From a trained model and a budget to a smaller one: narrowed, fine-tuned, compared, judged."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nasmon.acceptance import (
    TOLERANCE,
    DeadBand,
    lower_is_better,
    main_metric,
    moved,
    task_dead_band,
)
from nasmon.errors import UsageError
from nasmon.narrowing.labelled import has_labels
from nasmon.narrowing.narrower import narrowed
from nasmon.narrowing.plan import Limits, WidthPlan
from nasmon.narrowing.planner import NUMBERS, Choices
from nasmon.narrowing.rebuild import Build
from nasmon.narrowing.search import Search, Searched, searched
from nasmon.narrowing.seen import SAMPLES, Seen
from nasmon.values import checked, not_text, whole

FineTune = Callable[[keras.Model], Any]

Metrics = dict[str, float]

Accept = str | Callable[[Metrics, Metrics], bool]
"""A rule such as "miou >= -0.01", of how much a metric changed; or a function of all metrics before
and after."""


class Shrunk(NamedTuple):
    """A smaller model, and what is known of it.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> result = shrink(model, keras.random.normal((64, 4), seed=0))
        >>> result.plan.widths, result.accepted
        ({}, None)
    """

    model: keras.Model
    plan: WidthPlan
    # by name, of the validation data; empty without labels or where the model is not compiled
    before: Metrics  # of the model that was given
    carried: Metrics  # of the smaller one before it was trained
    after: Metrics  # and after that
    accepted: bool | None  # None where there was nothing to judge by
    decided_by: str  # in words
    seconds: dict[str, float]  # "narrow", "search", "fine_tune", "evaluate"
    searched: Searched | None = None


def shrink(
    model: keras.Model,
    data: Any,
    *,
    params: float | None = None,
    macs: float | None = None,
    flash: float | str | None = None,
    ram: float | str | None = None,
    fine_tune: FineTune | None = None,
    validation: Any = None,
    accept: Accept | None = None,
    keep: Sequence[str] = (),
    round_to: int = 1,
    min_width: int = 1,
    build: Build | None = None,
    samples: int = SAMPLES,
    search: int | Search = 0,
    verbose: bool = True,
) -> Shrunk:
    """Narrows a trained model to a budget, fine-tunes it, and says whether it does as well.

    Args:
        model: built and trained; its weights stay as they are.
        data: to choose channels by: inputs, as ``Monitor`` takes them.
        params: as for ``plan_widths``.
        macs: as for ``plan_widths``.
        flash: as for ``plan_widths``.
        ram: as for ``plan_widths``.
        fine_tune: trains the model that it is given; the narrowed one is compiled as the other was.
            None to leave it as carried over.
        validation: a tuple (x, y), a ``tf.data.Dataset`` or a ``PyDataset`` with labels, to compare
            both on; ``data``, if None, where it has labels.
        accept: as ``Accept``. None: the first metric that is no loss, or else the loss, may become
            worse by ``acceptance.TOLERANCE``.
        keep: as for ``plan_widths``.
        round_to: as for ``plan_widths``.
        min_width: as for ``plan_widths``.
        build: as for ``narrow``.
        samples: of ``data``.
        search: so many widths to try beside those of all groups scaled alike, each trained for an
            epoch on a part of ``data``, which then needs labels; see ``Search`` for more.
        verbose: whether to show how far it is where it takes long.

    Raises:
        UsageError: as ``plan_widths`` and ``narrow``; or a rule that names no metric.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
        >>> model = keras.Sequential(layers)
        >>> result = shrink(model, keras.random.normal((64, 4), seed=0), params=0.5)
        >>> result.model.count_params() <= 0.5 * model.count_params()
        True
    """
    checked(NUMBERS, round_to=round_to, min_width=min_width, samples=samples)
    options = _options_of(search)
    measured = _Evaluation(model, data if validation is None else validation)
    before = measured.of(model)
    decide = _rule(accept, before)
    clock = _Clock()
    seen = Seen(model, data, samples)
    limits = Limits(keep, round_to, min_width)
    budgets = {"params": params, "macs": macs, "flash": flash, "ram": ram}
    choices = Choices(seen, budgets, limits, verbose)
    widths, found = choices.widths(), None
    clock.lap("narrow")
    if options is not None:
        widths, found = searched(choices, data, options, build, verbose)
        clock.lap("search")
    plan = choices.plan(widths)
    small = narrowed(seen, plan.widths, build)
    clock.lap("narrow")
    carried = measured.of(small)
    clock.lap("evaluate")
    if fine_tune is not None:
        fine_tune(small)
    clock.lap("fine_tune")
    after = measured.of(small) if fine_tune is not None else carried
    clock.lap("evaluate")
    accepted, words = decide(before, after)
    return Shrunk(small, plan, before, carried, after, accepted, words, clock.seconds, found)


def _options_of(search: int | Search) -> Search | None:
    if isinstance(search, Search):
        return search
    tries = checked({"search": not_text(whole(0))}, search=search)["search"]
    return Search(tries + 1) if tries else None


class _Clock:
    """Seconds between laps, summed by name."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("narrow", "search", "fine_tune", "evaluate"), 0.0)
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] += now - self._last
        self._last = now


class _Evaluation:
    """Metrics on validation data, where there are labels and a loss."""

    def __init__(self, model: keras.Model, data: Any) -> None:
        self._data = data
        batches = isinstance(data, tf.data.Dataset | keras.utils.PyDataset)
        self._possible = model.compiled and has_labels(data)
        self._pair = () if batches else data

    def of(self, model: keras.Model) -> Metrics:
        """Of a model that is compiled; empty where nothing can be measured."""
        if not self._possible:
            return {}
        settings = {"verbose": 0, "return_dict": True}
        if self._pair:
            found = model.evaluate(*self._pair[:2], **settings)
        else:
            found = model.evaluate(self._data, **settings)
        return {name: float(value) for name, value in found.items()}


_Decide = Callable[[Metrics, Metrics], tuple[bool | None, str]]

_RULE = re.compile(r"\s*(\w+)\s*(>=|<=)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*")


def _rule(accept: Accept | None, before: Mapping[str, float]) -> _Decide:
    """What judges, checked before anything takes long.

    Raises:
        UsageError: it is no rule, or of a metric that is not measured.
    """
    if callable(accept):
        return lambda first, last: (bool(accept(first, last)), "by the function that was given")
    if accept is None:
        return _not_worse
    match = _RULE.fullmatch(accept)
    if match is None:
        raise UsageError(
            f"accept is {accept!r}; use a metric, >= or <=, and by how much it may change, such as "
            '"accuracy >= -0.01"'
        )
    name, sign, bound = match.groups()
    if name not in before:
        there = ", ".join(before) or "none: give labels, and a model that is compiled"
        raise UsageError(f"accept has {name!r}, which is not measured; there are {there}")

    def decide(first: Metrics, last: Metrics) -> tuple[bool, str]:
        changed = last[name] - first[name]
        accepted = changed >= float(bound) if sign == ">=" else changed <= float(bound)
        return accepted, f"{name} changed by {changed:+.4g}, asked for is {sign} {bound}"

    return decide


def _not_worse(before: Metrics, after: Metrics) -> tuple[bool | None, str]:
    if not before:
        return None, "nothing was measured: there are no labels, or the model is not compiled"
    name = main_metric(before)
    if isnan(after[name]):
        return False, f"{name} is not a number after the training"
    _, band = task_dead_band(name, (before[name], after[name]), TOLERANCE)
    worse = (after[name] > before[name]) == lower_is_better(name)
    accepted = not (worse and moved(band, before[name], after[name]))
    return accepted, f"{name} {before[name]:.4g} -> {after[name]:.4g}, {_allowed(band)} is allowed"


def _allowed(band: DeadBand) -> str:
    return f"{band.size:g} worse" if band.scale == "absolute" else f"{band.size:.0%} worse"

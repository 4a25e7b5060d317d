"""From a trained model and a budget to a smaller one: narrowed, fine-tuned, compared, judged."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import keras

from nasmon.errors import UsageError
from nasmon.html import html_of
from nasmon.litert.extra import interpreter
from nasmon.litert.judged import calibration_of, converted
from nasmon.litert.run import Int8Model
from nasmon.narrowing.narrower import narrowed
from nasmon.narrowing.plan import Limits, WidthPlan
from nasmon.narrowing.planner import NUMBERS, Choices
from nasmon.narrowing.rebuild import Build
from nasmon.narrowing.rivals import Rivals, train_again
from nasmon.narrowing.sampled import Interval
from nasmon.narrowing.search import Search, Searched, searched
from nasmon.narrowing.seen import SAMPLES, Seen
from nasmon.narrowing.verdict import Accept, Evaluation, Metrics, accepted_by, checked_rule
from nasmon.table import Entry, ShownTable
from nasmon.values import checked, not_text, whole

FineTune = Callable[[keras.Model], Any]


class Int8Verdict(NamedTuple):
    """Both models in 8-bit integers."""

    before: Metrics
    after: Metrics
    model: Int8Model  # the smaller one


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
    after: Metrics  # and after that, the first time if it was trained several times
    accepted: bool | None  # None where there was nothing to judge by
    decided_by: str  # in words
    seconds: dict[str, float]  # "narrow", "search", "fine_tune", "evaluate"
    # called with a function like ``fine_tune`` it trains what a sceptic would have instead
    rivals: Rivals
    searched: Searched | None = None
    interval: Interval | None = None  # of the change that decided; None where it is not known
    int8: Int8Verdict | None = None  # where it was asked for
    trainings: tuple[Metrics, ...] = ()  # after each training, the first one's among them

    def _repr_html_(self) -> str:
        """The plan, the metrics and what decided, in a notebook."""
        headings = ("metric", "before", "carried over", "after")
        found = (self.before, self.carried, self.after)
        rows = [
            (Entry(name), *(Entry(f"{metrics[name]:.4g}") for metrics in found))
            for name in self.before
        ]
        word = {True: "accepted", False: "not accepted", None: "not judged"}[self.accepted]
        judged = [ShownTable(headings, tuple(rows))] if rows else []
        return html_of([*self.plan.parts(), *judged, f"{word}: {self.decided_by}"])


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
    accept_on: Literal["float32", "int8"] = "float32",
    keep: Sequence[str] = (),
    round_to: int = 1,
    min_width: int = 1,
    build: Build | None = None,
    samples: int = SAMPLES,
    search: int | Search = 0,
    seeds: int = 1,
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
            worse by ``acceptance.TOLERANCE``. A rule has to hold for the whole interval of the
            change, a paired bootstrap over the samples, where the metric is a sum over them.
        accept_on: what is judged: the models, or both converted to 8-bit integers, with the extra
            ``mcu``.
        keep: as for ``plan_widths``.
        round_to: as for ``plan_widths``.
        min_width: as for ``plan_widths``.
        build: as for ``narrow``.
        samples: of ``data``.
        search: so many widths to try beside those of all groups scaled alike, each trained for an
            epoch on a part of ``data``, which then needs labels; see ``Search`` for more.
        seeds: so many times the smaller model is made and trained, after
            ``keras.utils.set_random_seed`` of 0, 1, ... if there are several; the mean is judged,
            and the first one handed back.
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
    checked({"seeds": whole(1)}, seeds=seeds)
    if seeds > 1 and fine_tune is None:
        raise UsageError(f"seeds is {seeds}, and there is no training to repeat; give fine_tune")
    options, in_int8 = _options_of(search), _checked_judge(accept_on)
    evaluation = Evaluation(model, data if validation is None else validation)
    before = evaluation.judged(model)
    rule = checked_rule(accept, before.metrics)
    clock = _Clock()
    seen = Seen(model, data, samples, verbose)
    limits = Limits(keep, round_to, min_width)
    budgets = {"params": params, "macs": macs, "flash": flash, "ram": ram}
    choices = Choices(seen, budgets, limits, verbose)
    widths, found = choices.widths(), None
    clock.lap("narrow")
    # before anything takes long, for a model may not be one to convert
    few = _calibration(seen) if in_int8 else None
    first = converted(model, few, evaluation) if in_int8 else None
    clock.lap("evaluate")
    if options is not None:
        widths, found = searched(choices, data, options, build, verbose)
        clock.lap("search")
    plan = choices.plan(widths)
    small = narrowed(seen, plan.widths, build)
    clock.lap("narrow")
    carried = evaluation.of(small) if fine_tune is not None else None
    clock.lap("evaluate")
    after, in_8_bits = [], []
    for number in range(seeds):
        model = small if number == 0 else narrowed(seen, plan.widths, build)
        clock.lap("narrow")
        if fine_tune is not None:
            train_again(model, fine_tune, number, seeds)
            clock.lap("fine_tune")
        after.append(evaluation.judged(model))
        if first is not None:
            in_8_bits.append(converted(model, few, evaluation))
        clock.lap("evaluate")
    int8 = None
    if first is None:
        found_out = accepted_by(rule, evaluation, before, after)
    else:
        found_out = accepted_by(rule, evaluation, first.judged, [one.judged for one in in_8_bits])
        last = in_8_bits[0]
        int8 = Int8Verdict(first.judged.metrics, last.judged.metrics, last.model)
    clock.lap("evaluate")
    return Shrunk(
        model=small,
        plan=plan,
        before=before.metrics,
        carried=after[0].metrics if carried is None else carried,
        after=after[0].metrics,
        trainings=tuple(one.metrics for one in after),
        accepted=found_out.accepted,
        decided_by=found_out.decided_by,
        seconds=clock.seconds,
        searched=found,
        interval=found_out.interval,
        int8=int8,
        rivals=Rivals(choices, plan.widths, evaluation, after, build),
    )


def _checked_judge(accept_on: str) -> bool:
    """Whether int8 is judged.

    Raises:
        UsageError: neither, or what it needs is not installed.
    """
    if accept_on not in ("float32", "int8"):
        raise UsageError(f'accept_on is {accept_on!r}; use "float32" or "int8"')
    if accept_on == "int8":
        interpreter()
    return accept_on == "int8"


def _calibration(seen: Seen) -> Any:
    """Inputs to find the ranges of activations with.

    Raises:
        UsageError: there are none.
    """
    if seen.probe is None:
        raise UsageError('accept_on="int8" finds the ranges of activations with data; give some')
    return calibration_of(seen.probe)


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

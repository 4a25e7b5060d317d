"""Whether it was worth it: the same training for what a sceptic would have tried instead."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from typing import NamedTuple

import keras

from nasmon.acceptance import lower_is_better, main_metric
from nasmon.errors import UsageError
from nasmon.narrowing.narrower import narrowed
from nasmon.narrowing.planner import Choices
from nasmon.narrowing.rebuild import Build, rebuilt
from nasmon.narrowing.sampled import Interval
from nasmon.narrowing.verdict import UNJUDGED, Evaluation, JudgedModel, Metrics, mean_of


class Rival(NamedTuple):
    """Another way to a model as small, trained and judged in the same way."""

    name: str  # "from scratch" or "uniform widths"
    metrics: Metrics  # in the mean of as many trainings as the model had
    interval: Interval | None  # of what the model has over it; None where it is not known
    words: str


def train_again(
    model: keras.Model, train: Callable[[keras.Model], object], number: int, trainings: int
) -> None:
    """Trains a model, as one of several trainings with a seed of its own."""
    if trainings > 1:
        keras.utils.set_random_seed(number)
    train(model)


class Rivals:
    """The rivals of a model, which are trained when this is called.

    Args:
        choices: by which the model's widths were chosen.
        widths: by owner, those that change.
        evaluation: that judged it.
        ours: the model, judged after each of its trainings.
        build: as for ``narrow``.
    """

    def __init__(
        self,
        choices: Choices,
        widths: Mapping[str, int],
        evaluation: Evaluation,
        ours: Sequence[JudgedModel],
        build: Build | None = None,
    ) -> None:
        self._choices, self._widths, self._build = choices, dict(widths), build
        self._evaluation, self._ours = evaluation, ours

    def __repr__(self) -> str:
        return "Rivals(...)"

    def __call__(self, train: Callable[[keras.Model], object]) -> tuple[Rival, ...]:
        """Trains them.

        Args:
            train: as the model was trained.

        Returns:
            The same widths with weights drawn anew; and where a search found others than those of
            all layers scaled alike, these, with their weights carried over.

        Raises:
            UsageError: the model could not be judged.
        """
        if not self._ours[0].metrics:
            raise UsageError(f"there is nothing to judge rivals by: {UNJUDGED}")
        rivals = []
        for name, make in self._makers().items():
            found = []
            for number in range(len(self._ours)):
                model = make()
                train_again(model, train, number, len(self._ours))
                found.append(self._evaluation.judged(model))
            rivals.append(_rival(name, self._evaluation, found, self._ours))
        return tuple(rivals)

    def _makers(self) -> dict[str, Callable[[], keras.Model]]:
        choices, seen, build = self._choices, self._choices.seen, self._build
        leaders = {owner: group.leader for group in seen.traced.groups for owner in group.owners}
        alive = seen.alive({leaders[owner]: width for owner, width in self._widths.items()})
        makers = {"from scratch": lambda: rebuilt(seen.traced, alive, build, seen.inputs)}
        uniform = choices.plan(choices.widths()).widths
        if uniform != self._widths:
            makers["uniform widths"] = lambda: narrowed(seen, uniform, build)
        return makers


def _rival(
    name: str, evaluation: Evaluation, rival: Sequence[JudgedModel], ours: Sequence[JudgedModel]
) -> Rival:
    of_ours, of_rival = mean_of(ours), mean_of(rival)
    metric = main_metric(of_ours)
    theirs = of_rival[metric]
    interval = evaluation.interval(metric, rival, ours)
    sign = -1 if lower_is_better(metric) else 1
    change = sign * (of_ours[metric] - theirs)
    if isnan(theirs):
        told = "did not train"
    elif interval is None:
        told = "does worse" if change > 0 else "does better" if change < 0 else "does the same"
        told += "; how sure that is, is not known"
    else:
        low, high = sorted((sign * interval.low, sign * interval.high))
        told = "cannot be told apart on these samples"
        told = "does worse" if low > 0 else "does better" if high < 0 else told
        told += f"; from it to this model {interval}"
    return Rival(name, of_rival, interval, f"{metric} {theirs:.4g}: {told}")

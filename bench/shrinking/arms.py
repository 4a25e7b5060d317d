"""The ways of getting a smaller network that are compared, all of the same widths or parameters."""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras
import numpy as np

from bench.shrinking.tasks import RATE, Fold, Task, asked
from nasmon import Monitor
from nasmon.narrowing.narrower import carried_over, narrowed
from nasmon.narrowing.plan import WidthPlan
from nasmon.narrowing.planner import Choices
from nasmon.narrowing.rebuild import rebuilt
from nasmon.narrowing.search import Search, searched
from nasmon.narrowing.seen import Seen
from nasmon.widths.graph import WidthGroup


class Wide(NamedTuple):
    """A trained network, and the fold that it was trained on."""

    task: Task
    fold: Fold
    seed: int
    model: keras.Model
    seen: Seen


class Outcome(NamedTuple):
    """A smaller network, judged."""

    params: int
    widths: str
    carried: float  # the metric before it was trained; NaN of one that nothing was carried over to
    after: float
    carrying: float  # seconds
    training: float  # seconds


Arm = Callable[[Wide, str], Outcome]


def ours(wide: Wide, budget: str) -> Outcome:
    """Uniform widths, channels selected, the others stood in for."""
    return _fine_tuned(wide, budget, lambda plan: narrowed(wide.seen, plan.widths))


def long_ours(wide: Wide, budget: str) -> Outcome:
    """Ours, trained for as long as the arm from scratch with all epochs."""
    epochs = wide.task.epochs + wide.task.fine_tuning
    return _fine_tuned(wide, budget, lambda plan: narrowed(wide.seen, plan.widths), epochs)


def not_compensated(wide: Wide, budget: str) -> Outcome:
    """The same channels, nothing standing in for the others."""
    return _fine_tuned(wide, budget, lambda plan: _of_kept(wide, _alive(wide, plan)))


def largest_gamma(wide: Wide, budget: str) -> Outcome:
    """The channels whose batch normalization scales most."""

    def gammas(group: WidthGroup) -> np.ndarray:
        traced, found = wide.seen.traced, np.zeros(group.channels)
        for owner in group.owners:
            if owner in traced.normalized:
                found += np.abs(np.array(traced.layers[traced.normalized[owner]].gamma))
        return np.argsort(-found, kind="stable")

    return _ordered(wide, budget, gammas)


def random_channels(wide: Wide, budget: str) -> Outcome:
    """Channels drawn at random."""
    random = np.random.default_rng(wide.seed)
    return _ordered(wide, budget, lambda group: random.permutation(group.channels))


def rounds(wide: Wide, budget: str) -> Outcome:
    """Cut in two rounds, equal in their shares, with a third of the epochs between them."""
    between = wide.task.fine_tuning // 3
    [(objective, amount)] = asked(budget).items()
    share = amount if amount < 1 else amount / wide.model.count_params()
    halfway = {objective: share**0.5}
    begun = time.perf_counter()
    first = narrowed(wide.seen, _plan(wide.seen, halfway).widths)
    wide.task.train(first, wide.fold, between, wide.seed + 100)
    seen = Seen(first, wide.fold.x)
    plan = _plan(seen, halfway)
    small = narrowed(seen, plan.widths)
    seconds = time.perf_counter() - begun
    return _trained(wide, small, plan, wide.task.fine_tuning - between, seconds)


def by_rank(wide: Wide, budget: str) -> Outcome:
    """Widths in proportion to rank_99 (Delve's way), else as ours."""
    begun = time.perf_counter()
    choices, rows = Choices(wide.seen, asked(budget)), layers_read(wide)
    shares = {one.leader: rows[one.leader]["rank_99"] / one.channels for one in choices.free}
    plan = choices.plan(choices.widths(shares))
    small = narrowed(wide.seen, plan.widths)
    seconds = time.perf_counter() - begun
    return _trained(wide, small, plan, wide.task.fine_tuning, seconds)


def layers_read(wide: Wide, samples: int = 256) -> dict[str, Mapping[str, float]]:
    """A reading's metrics by layer."""
    with Monitor(wide.model, wide.fold.x, samples=samples, width_evidence=False) as monitor:
        reading = monitor.read(0)
    assert reading is not None
    return {layer.name: reading[layer.name] for layer in reading.layers}


def search(wide: Wide, budget: str) -> Outcome:
    """Widths drawn at random around uniform ones, judged by short trainings."""
    begun = time.perf_counter()
    choices = Choices(wide.seen, asked(budget))
    options = Search(TRIES, batch_size=wide.task.batch, learning_rate=RATE, seed=wide.seed)
    widths, found = searched(choices, (wide.fold.x, wide.fold.y), options, None)
    print(found.words, flush=True)
    plan = choices.plan(widths)
    small = narrowed(wide.seen, plan.widths)
    seconds = time.perf_counter() - begun
    return _trained(wide, small, plan, wide.task.fine_tuning, seconds)


TRIES = 20


def from_scratch(wide: Wide, budget: str, epochs: int | None = None) -> Outcome:
    """The same widths, nothing carried over."""
    plan = _plan(wide.seen, asked(budget))
    keras.utils.set_random_seed(wide.seed + 100)
    small = rebuilt(wide.seen.traced, _alive(wide, plan))
    found = _trained(wide, small, plan, epochs or wide.task.fine_tuning, 0.0)
    return found._replace(carried=float("nan"))


def long_from_scratch(wide: Wide, budget: str) -> Outcome:
    """The same, for as many epochs as the wide network and the fine-tuning have together."""
    return from_scratch(wide, budget, wide.task.epochs + wide.task.fine_tuning)


ARMS: Mapping[str, Arm] = {
    "ours": ours,
    "ours, all epochs": long_ours,
    "not compensated": not_compensated,
    "largest gamma": largest_gamma,
    "random channels": random_channels,
    "two rounds": rounds,
    "rank_99": by_rank,
    "search": search,
    "from scratch": from_scratch,
    "from scratch, all epochs": long_from_scratch,
}


def _plan(seen: Seen, budgets: Mapping[str, float]) -> WidthPlan:
    choices = Choices(seen, budgets)
    return choices.plan(choices.widths())


def _alive(wide: Wide, plan: WidthPlan) -> np.ndarray:
    return wide.seen.alive({group.leader: group.width for group in plan.groups})


def _of_kept(wide: Wide, alive: np.ndarray) -> keras.Model:
    return carried_over(wide.seen, alive, compensate=False)


def _ordered(wide: Wide, budget: str, order: Callable[[WidthGroup], np.ndarray]) -> Outcome:
    def small(plan: WidthPlan) -> keras.Model:
        widths = {group.leader: group.width for group in plan.groups}
        kept = {
            group.leader: np.sort(order(group)[: widths[group.leader]])
            for group in wide.seen.traced.groups
            if widths.get(group.leader, group.channels) < group.channels
        }
        return _of_kept(wide, wide.seen.traced.alive(kept))

    return _fine_tuned(wide, budget, small)


def _fine_tuned(
    wide: Wide,
    budget: str,
    narrower: Callable[[WidthPlan], keras.Model],
    epochs: int | None = None,
) -> Outcome:
    begun = time.perf_counter()
    plan = _plan(wide.seen, asked(budget))
    small = narrower(plan)
    seconds = time.perf_counter() - begun
    return _trained(wide, small, plan, epochs or wide.task.fine_tuning, seconds)


def _trained(
    wide: Wide, small: keras.Model, plan: WidthPlan, epochs: int, carrying: float
) -> Outcome:
    task, fold = wide.task, wide.fold
    task.compile(small, epochs, len(fold.x))
    carried = task.judge(small, fold)
    begun = time.perf_counter()
    task.train(small, fold, epochs, wide.seed + 100)
    seconds = time.perf_counter() - begun
    widths = " ".join(str(group.width) for group in plan.groups)
    after = task.judge(small, fold)
    return Outcome(small.count_params(), widths, carried, after, carrying, seconds)

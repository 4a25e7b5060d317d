"""``python -m bench.shrinking``: trains, shrinks and judges what is not in the table yet.

Rows are appended to bench/shrinking.csv, and bench/SHRINKING.md is written from them; a run that is
cut short goes on where it was. Trained wide networks are kept under build/shrinking. Where the data
are is said by the environment, see ``bench/shrinking/tasks.py``.
"""

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import keras

from bench.shrinking.arms import ARMS, Wide
from bench.shrinking.page import REFERENCE, TABLE, write
from bench.shrinking.table import append, rows_of
from bench.shrinking.tasks import TASKS, Task
from nasmon.narrowing.seen import Seen

WIDE = Path("build/shrinking")
COLUMNS = (
    *("task", "fold", "arm", "budget", "params", "widths", "before", "carried", "after"),
    *("carrying", "training"),
)


def _label(task: Task, number: int, before: str) -> str:
    """What rows of a fold are called: as those of the same wide network, if there are any.

    On another machine the same seed trains another one: its rows are a fold of their own.
    """
    found = {row["fold"]: row["before"] for row in rows_of(TABLE) if row["task"] == task.name}
    labels = (str(number) if n == 1 else f"{number}/{n}" for n in count(1))
    return next(label for label in labels if found.get(label, before) == before)


def _missing(
    task: Task, fold: str, arms: Sequence[str], budgets: Sequence[str]
) -> Iterator[tuple[str, str]]:
    done = {
        (row["arm"], row["budget"])
        for row in rows_of(TABLE)
        if (row["task"], row["fold"]) == (task.name, fold)
    }
    # with what the others are held against
    for arm in dict.fromkeys([REFERENCE, *arms]):
        for budget in task.budgets:
            if (arm, budget) not in done and (not budgets or budget in budgets):
                yield arm, budget


def wide_network(task: Task, number: int) -> Wide:
    """The trained network of a fold; trained, if it is not kept from before."""
    fold, path = task.fold(number), WIDE / f"{task.name}_{number}.keras"
    if path.exists():
        model = keras.models.load_model(path, compile=False)
    else:
        keras.utils.set_random_seed(number)
        model = task.build()
        begun = time.perf_counter()
        task.train(model, fold, task.epochs, number)
        print(f"{task.name} {number}: trained in {time.perf_counter() - begun:.0f} s", flush=True)
        WIDE.mkdir(parents=True, exist_ok=True)
        model.save(path)
    task.compile(model, 1, len(fold.x))
    return Wide(task, fold, number, model, Seen(model, fold.x))


def run(
    tasks: Sequence[str], arms: Sequence[str], folds: Sequence[int], budgets: Sequence[str]
) -> None:
    """Does what is missing of these; no folds or budgets are all of a task's."""
    for task in TASKS:
        if task.name not in tasks or not os.environ.get(task.data):
            print(f"{task.name}: left out")
            continue
        for number in folds or range(task.folds):
            if not list(_missing(task, str(number), arms, budgets)):
                continue
            wide = wide_network(task, number)
            before = task.judge(wide.model, wide.fold)
            label = _label(task, number, f"{before:.4f}")
            print(f"{task.name} {label}: before {before:.4f}", flush=True)
            for arm, budget in _missing(task, label, arms, budgets):
                found = ARMS[arm](wide, budget)
                print(f"{task.name} {label}: {arm}, {budget}: {found}", flush=True)
                measured = [before, found.carried, found.after]
                seconds = [found.carrying, found.training]
                shown = [*(f"{value:.4f}" for value in measured), *(f"{s:.1f}" for s in seconds)]
                row = (task.name, label, arm, budget, found.params, found.widths, *shown)
                append(TABLE, COLUMNS, [row])
            keras.backend.clear_session()
    write(rows_of(TABLE))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.shrinking", description=__doc__)
    names = [task.name for task in TASKS]
    parser.add_argument("--tasks", nargs="+", choices=names, default=names)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--folds", nargs="+", type=int, default=[])
    parser.add_argument("--budgets", nargs="+", default=[], help="as the table says them")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    given = parser.parse_args()
    if given.page:
        write(rows_of(TABLE))
        return
    run(given.tasks, given.arms, given.folds, given.budgets)


if __name__ == "__main__":
    main()

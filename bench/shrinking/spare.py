"""``python -m bench.shrinking.spare``: how little a group may lose to count as losing nothing.

All that costs no more than a threshold is taken out of each network at once, its weights carried
over, and what the network then loses on held-out data, before any training, is measured: for
thresholds ten times apart, decided by as many samples as ``shrink`` looks at and by as many as a
run's monitor does. Rows are appended to bench/spare.csv; bench/SHRINKING.md tells of them. Data are
named as for ``python -m bench.shrinking``, and trained networks are shared with it.
"""

import argparse
import os
from collections.abc import Sequence

import keras

from bench.shrinking.__main__ import wide_network
from bench.shrinking.arms import Wide
from bench.shrinking.spare_section import MONITORED, TABLE, THRESHOLDS
from bench.shrinking.table import append, rows_of
from bench.shrinking.tasks import PARTS, TASKS
from nasmon.narrowing.narrower import narrowed
from nasmon.narrowing.seen import SAMPLES, Seen

COLUMNS = ("task", "fold", "samples", "threshold", "params", "left", "before", "after")


def measured(wide: Wide, samples: int, threshold: float) -> tuple[int, float]:
    """Parameters and metric of a network without all that costs no more than a threshold."""
    seen = Seen(wide.model, wide.fold.x, samples)
    enough = seen.enough([one for one in seen.traced.groups if not one.fixed_by], threshold)
    # whatever widths were decided by, weights are carried over with as many samples as always
    small = narrowed(wide.seen, enough)
    wide.task.compile(small, 1, len(wide.fold.x))
    return small.count_params(), wide.task.judge(small, wide.fold)


def run(tasks: Sequence[str], folds: Sequence[int]) -> None:
    """Does what is missing."""
    done = {(row["task"], row["fold"]) for row in rows_of(TABLE)}
    for task in TASKS:
        if task.name not in tasks or not os.environ.get(task.data):
            print(f"{task.name}: left out")
            continue
        for number in folds:
            if (task.name, str(number)) in done:
                continue
            wide = wide_network(task, number)
            before, params = task.judge(wide.model, wide.fold), wide.model.count_params()
            rows = []
            for samples in (MONITORED, SAMPLES):
                for threshold in THRESHOLDS:
                    left, after = measured(wide, samples, threshold)
                    print(f"{task.name} {number}: {samples}, {threshold}: {left} {after:.4f}")
                    sizes = (samples, f"{threshold:g}", params, left)
                    rows.append((task.name, number, *sizes, f"{before:.4f}", f"{after:.4f}"))
            append(TABLE, COLUMNS, rows)
            keras.backend.clear_session()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.shrinking.spare", description=__doc__)
    names = [task.name for task in TASKS]
    parser.add_argument("--tasks", nargs="+", choices=names, default=names)
    parser.add_argument("--folds", nargs="+", type=int, default=list(range(PARTS)))
    given = parser.parse_args()
    run(given.tasks, given.folds)


if __name__ == "__main__":
    main()

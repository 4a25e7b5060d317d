"""``python -m bench.shrinking.foretelling``: which metric of a layer foretells a harmless cut.

Each group of widths of each network is cut to half of its channels by itself, its weights carried
over; what the network then loses, before any training, is held against what metrics said of the
group before. Rows are appended to bench/foretelling.csv, one a group, and the page
``docs/what-foretells-a-harmless-cut.md`` is written from them. Data are named as for
``python -m bench.shrinking``, and trained networks are shared with it.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from bench.shrinking.__main__ import wide_network
from bench.shrinking.arms import Wide, layers_read
from bench.shrinking.claims import spearman
from bench.shrinking.table import append, rows_of
from bench.shrinking.tasks import PARTS, TASKS
from nasmon.capture import capture, named_layers
from nasmon.narrowing.narrower import narrowed
from nasmon.widths.graph import WidthGroup

TABLE = Path(__file__).parent.with_name("foretelling.csv")

PAGE = Path(__file__).parents[2] / "docs" / "what-foretells-a-harmless-cut.md"

SAMPLES = 256

FORETELLS = {
    "output_aware": "what its consumers would lose with half of the channels, as nasmon records it",
    "loss_aware": "the channels that leave times the gradients of the loss, with labels "
    "(arXiv 1611.06440)",
    "redundancy": "minus redundancy: the share of the variance that is not in one direction",
    "effective_rank": "effective rank, as a share of the width",
    "rank_99": "rank_99, as a share of the width",
    "width": "minus the number of channels: that wide groups can be cut, and nothing else",
}
"""Each says: the more, the greater the fall."""


def measured(wide: Wide) -> Iterator[tuple[str, int, float, dict[str, float]]]:
    """By group its channels, the fall of the metric, and what foretold it."""
    seen, task, fold = wide.seen, wide.task, wide.fold
    before = task.judge(wide.model, fold)
    groups = [one for one in seen.traced.groups if not one.fixed_by and one.channels > 1]
    costs, rows = seen.costs(groups), layers_read(wide, SAMPLES)
    gradients = _gradients(wide, groups)
    for group in groups:
        leader, half = group.leader, group.channels // 2
        small = narrowed(seen, dict.fromkeys(group.owners, half))
        task.compile(small, 1, len(fold.x))
        first = seen.traced.widths.first_channel[leader]
        kept = seen.alive({leader: half})[first : first + group.channels]
        foretold = {
            "output_aware": float(costs[leader][half]),
            "loss_aware": float(gradients[leader][~kept].sum()),
            "redundancy": 1 - rows[leader]["redundancy_score"],
            "effective_rank": rows[leader]["effective_rank"] / group.channels,
            "rank_99": rows[leader]["rank_99"] / group.channels,
            "width": -group.channels,
        }
        yield leader, group.channels, before - task.judge(small, fold), foretold


def _gradients(wide: Wide, groups: Sequence[WidthGroup]) -> dict[str, np.ndarray]:
    """By leader and channel the mean over samples of abs(activation times gradient)."""
    x, y = wide.fold.x[:SAMPLES], wide.fold.y[:SAMPLES]
    with tf.GradientTape() as tape:
        captured = capture(wide.model, list(named_layers(wide.model)), tf.constant(x))
        loss = wide.model.compute_loss(x, y, captured.outputs[0])
    outputs = {call.name: call.output for call in captured.calls}
    made = [outputs[group.leader] for group in groups]
    found = {}
    for group, output, gradient in zip(groups, made, tape.gradient(loss, made), strict=True):
        spread = tuple(range(1, len(output.shape) - 1))
        product = tf.reduce_sum(output * gradient, spread) if spread else output * gradient
        found[group.leader] = np.abs(np.asarray(product)).mean(0)
    return found


COLUMNS = ("task", "fold", "group", "channels", "fall", *FORETELLS)


def run(folds: Sequence[int]) -> None:
    """Measures what is missing."""
    done = {(row["task"], row["fold"]) for row in rows_of(TABLE)}
    for task in TASKS:
        for number in folds if os.environ.get(task.data) else ():
            if (task.name, str(number)) in done:
                continue
            lines = [
                (
                    *(task.name, str(number), leader, str(channels), f"{fall:.5f}"),
                    *(f"{foretold[name]:.6g}" for name in FORETELLS),
                )
                for leader, channels, fall, foretold in measured(wide_network(task, number))
            ]
            append(TABLE, COLUMNS, lines)
            print(f"{task.name} {number}: {len(lines)} groups", flush=True)
            keras.backend.clear_session()


def page(rows: Sequence[Mapping[str, str]]) -> str:
    """The page of a table of rows."""
    networks = list(dict.fromkeys(row["task"] for row in rows))
    correlations: dict[str, dict[str, list[float]]] = {name: {} for name in FORETELLS}
    for task, fold in dict.fromkeys((row["task"], row["fold"]) for row in rows):
        own = [row for row in rows if (row["task"], row["fold"]) == (task, fold)]
        falls = np.array([float(row["fall"]) for row in own])
        for name, found in correlations.items():
            foretold = np.array([float(row[name]) for row in own])
            found.setdefault(task, []).append(spearman(foretold, falls))
    # of a network whose groups are all as wide, their width says nothing
    means = {
        name: float(np.nanmean([np.mean(found[network]) for network in networks]))
        for name, found in correlations.items()
    }
    order = sorted(FORETELLS, key=lambda name: -means[name])
    lines = [
        "# What foretells a harmless cut",
        "",
        "Written by `python -m bench.shrinking.foretelling`. Each group of widths of a trained",
        "network is cut to half of its channels by itself, the best half kept and standing in for",
        "the rest; the fall of the task's metric on held-out data, before any training, is held",
        "against what was known of the group before. Below are rank correlations (Spearman) of",
        "both over the groups of a network: 1 foretells the order of all falls, 0 nothing. Each is",
        "the mean over so many networks, trained with other seeds on other data, and the range.",
        "",
        f"| | {' | '.join(f'{name} ({_count(correlations, name)})' for name in networks)} | all |",
        f"| --- |{' --- |' * (len(networks) + 1)}",
    ]
    for name in order:
        cells = [_cell(correlations[name][network]) for network in networks]
        lines.append(f"| {name} | {' | '.join(cells)} | {means[name]:.2f} |")
    lines += ["", *(f"- **{name}**: {FORETELLS[name]}." for name in order), ""]
    lines += [
        "nasmon decides by what is output-aware, for that needs no labels. What is lost before",
        "training is not what is lost after it: at strong cuts of all groups no rule that sets",
        "widths by such numbers beat uniform ones",
        "([Shrinking trained networks](../bench/SHRINKING.md)). So they choose channels, and say",
        "which layers to leave alone where only one or two are to be cut.",
        "",
    ]
    return "\n".join(lines)


def _count(correlations: Mapping[str, Mapping[str, Sequence[float]]], network: str) -> int:
    return len(next(iter(correlations.values()))[network])


def _cell(found: Sequence[float]) -> str:
    if np.isnan(found).any():
        return "-"
    if len(found) == 1:
        return f"{found[0]:.2f}"
    return f"{np.mean(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m bench.shrinking.foretelling")
    parser.add_argument("--folds", nargs="+", type=int, default=list(range(PARTS)))
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    given = parser.parse_args()
    if not given.page:
        run(given.folds)
    if not rows_of(TABLE):
        parser.exit(2, "nothing is measured, and no data are named; see bench/shrinking/tasks.py\n")
    PAGE.write_text(page(rows_of(TABLE)), encoding="utf-8")


if __name__ == "__main__":
    main()

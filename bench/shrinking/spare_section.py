"""What bench/SHRINKING.md says of bench/spare.csv: how little a group may lose to be spare."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from nasmon.narrowing.seen import SAMPLES

TABLE = Path(__file__).parent.with_name("spare.csv")

THRESHOLDS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)

MONITORED = 32
"""Samples that a run's monitor probes with, if nothing else is said."""


def section(rows: Sequence[Mapping[str, str]]) -> str:
    """What bench/SHRINKING.md says of it; nothing where nothing was measured."""
    if not rows:
        return ""
    networks = list(dict.fromkeys(row["task"] for row in rows))
    folds = {name: len({row["fold"] for row in rows if row["task"] == name}) for name in networks}
    lines = [
        "## What is spare",
        "",
        "All that costs no more than a threshold is taken out at once; nothing is trained. Shown",
        "is the share of the parameters that is left and the change of the metric on held-out",
        "data, the mean over folds (`python -m bench.shrinking.spare`).",
        "",
        f"| decided by | threshold | {' | '.join(f'{n} ({folds[n]})' for n in networks)} |",
        f"| --- | --- |{' --- |' * len(networks)}",
    ]
    for samples in (MONITORED, SAMPLES):
        for threshold in THRESHOLDS:
            cells = []
            for name in networks:
                own = [
                    row
                    for row in rows
                    if (row["task"], row["samples"]) == (name, str(samples))
                    and float(row["threshold"]) == threshold
                ]
                left = mean(int(row["left"]) / int(row["params"]) for row in own)
                change = mean(float(row["after"]) - float(row["before"]) for row in own)
                cells.append(f"{left:.0%}, {change:+.4f}")
            lines.append(f"| {samples} samples | {threshold:g} | {' | '.join(cells)} |")
    return "\n".join(lines)

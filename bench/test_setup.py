"""Seconds of setting up, from the callback's construction to the first reading.

Each set-up has a process of its own, for what is compiled once stays compiled;
``bench.once.setup`` says what is counted. Models take turns, so that a slow spell of the machine
hits all of them.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

from bench.results import command_of, write_section

TARGETS = {"nano_u": 3.0, "bu_net": 6.0, "MobileNetV2": 15.0, "ResNet50": 18.0}
"""Seconds, on two cores."""

PROCESSES = 5
CORES = 2


def test_set_up_to_the_first_reading(benchmark: BenchmarkFixture) -> None:
    """The median of each model's processes is below its target."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in TARGETS}

    def each_once() -> None:
        for name, found in runs.items():
            found.append(in_a_process(name))

    benchmark.pedantic(each_once, rounds=PROCESSES)
    for name, found in runs.items():
        # by the account of the hooks and by the clock, which knows nothing of hooks
        slack = 0.1 * median(found, "counted") + 2 * spread(found, "difference")
        assert abs(median(found, "difference") - median(found, "counted")) <= slack, name
    benchmark.extra_info.update(
        {name: [round(run["counted"], 2) for run in found] for name, found in runs.items()}
    )
    print(f"\n{benchmark.extra_info}")
    write_table(runs)
    medians = {name: median(found, "counted") for name, found in runs.items()}
    missed = {name: taken for name, taken in medians.items() if taken > TARGETS[name]}
    assert not missed, f"seconds {missed}, targets {TARGETS}"


def in_a_process(name: str) -> dict[str, Any]:
    """What ``bench.once.setup`` finds out about a model, in a fresh process on two cores."""
    with on_two_cores():
        ended = subprocess.run(
            [sys.executable, "-m", "bench.once.setup", name],
            cwd=Path(__file__).parents[1],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return dict(json.loads(ended.stdout.splitlines()[-1]))


@contextmanager
def on_two_cores() -> Iterator[None]:
    """Processes that are started inside have no more of them, where that can be said."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def median(runs: list[dict[str, Any]], key: str) -> float:
    """Of one figure, over the processes."""
    return statistics.median(run[key] for run in runs)


def spread(runs: list[dict[str, Any]], key: str) -> float:
    """From the least to the largest, over the processes."""
    values = [run[key] for run in runs]
    return max(values) - min(values)


def write_table(runs: dict[str, list[dict[str, Any]]]) -> None:
    """The seconds by part, a column for each model."""
    rows: list[tuple[object, ...]] = []
    first = next(iter(runs.values()))[0]
    for part in first["parts"]:
        of_part = (statistics.median(r["parts"][part] for r in found) for found in runs.values())
        rows.append((part, *(f"{seconds:.2f}" for seconds in of_part)))
    counted = {name: sorted(run["counted"] for run in found) for name, found in runs.items()}
    met = (
        f"{target:.0f}: {'met' if statistics.median(counted[name]) <= target else 'missed'}"
        for name, target in TARGETS.items()
    )
    rows += [
        ("**in all**", *(f"**{statistics.median(s):.2f}**" for s in counted.values())),
        ("least to largest", *(f"{s[0]:.2f} to {s[-1]:.2f}" for s in counted.values())),
        ("by the clock", *(f"{median(found, 'difference'):.2f}" for found in runs.values())),
        ("target", *met),
        ("after the training, weighing", *(f"{median(r, 'weighing'):.2f}" for r in runs.values())),
        ("compiling, as foretold", *(f"{median(r, 'foretold'):.1f}" for r in runs.values())),
        ("compiling, as it took", *(f"{median(r, 'compiling'):.1f}" for r in runs.values())),
        ("layers", *(found[0]["layers"] for found in runs.values())),
        ("samples", *(found[0]["samples"] for found in runs.values())),
    ]
    write_section(
        "Set-up",
        command_of(__file__),
        [
            f"Seconds from the callback's construction to the first reading, which is written to "
            f"TensorBoard, CSV and the run's record; medians over {len(next(iter(runs.values())))} "
            f"processes each, in turn, on {CORES} cores. Counted are the construction and all "
            "hooks of the callback in a fit of one epoch. The model was built and had trained "
            "before: TensorFlow's own start and the training step are not in it, XLA's start is. "
            "By the clock: what that fit took longer than the same fit without the monitor. "
            "Weighing is finding out, once, what fewer channels would lose, and is not counted. "
            "Compiling is from when it is foretold, on a terminal, to its end, and so has some "
            "tracing in it.",
        ],
        ("part", *runs),
        rows,
    )

"""What the monitor adds to the memory of a training: processes with and without it, in turn."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.resident import AVAILABLE
from bench.results import command_of, write_section

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="reads resident memory as Linux keeps it")

NAMES = ("nano_u", "MobileNetV2", "ResNet50")
PAIRS = 3
"""Processes of each kind; allocators are noisy, but each costs half a minute."""


class Measured(NamedTuple):
    """What processes of one training reported, one figure for each."""

    watched: dict[str, list[int]]
    unwatched: dict[str, list[int]]

    def watched_median(self, name: str) -> float:
        """Bytes, the median over the processes with the monitor."""
        return statistics.median(self.watched[name])

    @property
    def target(self) -> float:
        """One chunk's activations and the states, in bytes."""
        return self.watched_median("activations") + self.watched_median("states")

    @property
    def allowance(self) -> float:
        """How far processes that do the same differ in what readings add at their peak."""
        return max(self.watched["readings_peak"]) - min(self.watched["readings_peak"])

    @property
    def difference(self) -> float:
        """Peak of the process with the monitor less that without, in bytes."""
        return self.watched_median("peak") - statistics.median(self.unwatched["peak"])


MEASURED: dict[str, Measured] = {}


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Writes the table when both trainings were measured."""
    yield
    if len(MEASURED) == len(NAMES):
        write_table()


@pytest.mark.parametrize("name", NAMES)
def test_readings_add_a_chunk_and_the_states(benchmark: Any, name: str) -> None:
    found = benchmark.pedantic(measure, args=(name,), rounds=1)
    MEASURED[name] = found
    benchmark.extra_info.update(
        watched=found.watched,
        unwatched=found.unwatched,
        target=found.target,
        allowance=found.allowance,
        difference=found.difference,
    )
    print(f"\n{name} {benchmark.extra_info}")
    assert found.watched_median("readings_peak") <= found.target + found.allowance


def measure(name: str) -> Measured:
    """``PAIRS`` processes with the monitor and as many without, in turn."""
    found: dict[str, list[dict[str, int]]] = {"watched": [], "unwatched": []}
    for pair in range(PAIRS):
        for how in list(found)[:: 1 if pair % 2 == 0 else -1]:
            found[how].append(process(name, how))
    return Measured(**{how: together(processes) for how, processes in found.items()})


def process(name: str, how: str) -> dict[str, int]:
    """What ``bench.once.memory`` prints, from a process of its own."""
    command = [sys.executable, "-m", "bench.once.memory", name, how]
    root = Path(__file__).parents[1]
    found = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    made: dict[str, int] = json.loads(found.stdout)
    return made


def together(processes: Sequence[dict[str, int]]) -> dict[str, list[int]]:
    return {key: [one[key] for one in processes] for key in processes[0]}


ROWS: dict[str, Callable[[Measured], Sequence[float]]] = {
    "peak of the process, without": lambda m: m.unwatched["peak"],
    "peak of the process, with": lambda m: m.watched["peak"],
    "difference of the medians": lambda m: [m.difference],
    "set-up adds at its peak": lambda m: m.watched["setup_peak"],
    "set-up adds for good": lambda m: m.watched["setup_kept"],
    "readings add to that at their peak": lambda m: m.watched["readings_peak"],
    "readings add to that for good": lambda m: m.watched["readings_kept"],
    "computed: activations of one chunk": lambda m: m.watched["activations"],
    "computed: states": lambda m: m.watched["states"],
    "computed: what one reading puts out": lambda m: m.watched["numbers"],
    "target for readings: a chunk and the states": lambda m: [m.target],
    "allowance: spread of the readings' peak": lambda m: [m.allowance],
}


def write_table() -> None:
    """The figures, and what they say."""
    rows = [(what, *(span(row(MEASURED[name])) for name in NAMES)) for what, row in ROWS.items()]
    write_section(
        "Memory",
        command_of(__file__),
        [
            "Resident memory in MB (Linux's `VmHWM`, set back before each phase), of "
            f"{PAIRS} processes with the monitor and {PAIRS} without, in turn: the median, and in "
            "brackets the least and the most where they differ. Set-up holds the traced forward "
            "pass, the compiled programs, the probe set, the empty states, and what TensorFlow's "
            "own pool of memory (its oneDNN build has one) grew by when the programs first ran, "
            "which it does not give back. Readings are counted on top of that, and use the pool "
            "again: that is what they add to the process, not all that they need. They keep the "
            "first reading's spectra and the latest's.",
            *(verdict(name, MEASURED[name]) for name in NAMES),
        ],
        ("MB", *NAMES),
        rows,
    )


def verdict(name: str, found: Measured) -> str:
    """Whether the targets are met, in words."""
    peak, setup = found.watched_median("readings_peak"), found.watched_median("setup_peak")
    bound = found.target + found.allowance
    within = "within" if peak <= bound else "**more than**"
    whole = "within that, too" if found.difference <= bound else "**more than that**"
    larger = "set-up" if setup >= peak else "readings"
    return (
        f"{name}: readings add {mega(peak)} MB at their peak, {within} a chunk's activations and "
        f"the states ({mega(found.target)} MB, allowance {mega(found.allowance)} MB). The whole "
        f"difference between the peaks of the processes is {mega(found.difference)} MB, {whole}; "
        f"{larger} has the larger peak."
    )


def span(values: Sequence[float]) -> str:
    """A median with the least and the most around it."""
    ends = mega(min(values)), mega(max(values))
    middle = mega(statistics.median(values))
    return middle if ends[0] == ends[1] else f"{middle} ({ends[0]} to {ends[1]})"


def mega(count: float) -> str:
    return f"{count / 1e6:,.1f}"

"""Cost grows at most linearly in layers, samples and resolution, and a long run leaks nothing.

Channels: with their square for the covariance, with their cube for the eigenvalues. Each curve is
written to ``bench/growth.csv``, which ``make bench-plots`` draws.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import growth
from bench.curves import CURVES, Curve, Part, Point, read_points, slope_of, write_points
from bench.resident import AVAILABLE
from bench.results import command_of, write_section

MARGIN = 3
"""Standard errors of the fit: with four points, two of which the line takes, Student's t is above
2.9 in one case of twenty."""

BY_VARIABLE = {curve.variable: curve for curve in CURVES}

MEASURES: dict[str, Callable[[], list[Point]]] = {
    "layers": lambda: growth.layers(rounds=15, setups=3),
    "channels": lambda: growth.channels(rounds=9),
    "samples": lambda: growth.samples(rounds=15),
    "resolution": lambda: growth.resolution(rounds=15),
}


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Writes the table as soon as every curve was measured once."""
    yield
    measured = read_points()
    if {point.variable for point in measured} == BY_VARIABLE.keys():
        write_table(measured)


@pytest.mark.parametrize("variable", MEASURES)
def test_cost_grows_no_faster_than_it_may(benchmark: Any, variable: str) -> None:
    points = benchmark.pedantic(MEASURES[variable], rounds=1)
    write_points(variable, points)
    check(benchmark, BY_VARIABLE[variable], points)


@pytest.mark.skipif(not AVAILABLE, reason="reads resident memory as Linux keeps it")
def test_ten_thousand_readings(benchmark: Any) -> None:
    run = benchmark.pedantic(long_run, rounds=1)
    points = points_of(run)
    write_points("readings", points)
    known = memory_facts(run)
    benchmark.extra_info.update(known)
    write_memory(run, known)
    assert len(set(run["traces"])) == 1
    check(benchmark, BY_VARIABLE["readings"], points)
    assert known["grown"] <= known["kept"] + known["spread"]


def check(benchmark: Any, curve: Curve, points: list[Point]) -> None:
    """Every part of a curve is as steep as it may be, or less."""
    slopes = {part: slope_of(of_part(points, part)) for part in curve.parts}
    for part, found in slopes.items():
        benchmark.extra_info[part.name] = {
            "exponent": round(found.exponent, 3),
            "standard_error": round(found.standard_error, 3),
            "seconds": [round(p.seconds, 6) for p in of_part(points, part)],
        }
    print(f"\n{benchmark.extra_info}")
    for part, found in slopes.items():
        assert found.exponent <= part.exponent + MARGIN * found.standard_error, part.name


def of_part(points: list[Point], part: Part) -> list[Point]:
    return [point for point in points if point.part == part.name]


def long_run() -> dict[str, Any]:
    """What ``bench.once.readings`` prints, from a process of its own."""
    command = [sys.executable, "-m", "bench.once.readings"]
    root = Path(__file__).parents[1]
    found = subprocess.run(command, cwd=root, check=True, stdout=subprocess.PIPE, text=True)
    made: dict[str, Any] = json.loads(found.stdout)
    return made


def points_of(run: dict[str, Any]) -> list[Point]:
    """A point for each block of readings."""
    points, done = [], 0
    for seconds, resident in zip(run["seconds"], run["resident"], strict=True):
        done += len(seconds)
        low, middle, high = statistics.quantiles(seconds, n=4)
        memory = resident, run["kept"] * done
        points.append(Point("readings", done, "reading", middle, low, high, len(seconds), *memory))
    return points


def memory_facts(run: dict[str, Any]) -> dict[str, int]:
    """Bytes, from the end of the first tenth on.

    Returns:
        ``grown``: of the process; ``kept``: what the readings themselves keep of it; ``spread``:
        how far, at most, resident memory lies from a line above and below; ``counted``: readings.
    """
    blocks = len(run["resident"])
    begin = blocks // 10
    resident = np.array(run["resident"][begin - 1 :], np.float64)
    counted = sum(len(block) for block in run["seconds"][begin:])
    x = np.arange(len(resident))
    around = resident - np.polyval(np.polyfit(x, resident, 1), x)
    return {
        "grown": int(resident[-1] - resident[0]),
        "kept": run["kept"] * counted,
        "spread": int(np.ptp(around)),
        "counted": counted,
    }


def write_memory(run: dict[str, Any], known: dict[str, int]) -> None:
    """The section on a long run's memory."""
    left = known["grown"] - known["kept"]
    blocks = run["seconds"]
    ends = [statistics.median(blocks[at]) for at in (0, -1)]
    total = sum(len(block) for block in blocks)
    words = (
        "no more than the spread: it is flat."
        if left <= known["spread"]
        else f"{left / known['counted']:,.0f} bytes a reading: **it is not flat**."
    )
    text = (
        f"A process takes {total:,} readings of {run['layers']} layers, written to CSV and "
        f"TensorBoard. A reading without spectra keeps {run['kept']:,} bytes, which Python counts "
        "on copies of one; resident memory may grow by these and by the spread, which is how far "
        "it lies from a line. It is counted from the end of the first tenth on, with freed memory "
        "given back to the system each time. Beyond what readings keep it grew by "
        f"{mega(left)} MB, {words}"
    )
    rows = [
        ("seconds a reading, first block", f"{1000 * ends[0]:.2f} ms"),
        ("seconds a reading, last block", f"{1000 * ends[1]:.2f} ms"),
        ("traces, first block and last", f"{run['traces'][0]}, {run['traces'][-1]}"),
        ("resident memory grew by", f"{mega(known['grown'])} MB"),
        ("of which readings keep", f"{mega(known['kept'])} MB"),
        ("spread", f"{mega(known['spread'])} MB"),
    ]
    write_section("Ten thousand readings", command_of(__file__), [text], ("what", "measured"), rows)


def write_table(points: list[Point]) -> None:
    """The exponents, and both ends of every curve."""
    rows = []
    for curve in CURVES:
        mine = [point for point in points if point.variable == curve.variable]
        for part in curve.parts:
            own = sorted(of_part(mine, part), key=lambda point: point.value)
            found = slope_of(own)
            steep = found.exponent > part.exponent + MARGIN * found.standard_error
            rows.append(
                (
                    *(curve.axis, part.name),
                    *(f"{1000 * p.seconds:.3g} ({p.value:,})" for p in (own[0], own[-1])),
                    f"{found.exponent:.2f} ± {found.standard_error:.2f}",
                    f"{part.exponent:g}: {'missed' if steep else 'met'}",
                )
            )
    write_section(
        "How cost grows",
        command_of(__file__),
        [
            "All points of a curve timed in turn, the median over rounds, in milliseconds. The "
            "exponent is the slope between logarithms over the upper half of the values, with the "
            f"fit's standard error; it may exceed its target by {MARGIN} of these. The curves are "
            "in `growth.csv`; `make bench-plots` draws them.",
            "![How cost grows](growth.png)",
        ],
        ("against", "part", "ms, smallest", "ms, largest", "exponent", "at most"),
        rows,
    )


def mega(count: float) -> str:
    return f"{count / 1e6:.1f}"

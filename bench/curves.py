"""How cost grows, as curves: what is varied, what is measured, and how steep it may be."""

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

CURVES_FILE = Path(__file__).with_name("growth.csv")


class Part(NamedTuple):
    """What is timed, and how it may grow."""

    name: str
    exponent: int  # of the variable, at most


class Curve(NamedTuple):
    """One variable, and what is timed against it."""

    variable: str
    axis: str  # the words for an axis
    parts: tuple[Part, ...]


CURVES = (
    Curve("layers", "monitored layers", (Part("reading", 1), Part("set-up", 1))),
    Curve(
        "channels",
        "channels of one layer",
        (Part("covariance of 4,096 rows", 2), Part("eigenvalues and metrics", 3)),
    ),
    Curve("samples", "samples a reading", (Part("reading", 1), Part("reading, all rows", 1))),
    Curve(
        "resolution",
        "positions an image",
        (
            Part("reading", 1),
            Part("reading, all rows", 1),
            Part("its kernels", 1),
            Part("its kernels, all rows", 1),
        ),
    ),
    Curve("readings", "readings so far", (Part("reading", 0),)),
)


class Point(NamedTuple):
    """A point of a curve."""

    variable: str
    value: int
    part: str
    seconds: float  # median over rounds
    quartile_low: float  # seconds
    quartile_high: float  # seconds
    rounds: int
    resident_bytes: int | None = None  # of the process, where it was looked at
    kept_bytes: int | None = None  # of these, what the readings so far keep


class Slope(NamedTuple):
    """The exponent b of seconds = a * value ** b."""

    exponent: float
    standard_error: float


def exponent(values: Sequence[float], seconds: Sequence[float]) -> Slope:
    """The slope between logarithms, by least squares, with its standard error.

    Args:
        values: at least three, above 0.
        seconds: of each, above 0.
    """
    x, y = np.log(values), np.log(seconds)
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residuals = y - y.mean() - slope * centred
    variance = residuals @ residuals / (len(x) - 2)
    return Slope(slope, math.sqrt(variance / (centred @ centred)))


def upper_half(points: Iterable[Point]) -> list[Point]:
    """The points of the larger values: below them what every call costs hides the growth."""
    ordered = sorted(points, key=lambda point: point.value)
    return ordered[len(ordered) // 2 :]


def slope_of(points: Iterable[Point]) -> Slope:
    """The exponent over the upper half of a curve's part."""
    upper = upper_half(points)
    return exponent([point.value for point in upper], [point.seconds for point in upper])


def write_points(variable: str, points: Iterable[Point], path: Path = CURVES_FILE) -> None:
    """Replaces one variable's points in the file; the others stay as they are."""
    kept = [point for point in read_points(path) if point.variable != variable]
    order = [curve.variable for curve in CURVES]
    merged = sorted([*kept, *points], key=lambda point: order.index(point.variable))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Point._fields)
        for point in merged:
            times = [f"{seconds:.6g}" for seconds in point[3:6]]
            memory = ["" if count is None else count for count in point[7:]]
            writer.writerow([*point[:3], *times, point.rounds, *memory])


def read_points(path: Path = CURVES_FILE) -> list[Point]:
    """The file's points; none if there is no file."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [
            Point(
                row["variable"],
                int(row["value"]),
                row["part"],
                float(row["seconds"]),
                float(row["quartile_low"]),
                float(row["quartile_high"]),
                int(row["rounds"]),
                *(int(row[name]) if row[name] else None for name in Point._fields[7:]),
            )
            for row in csv.DictReader(file)
        ]

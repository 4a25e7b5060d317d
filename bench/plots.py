"""Draws how cost grows: ``python -m bench.plots`` turns ``bench/growth.csv`` into a picture."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.curves import CURVES, CURVES_FILE, Curve, Part, Point, read_points, slope_of, upper_half
from bench.results import command_of
from nasmon.analysis.plot.style import BLUE, DARK, PURPLE, heading, publication
from nasmon.analysis.words import thousands

GREY = "#8a8a8a"

PICTURE = CURVES_FILE.with_suffix(".png")

STYLES = ((BLUE, "o"), (PURPLE, "s"), (DARK, "^"), ("#b25d00", "D"))
"""Colour and marker of each part of a panel."""

POWERS = {0: "constant", 1: "linear", 2: "C²", 3: "C³"}

NOTE = (
    "Points: medians, between quartiles. Numbers: measured exponents over the upper half of the "
    "values. Dashed: the steepest growth allowed."
)


def main() -> None:
    """Draws the curves that were measured last, and says where."""
    points = read_points()
    missing = [c.variable for c in CURVES if c.variable not in {p.variable for p in points}]
    if missing:
        sys.exit(
            f"{CURVES_FILE.name} lacks {', '.join(missing)}; measure first: "
            f"{command_of('test_growth.py')}"
        )
    with publication("growth"):
        draw(points).savefig(PICTURE, metadata={"Software": None})
    print(_shown(PICTURE))


def draw(points: list[Point]) -> Figure:
    """A panel for each variable, and one for the memory of a long run."""
    figure = Figure(figsize=(10.5, 7), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    panels = list(figure.subplots(2, 3).flat)
    for axes, curve in zip(panels, CURVES, strict=False):
        _time_panel(axes, curve, [point for point in points if point.variable == curve.variable])
    _memory_panel(panels[-1], [point for point in points if point.resident_bytes is not None])
    figure.supxlabel(NOTE, fontsize=8.5, color="#444444")
    return figure


def _time_panel(axes: Axes, curve: Curve, points: list[Point]) -> None:
    for part, (colour, marker) in zip(curve.parts, STYLES, strict=False):
        own = [point for point in points if point.part == part.name]
        _draw_part(axes, part, sorted(own, key=lambda point: point.value), colour, marker)
    top = 1000 * max(point.quartile_high for point in points)
    if all(part.exponent == 0 for part in curve.parts):
        axes.set_ylim(0, 1.5 * top)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: thousands(x)))
    else:
        axes.set_xscale("log")
        axes.set_yscale("log")
        # room for the legend
        axes.set_ylim(top=top * 3 ** len(curve.parts))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,.10g}"))
        _value_ticks(axes, sorted({point.value for point in points}))
    axes.set_xlabel(curve.axis)
    axes.set_ylabel("time (ms)")
    axes.grid(axis="y")
    heading(axes, curve.variable.capitalize(), _allowed(curve))
    axes.legend(loc="upper left", handlelength=2.4, borderaxespad=0.2)


def _draw_part(axes: Axes, part: Part, points: list[Point], colour: str, marker: str) -> None:
    """Measured points between their quartiles, and the slope that is allowed."""
    x = np.array([point.value for point in points])
    low, y, high = (
        1000 * np.array([getattr(point, name) for point in points])
        for name in ("quartile_low", "seconds", "quartile_high")
    )
    slope = f"{slope_of(points).exponent:.2f}".replace("-", "\N{MINUS SIGN}")
    axes.plot(x, y, color=colour, marker=marker, label=f"{part.name}: {slope}", zorder=3)
    axes.vlines(x, low, high, color=colour, linewidth=1, zorder=2)
    first, *_, last = upper_half(points)
    ends = np.array([first.value, last.value])
    steepest = 1000 * first.seconds * (ends / first.value) ** part.exponent
    axes.plot(ends, steepest, color=GREY, linestyle="--", linewidth=1, zorder=1)


def _memory_panel(axes: Axes, points: list[Point]) -> None:
    x = [point.value for point in points]
    for name, label, style in (
        ("resident_bytes", "the process", {"color": BLUE, "marker": "o"}),
        ("kept_bytes", "what readings keep", {"color": GREY, "linestyle": "--", "linewidth": 1}),
    ):
        y = np.array([getattr(point, name) for point in points], np.float64) / 1e6
        axes.plot(x, y - y[0], label=label, **style)
    low, high = axes.get_ylim()
    axes.set_ylim(low, 1.3 * max(high, 5))
    axes.set_xlabel("readings so far")
    axes.set_ylabel("growth of memory (MB)")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
    axes.grid(axis="y")
    heading(axes, "Resident memory", "allowed: what readings keep")
    axes.legend(loc="upper left", handlelength=2.4, borderaxespad=0.2)


def _allowed(curve: Curve) -> str:
    words = dict.fromkeys(POWERS[part.exponent] for part in curve.parts)
    return f"allowed: {' and '.join(words)}"


def _value_ticks(axes: Axes, values: list[int]) -> None:
    shown = values if len(values) <= 7 else values[::2]
    axes.set_xticks(shown, [thousands(value) for value in shown])
    axes.xaxis.set_minor_locator(NullLocator())


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


if __name__ == "__main__":
    main()

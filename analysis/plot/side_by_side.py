"""Two or more runs side by side: their courses, and where they ended."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator

from nasmon.analysis.plot.bands import bands_of
from nasmon.analysis.plot.kinds import Options
from nasmon.analysis.plot.series import timelines
from nasmon.analysis.plot.style import (
    draw_bands,
    draw_line,
    fitted,
    heading,
    legend_below,
    reading_axis,
    say_undefined,
    share_axis,
)
from nasmon.analysis.run import Run
from nasmon.analysis.run_names import distinct_names
from nasmon.analysis.words import UNDEFINED, number
from nasmon.short_names import shortened_apart

_LOOKS: tuple[tuple[str, str | tuple[float, Sequence[float]], str], ...] = (
    ("#0072b2", "-", "o"),
    ("#d55e00", "--", "s"),
    ("#000000", "-.", "^"),
    ("#009e73", ":", "D"),
    ("#8a4f9e", (0, (6, 1, 1, 1, 1, 1)), "v"),
    ("#b07800", (0, (8, 2)), "P"),
    ("#3d9ad6", (0, (2, 1)), "X"),
    ("#7a7a7a", (0, (10, 2, 2, 2)), "*"),
)
"""Colour, line and marker of each run: any one of them tells the runs apart."""

_CURVES = (
    ("redundancy_score", "Redundancy", "Redundancy score"),
    ("correlation_mean", "Correlation", "Mean correlation"),
)

_FINALS = (
    ("redundancy_score", "Final redundancy"),
    ("correlation_mean", "Final correlation"),
    ("saturation", "Final saturation"),
)


def comparison(run: Run, thresholds: Mapping[str, float], options: Options) -> Figure:
    """The curves of all runs, and their last readings and parameters as bars."""
    runs = (run, *options.others)
    names = [fitted(name, 2, 8.5) for name in shortened_apart(distinct_names(runs), 32)]
    layout = ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08)
    figure = Figure(figsize=(9.6, 5.0 + 0.3 * len(runs)), layout=layout)
    grid = figure.add_gridspec(2, 4, height_ratios=[3, 0.5 + 0.3 * len(runs)])
    lines: list[Line2D] = []
    for column, (metric, title, label) in enumerate(_CURVES):
        axes = figure.add_subplot(grid[0, 2 * column : 2 * column + 2])
        lines = _curves(axes, runs, metric, thresholds)
        share_axis(axes, label)
        heading(axes, title)
    finals = [_final_values(runs, metric) for metric, _ in _FINALS]
    for column, ((_, title), values) in enumerate(zip(_FINALS, finals, strict=True)):
        axes = figure.add_subplot(grid[1, column])
        _bars(axes, values, [number(value) for value in values], names if column == 0 else ())
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1])
        axes.set_title(title, fontsize=9.5)
    _parameters(figure.add_subplot(grid[1, 3]), runs)
    legend_below(figure, lines, names)
    return figure


def _curves(
    axes: Axes, runs: Sequence[Run], metric: str, thresholds: Mapping[str, float]
) -> list[Line2D]:
    draw_bands(axes, bands_of(metric, thresholds), detailed=False)
    times = timelines(runs)
    lines, defined = [], False
    for run, time, (colour, dashes, marker) in zip(runs, times, _LOOKS, strict=False):
        values = run.readings[metric].to_numpy(np.float64)
        values = np.where(np.isfinite(values), values, np.nan)
        lines.append(draw_line(axes, time.x, values, colour, dashes, marker))
        defined |= bool(np.isfinite(values).any())
    reading_axis(axes, times[0].label, [time.x for time in times], ticks=5)
    if not defined:
        say_undefined(axes)
    return lines


def _final_values(runs: Sequence[Run], metric: str) -> list[float]:
    return [float(run.readings[metric].iloc[-1]) for run in runs]


def _parameters(axes: Axes, runs: Sequence[Run]) -> None:
    counts = [float(run.record.params) if run.record else math.nan for run in runs]
    words = ["not recorded" if math.isnan(count) else f"{count:,.0f}" for count in counts]
    _bars(axes, counts, words, ())
    most = max((count for count in counts if count > 0), default=1.0)
    axes.set_xlim(0, most)
    axes.xaxis.set_major_locator(MaxNLocator(2, integer=True, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_title("Parameters", fontsize=9.5)


def _bars(axes: Axes, values: Sequence[float], words: Sequence[str], names: Sequence[str]) -> None:
    """Horizontal bars, the first run at the top, each with its value in words at the right."""
    places = range(len(values))
    lengths = [value if math.isfinite(value) else 0.0 for value in values]
    axes.barh(
        places, lengths, height=0.62, color=[colour for colour, _, _ in _LOOKS[: len(values)]]
    )
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_yticks(places, names or [""] * len(values))
    axes.tick_params(axis="y", length=0)
    for place, word in zip(places, words, strict=True):
        text_place = axes.get_yaxis_transform()
        axes.text(
            1.03, place, word, transform=text_place, va="center", fontsize=8, color=_ink(word)
        )


def _ink(word: str) -> str:
    return "#777777" if word in (UNDEFINED, "not recorded") else "#1a1a1a"

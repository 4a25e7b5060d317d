"""Redundancy and correlation over the readings of a run."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from nasmon.analysis.figures.bands import band_of, bands_of
from nasmon.analysis.figures.kinds import Options
from nasmon.analysis.figures.labels import number
from nasmon.analysis.figures.style import (
    BLUE,
    PURPLE,
    draw_bands,
    draw_line,
    draw_spread,
    heading,
    legend_below,
    reading_axis,
    say_undefined,
    share_axis,
)
from nasmon.analysis.figures.timeline import Timeline, timelines
from nasmon.analysis.run import Run


def redundancy(run: Run, thresholds: Mapping[str, float], options: Options) -> Figure:
    """The redundancy score over time, on the bands of its thresholds."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    redundancy_panel(axes, run, thresholds, detailed=True)
    heading(
        axes,
        f"Redundancy of {run.name}",
        _course(run, "redundancy_score", thresholds),
    )
    return figure


def correlation(run: Run, thresholds: Mapping[str, float], options: Options) -> Figure:
    """The mean correlation over time with its spread, on the zones of its thresholds."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    mean = correlation_panel(axes, run, thresholds, detailed=True)
    heading(
        axes,
        f"Correlation between channels of {run.name}",
        _course(run, "correlation_mean", thresholds),
    )
    spread = Patch(facecolor=PURPLE, edgecolor=PURPLE, alpha=0.3, linewidth=0.7)
    names = ("mean over pairs of channels", "mean ± standard deviation over pairs")
    legend_below(figure, (mean, spread), names)
    return figure


def redundancy_panel(
    axes: Axes, run: Run, thresholds: Mapping[str, float], detailed: bool = False
) -> None:
    """Draws the redundancy score of all readings."""
    time = timelines([run])[0]
    _bare_panel(axes, time, "redundancy_score", thresholds, detailed)
    y = _values(run, "redundancy_score")
    draw_line(axes, time.x, y, BLUE)
    share_axis(axes, "Redundancy score" + (" (share of variance)" if detailed else ""))
    if not np.isfinite(y).any():
        say_undefined(axes)


def correlation_panel(
    axes: Axes, run: Run, thresholds: Mapping[str, float], detailed: bool = False
) -> Line2D:
    """Draws the mean correlation of all readings with its spread, and returns its line."""
    time = timelines([run])[0]
    _bare_panel(axes, time, "correlation_mean", thresholds, detailed)
    mean, deviation = _values(run, "correlation_mean"), _values(run, "correlation_std")
    low, high = np.clip(mean - deviation, 0, 1), np.clip(mean + deviation, 0, 1)
    draw_spread(axes, time.x, low, high, PURPLE)
    line = draw_line(axes, time.x, mean, PURPLE)
    share_axis(axes, "Correlation" + (", absolute value" if detailed else ""))
    if not np.isfinite(mean).any():
        say_undefined(axes)
    return line


def _bare_panel(
    axes: Axes, time: Timeline, metric: str, thresholds: Mapping[str, float], detailed: bool
) -> None:
    draw_bands(axes, bands_of(metric, thresholds), detailed)
    reading_axis(axes, time.label, [time.x], ticks=8 if detailed else 5)


def _values(run: Run, metric: str) -> np.ndarray:
    values = run.readings[metric].to_numpy(np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _course(run: Run, metric: str, thresholds: Mapping[str, float]) -> str:
    """From where to where it went, such as "0.61 at epoch 1, 0.52 at epoch 24: moderate"."""
    time, values = timelines([run])[0], _values(run, metric)
    defined = np.flatnonzero(np.isfinite(values))
    if not len(defined):
        return ""
    ends = sorted({int(defined[0]), int(defined[-1])})
    course = ", ".join(f"{number(values[end])} at {time.at(end)}" for end in ends)
    band = band_of(values[defined[-1]], bands_of(metric, thresholds))
    return f"{course}: {band.name.lower()}" if band else course

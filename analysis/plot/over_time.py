"""A run over its readings: redundancy, correlation, and the dashboard of both with statistics."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

from nasmon.analysis.plot.bands import band_of, bands_of
from nasmon.analysis.plot.kinds import Options
from nasmon.analysis.plot.series import Timeline, timelines
from nasmon.analysis.plot.style import (
    BLUE,
    DARK,
    PURPLE,
    draw_bands,
    draw_line,
    draw_spread,
    fitted,
    heading,
    legend_below,
    reading_axis,
    say_undefined,
    share_axis,
)
from nasmon.analysis.run import Run
from nasmon.analysis.words import number, power_of_ten
from nasmon.kernels.metric_table import AGGREGATED
from nasmon.terminal import count_of


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


_STATISTICS = ("first", "last", "mean", "min", "max")
_EDGES = [index / 50 for index in range(51)]  # of a histogram's bars, for metrics from 0 to 1


def dashboard(run: Run, thresholds: Mapping[str, float], options: Options) -> Figure:
    """Redundancy, correlation and condition number over time, two histograms, and a table."""
    figure = Figure(figsize=(9.6, 9), layout=ConstrainedLayoutEngine(h_pad=0.12, w_pad=0.1))
    panels = figure.subplots(3, 2, height_ratios=[1.1, 0.8, 1])
    readings = count_of(len(run.readings), "reading")
    title = f"{fitted(run.name, 3.3, 13, 'bold')}: {readings}, {timelines([run])[0].span}"
    figure.suptitle(title, fontsize=13, fontweight="bold")
    redundancy_panel(panels[0, 0], run, thresholds)
    heading(panels[0, 0], "Redundancy")
    correlation_panel(panels[0, 1], run, thresholds)
    heading(panels[0, 1], "Correlation, mean ± standard deviation")
    _histogram(panels[1, 0], run, "redundancy_score", thresholds, BLUE)
    _histogram(panels[1, 1], run, "correlation_mean", thresholds, PURPLE)
    heading(panels[1, 0], "Distribution of the redundancy score")
    heading(panels[1, 1], "Distribution of the mean correlation")
    _condition_panel(panels[2, 0], run, thresholds)
    _table(panels[2, 1], run)
    return figure


def _histogram(
    axes: Axes, run: Run, metric: str, thresholds: Mapping[str, float], colour: str
) -> None:
    values = _defined(run, metric)
    for band in bands_of(metric, thresholds):
        axes.axvspan(band.low, band.high, color=band.colour, linewidth=0, zorder=0)
    axes.hist(np.clip(values, 0, 1), _EDGES, color=colour)
    axes.set_xlim(-0.015, 1.015)
    axes.set_xlabel("Redundancy score" if metric == "redundancy_score" else "Correlation")
    axes.set_ylabel("Readings")
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    if not len(values):
        axes.set_yticks([0, 1])
        say_undefined(axes)


def _condition_panel(axes: Axes, run: Run, thresholds: Mapping[str, float]) -> None:
    time, limit = timelines([run])[0], thresholds["poor_conditioning"]
    values = run.readings["condition_number"].to_numpy(np.float64)
    values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    axes.set_yscale("log")
    axes.set_ylim(0.7, max(2e8, 2 * limit))
    axes.set_yticks([1, 1e2, 1e4, 1e6, 1e8])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    axes.minorticks_off()
    axes.grid(axis="y")
    axes.axhline(limit, color="#b04a00", linewidth=1.2, linestyle="--")
    place = axes.get_yaxis_transform()
    axes.text(1.015, limit, "poor", transform=place, va="bottom", fontsize=8, color="#b04a00")
    draw_line(axes, time.x, values, DARK)
    reading_axis(axes, time.label, [time.x], ticks=5)
    axes.set_ylabel("Condition number")
    heading(axes, "Condition number, the worst layer's")
    if not np.isfinite(values).any():
        say_undefined(axes)


def _table(axes: Axes, run: Run) -> None:
    axes.set_axis_off()
    heading(axes, "Summary statistics")
    rows = [_statistics(run, metric.name) for metric in AGGREGATED]
    table = axes.table(
        [[number(value) if np.isfinite(value) else "-" for value in row] for row in rows],
        rowLabels=[metric.name for metric in AGGREGATED],
        colLabels=_STATISTICS,
        bbox=Bbox.from_bounds(0.33, 0.02, 0.76, 0.96),
        edges="horizontal",
        cellLoc="right",
        rowLoc="left",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    for (row, _), cell in table.get_celld().items():
        cell.set_edgecolor("#c8c8c8")
        cell.set_linewidth(0.6)
        if row == 0:
            cell.set_text_props(fontweight="bold")


def _statistics(run: Run, metric: str) -> tuple[float, ...]:
    """First and last as they were read; the others of what is defined."""
    readings = run.readings[metric].to_numpy(np.float64)
    values = _defined(run, metric)
    if not len(values):
        return (np.nan,) * len(_STATISTICS)
    first, last = float(readings[0]), float(readings[-1])
    return first, last, float(values.mean()), float(values.min()), float(values.max())


def _defined(run: Run, metric: str) -> np.ndarray:
    values = run.readings[metric].to_numpy(np.float64)
    return values[np.isfinite(values)]

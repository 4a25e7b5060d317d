"""How lines, bands and axes are drawn, everywhere in the same way."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.textpath import TextToPath
from matplotlib.ticker import MaxNLocator

from nasmon.analysis.plot.bands import Band, spread
from nasmon.analysis.plot.series import alone, reduced_band, reduced_line
from nasmon.analysis.words import thousands
from nasmon.short_names import shortened
from nasmon.terminal import printable

SHEET = Path(__file__).parent / "publication.mplstyle"

BLUE, PURPLE, DARK = "#0060a0", "#6a3d9a", "#1a1a1a"

MARKED = 30
"""Up to so many readings are marked one by one."""

_TITLE = 6.7  # inches that the title of a picture's only plot has
_LEAST = 8  # characters that a shortened name has at least
_MEASURE = TextToPath()


@contextmanager
def publication(salt: str) -> Iterator[None]:
    """The style sheet on top of matplotlib's defaults, whatever a user's matplotlibrc says.

    Args:
        salt: of the ids in an SVG, which are else drawn by lot.
    """
    with matplotlib.style.context(["default", SHEET]):
        matplotlib.rcParams["svg.hashsalt"] = salt
        yield


def draw_line(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    colour: str,
    dashes: str | tuple[float, Sequence[float]] = "-",
    marker: str = "o",
) -> Line2D:
    """A line with gaps where y is NaN; a reading without neighbours is drawn as a point."""
    mark = marker if len(x) <= MARKED else "none"
    x, y = reduced_line(x, y)
    line = axes.plot(x, y, color=colour, linestyle=dashes, marker=mark)[0]
    single = alone(y)
    if mark == "none" and single.any():
        axes.plot(x[single], y[single], color=colour, linestyle="none", marker=marker, ms=2.5)
    return line


def draw_spread(axes: Axes, x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str) -> None:
    """The range around a line; a bar for a reading without neighbours."""
    single = alone(low)
    if single.any():
        x_bar, low_bar, high_bar = reduced_band(x[single], low[single], high[single])
        axes.vlines(x_bar, low_bar, high_bar, color=colour, alpha=0.45, linewidth=4)
    x, low, high = reduced_band(x, low, high)
    axes.fill_between(x, low, high, facecolor=colour, alpha=0.22, linewidth=0)
    for edge in (low, high):
        axes.plot(x, edge, color=colour, alpha=0.6, linewidth=0.7)


def draw_bands(axes: Axes, bands: Sequence[Band], detailed: bool) -> None:
    """Shades the bands from 0 to 1, and names them at the right edge, in ``detailed`` words."""
    for band in bands:
        axes.axhspan(band.low, band.high, color=band.colour, linewidth=0, zorder=0)
    for band in bands[1:]:
        axes.axhline(band.low, color="#777777", linewidth=0.8, linestyle=":", zorder=1)
    middles = spread([(b.low + b.high) / 2 for b in bands], 0.11 if detailed else 0.09)
    for band, y in zip(bands, middles, strict=True):
        words = f"{band.name}\n{band.interval}" if detailed else band.name
        place = axes.get_yaxis_transform()
        axes.text(1.015, y, words, transform=place, va="center", fontsize=8, color="#333333")


def share_axis(axes: Axes, label: str) -> None:
    """The y axis of a metric from 0 to 1."""
    # a little more, so that a point at the very end is whole
    axes.set_ylim(-0.015, 1.015)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_ylabel(label)


def reading_axis(axes: Axes, label: str, xs: Iterable[np.ndarray], ticks: int = 8) -> None:
    """The x axis of readings, with ticks at whole numbers only."""
    ends = [end for x in xs for end in (x[0], x[-1])]
    first, last = min(ends), max(ends)
    margin = 0.02 * (last - first) or 0.5
    axes.set_xlim(first - margin, last + margin)
    marks = whole_ticks(first, last, ticks)
    axes.set_xticks(marks, [thousands(mark) for mark in marks])
    axes.set_xlabel(label)


def whole_ticks(first: float, last: float, most: int) -> list[float]:
    """Round whole numbers from ``first`` to ``last``, at most about ``most`` of them."""
    locator = MaxNLocator(most, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)
    return [float(tick) for tick in locator.tick_values(first, last) if first <= tick <= last]


def heading(axes: Axes, title: str, subtitle: str = "") -> None:
    """A title, and under it a line of smaller words."""
    axes.set_title(fitted(title, _TITLE, 11, "bold"), pad=20 if subtitle else None)
    if subtitle:
        place = axes.transAxes
        axes.annotate(
            subtitle,
            (0, 1),
            (0, 6),
            place,
            "offset points",
            va="bottom",
            fontsize=8.5,
            color="#444444",
        )


def say_undefined(axes: Axes, words: str = "no defined readings") -> Text:
    """Words in the middle of an otherwise empty plot."""
    place = axes.transAxes
    return axes.text(
        0.5,
        0.5,
        words,
        transform=place,
        ha="center",
        va="center",
        color="#444444",
        bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "none"},
    )


def width_of(text: str, size: float, weight: str = "normal") -> float:
    """How many inches wide a line of text is, in letters of ``size`` points."""
    font = FontProperties(size=size, weight=weight)
    return _MEASURE.get_text_width_height_descent(text, font, False)[0] / 72


def fitted(name: str, inches: float, size: float, weight: str = "normal") -> str:
    """A printable name, shortened until it is at most ``inches`` wide."""
    lengths = range(_LEAST, max(len(printable(name)), _LEAST) + 1)
    fitting = bisect_right(
        lengths, inches, key=lambda most: width_of(shortened(name, most), size, weight)
    )
    return shortened(name, lengths[max(fitting, 1) - 1])


def legend_below(figure: Figure, handles: Sequence[Artist], names: Sequence[str]) -> Legend:
    """A legend under all plots, in as many columns as the names leave room for."""
    widest = max(width_of(name, 8.5) for name in names) + 0.85  # with the line before it
    columns = max(1, min(len(names), int(figure.get_figwidth() / widest)))
    numbered = [str(index) for index in range(len(names))]
    legend = figure.legend(
        handles, numbered, loc="outside lower center", ncols=columns, handlelength=3.2
    )
    # afterwards, for matplotlib would pass over a name that begins with an underscore
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
    return legend

"""One metric of every layer over the run, as a heat map."""

from collections.abc import Mapping

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from nasmon.analysis.plot.kinds import Options, chosen_layers
from nasmon.analysis.plot.series import Timeline, block_means, timeline
from nasmon.analysis.plot.style import fitted, say_undefined, whole_ticks
from nasmon.analysis.run import Run
from nasmon.analysis.words import number, power_of_ten, thousands
from nasmon.kernels.metric_table import METRICS, Metric
from nasmon.short_names import shortened_apart
from nasmon.terminal import count_of

_ROW = 0.17  # inches a named layer needs
_MOST_HEIGHT = 17.0  # inches of the map; of more layers than fit only every k-th is named
_EACH_READING = 12  # up to so many columns all have a tick


def layers(run: Run, thresholds: Mapping[str, float], options: Options) -> Figure:
    """Layers in the model's order down, readings across, colours for the metric's values."""
    history = run.layer_history(options.metric)
    metric = next(metric for metric in METRICS if metric.name == options.metric)
    rows = chosen_layers(history.layers, options.layers)
    names = [history.layers[row] for row in rows]
    values = history.values[rows]
    every = -(-len(rows) * _ROW // _MOST_HEIGHT)
    height = min(max(1.2, 0.3 * len(rows)), max(4.5, _ROW * len(rows)), _MOST_HEIGHT)
    figure = Figure(figsize=(9.5, height + 1.6), layout="constrained")
    axes = figure.add_subplot()
    means, block = block_means(np.where(np.isfinite(values), values, np.nan))
    _map(figure, axes, metric, means)
    _layer_axis(axes, names, values[:, -1], max(1, int(every)))
    _readings_axis(axes, timeline(history.epochs, history.steps), block)
    _titles(axes, run, metric, count_of(len(names), "layer"))
    _explain_undefined(axes, means)
    return figure


def scale(metric: Metric, values: np.ndarray) -> Normalize:
    """The colours' scale: the metric's own range where it is known, else that of the values.

    Logarithmic for ratios and variances, which span decades, from a power of ten to another.
    """
    low, high = _range(metric)
    defined = values[np.isfinite(values)]
    if metric.unit in ("ratio", "activation squared"):
        exponents = np.log10(defined[defined > 0])
        if not len(exponents):
            exponents = np.zeros(1)
        least = low or 10.0 ** float(np.floor(exponents.min()))
        most = high or 10.0 ** float(np.ceil(exponents.max()))
        return LogNorm(least, max(most, 10 * least))
    least = 0.0 if low is None else low
    most = float(defined.max(initial=least + 1)) if high is None else high
    return Normalize(least, most)


def _range(metric: Metric) -> tuple[float | None, float | None]:
    """The bounds that the table gives as numbers; "[1/C, 1]" has only an upper one."""
    low, _, high = metric.range.strip("[]()").replace("..", ", ").partition(", ")
    return _bound(low), _bound(high)


def _bound(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _map(figure: Figure, axes: Axes, metric: Metric, means: np.ndarray) -> None:
    norm = scale(metric, means)
    # a variance of 0 has no logarithm: it is shown like the least one
    least = float(norm.vmin or 0)
    shown = np.where(means < least, least, means) if isinstance(norm, LogNorm) else means
    # through what is undefined the hatching behind shows
    axes.patch.set(facecolor="#e4e4e4", hatch="////")
    image = axes.imshow(
        np.ma.masked_invalid(shown),
        norm=norm,
        cmap=matplotlib.colormaps["viridis"],
        aspect="auto",
        interpolation="nearest",
    )
    bar = figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05, aspect=30)
    bar.set_label(f"{metric.name} ({metric.unit})")
    if isinstance(norm, LogNorm):
        bar.set_label(f"{metric.name} ({metric.unit}), log scale")
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power_of_ten(value)))
    if not np.isfinite(means).any():
        say_undefined(axes)


def _layer_axis(axes: Axes, names: list[str], latest: np.ndarray, every: int) -> None:
    """Names at the left and latest values at the right, of every ``every``-th layer."""
    places = range(0, len(names), every)
    size = 8 if len(names) <= 40 else 7
    labels = shortened_apart(names, 40)
    axes.set_yticks(places, [labels[place] for place in places], fontsize=size)
    for place in places:
        value = number(latest[place]) if np.isfinite(latest[place]) else "-"
        axes.text(
            1.01, place, value, transform=axes.get_yaxis_transform(), va="center", fontsize=size
        )
    if every > 1:
        axes.set_ylabel(f"Layers in the model's order, one in {every} named")


def _readings_axis(axes: Axes, time: Timeline, block: int) -> None:
    """Ticks at readings; between them where there are many and the round numbers fall there."""
    x = time.x
    marks = list(x) if len(x) <= _EACH_READING else whole_ticks(x[0], x[-1], 8)
    # the middle of a block of readings stands for all of them
    places = (np.interp(marks, x, np.arange(len(x))) + 0.5) / block - 0.5
    axes.set_xticks(places, [thousands(mark) for mark in marks])
    axes.set_xlabel(
        time.label + (f" (a column is the mean of {block} readings)" if block > 1 else "")
    )


def _titles(axes: Axes, run: Run, metric: Metric, layers: str) -> None:
    words = f"{metric.name} = {metric.definition}; {layers}, the latest value at the right"
    # as wide as the map at its narrowest
    axes.set_title(fitted(f"{metric.name} by layer, {run.name}", 4.8, 11, "bold"), pad=20)
    axes.annotate(words, (0, 1), (0, 6), "axes fraction", "offset points", fontsize=8.5)


def _explain_undefined(axes: Axes, means: np.ndarray) -> None:
    if np.isnan(means).any():
        patch = Patch(facecolor="#e4e4e4", edgecolor="#b0b0b0", hatch="////", label="not defined")
        axes.figure.legend(handles=[patch], loc="outside lower left")

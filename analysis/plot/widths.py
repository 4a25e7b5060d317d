"""What each width would lose with fewer channels, a panel a group of layers."""

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nasmon.analysis.plot.kinds import Options, chosen_layers
from nasmon.analysis.plot.panels import MOST_PANELS, columns_of, grid_of, head, name_room
from nasmon.analysis.plot.series import reduced_line
from nasmon.analysis.plot.style import BLUE, MARKED, fitted, say_undefined
from nasmon.analysis.run import Run
from nasmon.analysis.words import thousands
from nasmon.errors import UsageError
from nasmon.record.widths import GroupEvidence
from nasmon.short_names import shortened_apart
from nasmon.terminal import count_of

_MARK = "#a03c00"

_FLOOR = 1e-4  # a hundredth of a percent: what is less is drawn there

_BINS = 60  # of a line: a panel is narrow


def curves(run: Run, thresholds: Mapping[str, float], options: Options) -> Figure:
    """A panel a group: what its consumers lose with fewer channels, and the advised width."""
    evidence = run.width_evidence
    if evidence is None:
        raise AssertionError("missing() lets no run without evidence through")
    names = [group.leader for group in evidence.groups]
    chosen = chosen_layers(names, options.layers)
    groups = [evidence.groups[position] for position in chosen[:MOST_PANELS]]
    if not groups:
        raise UsageError(f"the model of {run.path.name} has no width to choose; draw another type")
    figure, panels = grid_of(len(groups))
    columns = columns_of(len(groups))
    labels = shortened_apart([group.leader for group in groups], 55)
    for axes, group, label in zip(panels, groups, labels, strict=True):
        width = options.widths.get(group.leader, group.enough)
        _draw(axes, group, width)
        axes.set_title(fitted(label, name_room(columns), 8.5, "bold"), fontsize=8.5, pad=15)
        words = f"{width} of {count_of(len(group.order), 'channel')}"
        axes.annotate(words, (0, 1), (0, 4), "axes fraction", "offset points", fontsize=8)
    _label_axes(panels, columns)
    title = f"Widths of {fitted(run.name, 4.5, 12, 'bold')}, {count_of(len(chosen), 'group')}"
    if len(chosen) > MOST_PANELS:
        title += f", the first {MOST_PANELS} of them"
    advised = "advised width" if options.widths else "enough: no more is spare"
    entries: list[tuple[Artist, str]] = [
        (Line2D([], [], color=BLUE), "lost of what is made of these channels, before fine-tuning"),
        (Line2D([], [], color=_MARK, linestyle=":"), advised),
    ]
    head(figure, title, entries)
    return figure


def _draw(axes: Axes, group: GroupEvidence, width: int) -> None:
    channels = len(group.order)
    axes.set_yscale("log")
    lost = group.costs[1:]
    if channels == 1 or np.isnan(lost[:-1]).all():
        say_undefined(axes, "one channel" if channels == 1 else "too few samples to tell")
    shown = np.clip(lost, _FLOOR, 1.0)
    x, y = reduced_line(np.arange(1.0, channels + 1), shown, _BINS)
    marker = "o" if channels <= MARKED else "none"
    axes.plot(x, y, color=BLUE, marker=marker, ms=2.1, linewidth=1.4, clip_on=False)
    axes.axvline(width, color=_MARK, linestyle=":", linewidth=1.4)
    axes.set_xlim(0.5, channels + 0.5)
    axes.set_ylim(_FLOOR, 1)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def _label_axes(panels: list[Axes], columns: int) -> None:
    ticks = (1e-4, 1e-3, 1e-2, 1e-1, 1)
    for index, axes in enumerate(panels):
        axes.set_yticks(ticks, ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"])
        axes.minorticks_off()
        at_left = index % columns == 0
        axes.tick_params(axis="y", labelleft=at_left)
        if at_left:
            axes.set_ylabel("Lost", fontsize=8)
        if index >= len(panels) - columns:
            axes.set_xlabel("Channels kept", fontsize=8)

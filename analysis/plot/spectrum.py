"""Every layer's spectrum: where it bends, and how many channels hold 99 % of the variance."""

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nasmon.analysis.plot.kinds import Options, chosen_layers
from nasmon.analysis.plot.panels import MOST_PANELS, columns_of, grid_of, head, name_room
from nasmon.analysis.plot.series import LayerShares, reduced_line, shares, timelines
from nasmon.analysis.plot.style import BLUE, MARKED, fitted, say_undefined
from nasmon.analysis.run import Run
from nasmon.analysis.words import power_of_ten, thousands
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import RESOLUTION
from nasmon.record.spectra import SpectraAt
from nasmon.short_names import shortened_apart
from nasmon.terminal import count_of

_FIRST, _LATEST, _AREA, _MARK = "#f0a848", BLUE, "#dfdfdf", "#a03c00"

_BINS = 60  # of a line: a panel is narrow


def spectrum(run: Run, thresholds: Mapping[str, float], options: Options) -> Figure:
    """A panel a layer: eigenvalues at the first and the latest reading, cumulative variance."""
    if run.spectra is None:
        raise AssertionError("missing() lets no run without spectra through")
    first, latest = ({n: shares(s) for n, s in at.layers.items()} for at in run.spectra)
    chosen = chosen_layers(list(latest), options.layers)
    names = [list(latest)[position] for position in chosen[:MOST_PANELS]]
    if not names:
        raise UsageError(f"the spectra beside {run.path.name} hold no layer; draw another type")
    moved = run.spectra[0][:2] != run.spectra[1][:2]
    floor = _floor([s for at in (first, latest) for s in map(at.get, names) if s])
    figure, panels = grid_of(len(names))
    columns = columns_of(len(names))
    room = name_room(columns)
    for axes, name, label in zip(panels, names, shortened_apart(names, 55), strict=True):
        _draw(axes, first.get(name) if moved else None, latest[name], floor)
        _name(
            axes,
            fitted(label, room, 8.5, "bold"),
            latest[name],
            run.spectra[1].layers[name].eigenvalues.size,
        )
    _axes_labels(panels, columns, floor)
    _head(figure, run.name, _moments(run, run.spectra), moved, len(chosen))
    return figure


def _floor(all_shares: list[LayerShares]) -> float:
    """The decade where the logarithmic axis begins; smaller shares are drawn there."""
    positive = [float(s.each[s.each > 0].min()) for s in all_shares]
    least = min(positive, default=1.0)
    return 10.0 ** np.floor(np.log10(min(max(least, RESOLUTION), 0.01)))


def _draw(axes: Axes, first: LayerShares | None, latest: LayerShares | None, floor: float) -> None:
    axes.set_yscale("log")
    if first:
        _draw_eigenvalues(axes, first, floor, _FIRST, 2.6)
    if latest:
        _draw_eigenvalues(axes, latest, floor, _LATEST, 1.4)
        _draw_together(axes, latest)
    if not (first or latest):
        say_undefined(axes, "not defined, or no variance")


def _draw_eigenvalues(
    axes: Axes, spectrum: LayerShares, floor: float, colour: str, width: float
) -> None:
    marker = "o" if len(spectrum.each) <= MARKED else "none"
    shown = np.maximum(spectrum.each, floor)
    x, y = reduced_line(np.arange(1.0, len(shown) + 1), shown, _BINS)
    # unclipped, for points lie on the edges
    axes.plot(x, y, color=colour, linewidth=width, marker=marker, ms=1.5 * width, clip_on=False)


def _draw_together(axes: Axes, spectrum: LayerShares) -> None:
    """The cumulative share as an area from the bottom (0 %) to the top (100 %) of the panel."""
    x, y = reduced_line(np.arange(1.0, len(spectrum.each) + 1), spectrum.together, _BINS)
    place = axes.get_xaxis_transform()
    axes.fill_between(x, y, transform=place, color=_AREA, linewidth=0, zorder=0)
    rank = spectrum.rank
    axes.plot([rank, rank], [0, 1], transform=place, color=_MARK, linestyle=":", linewidth=1.4)


def _name(axes: Axes, label: str, latest: LayerShares | None, channels: int) -> None:
    axes.set_title(label, fontsize=8.5, pad=15)
    if latest:
        words = f"99 % in {latest.rank} of {count_of(channels, 'channel')}"
    else:
        words = f"{count_of(channels, 'channel')}, not defined"
    axes.annotate(words, (0, 1), (0, 4), "axes fraction", "offset points", fontsize=8)
    axes.set_xlim(0.5, channels + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def _axes_labels(panels: list[Axes], columns: int, floor: float) -> None:
    """The same y axes everywhere, labelled at the left and right edges only."""
    decades = round(-np.log10(floor))
    ticks = 10.0 ** -np.arange(0, decades + 1, -(-decades // 4))
    for index, axes in enumerate(panels):
        axes.set_ylim(floor, 1)
        axes.set_yticks(ticks, [power_of_ten(tick) for tick in ticks])
        axes.minorticks_off()
        at_left, at_right = index % columns == 0, index % columns == columns - 1
        axes.tick_params(axis="y", labelleft=at_left)
        if at_left:
            axes.set_ylabel("Share of variance", fontsize=8)
        if at_right or axes is panels[-1]:
            for share in (0, 0.5, 1):
                place = axes.transAxes
                axes.text(
                    1.02, share, f"{100 * share:.0f} %", transform=place, va="center", fontsize=8
                )
        if index >= len(panels) - columns:
            axes.set_xlabel("Eigenvalue, largest first", fontsize=8)


def _head(figure: Figure, name: str, moments: tuple[str, str], moved: bool, layers: int) -> None:
    title = f"Spectra of {fitted(name, 4.5, 12, 'bold')}, {count_of(layers, 'layer')}"
    if layers > MOST_PANELS:
        title += f", the first {MOST_PANELS} of them"
    first, latest = moments
    entries: list[tuple[Artist, str]] = [
        (Line2D([], [], color=_LATEST), f"eigenvalues at {latest}, log scale at the left"),
        (Line2D([], [], color=_FIRST, linewidth=2.6), f"eigenvalues at {first}"),
        (Patch(color=_AREA), f"cumulative variance at {latest}, from 0 % to 100 % at the right"),
        (Line2D([], [], color=_MARK, linestyle=":"), "99 % of the variance reached"),
    ]
    if not moved:
        del entries[1]
    head(figure, title, entries)


def _moments(run: Run, spectra: tuple[SpectraAt, SpectraAt]) -> tuple[str, str]:
    """The readings of the two spectra in words."""
    by_epoch = timelines([run])[0].label == "Epoch"
    first, latest = (
        f"epoch {at.epoch + 1:,}" if by_epoch else f"step {at.step:,}" for at in spectra
    )
    return first, latest

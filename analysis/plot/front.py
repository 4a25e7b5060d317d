"""Size against what is lost, and how smaller models do that were made of one."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasmon.acceptance import main_metric
from nasmon.analysis.plot.kinds import Options
from nasmon.analysis.plot.style import BLUE, DARK, heading
from nasmon.analysis.run import Run
from nasmon.analysis.shrunk import made_of
from nasmon.narrowing.choices import curve_of
from nasmon.narrowing.plan import NO_LIMITS
from nasmon.record.shrunk import CurvePoint, ShrunkRecord
from nasmon.widths.objectives import totals

_CHOSEN, _BEFORE = "#a03c00", "#707070"


class Front(NamedTuple):
    """What there is to choose from."""

    most: int  # parameters of the model as it is
    curve: tuple[CurvePoint, ...]  # of uniform widths
    chosen: int | None  # parameters of the one to mark
    chosen_is: str
    made: tuple[ShrunkRecord, ...]  # smaller models, largest first


def front(run: Run, thresholds: Mapping[str, float], options: Options) -> Figure:
    """What smaller models of a run's lose, and those that were made of it."""
    record, evidence = run.record, run.width_evidence
    if record is None or evidence is None:
        raise AssertionError("missing() lets no run without evidence through")
    curve = tuple(CurvePoint(*point) for point in curve_of(record, evidence, NO_LIMITS))
    chosen = totals(record, options.widths).params if options.widths else None
    return drawn(Front(record.params, curve, chosen, "advised", made_of(run)))


def drawn(found: Front) -> Figure:
    """Two panels over the number of parameters: what is lost, and the metric; within a style."""
    metric = main_metric(found.made[0].before) if found.made else ""
    measured = bool(found.made) and metric in found.made[0].before
    panels = 2 if measured else 1
    figure = Figure(figsize=(4.2 * panels + 0.4, 3.4), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _lost(axes[0], found)
    if measured:
        _measured(axes[1], found, metric)
    made = [found.most, *(one.params for one in found.made)]
    for one, own in zip(axes, (_halves(found) or made, made), strict=False):
        one.set_xscale("log")
        one.set_xlabel("parameters")
        one.set_xticks(own, [f"{size:,}" for size in own], rotation=30, ha="right")
        one.minorticks_off()
    return figure


def _halves(found: Front) -> list[int]:
    """The model's size, half of it, and so on down to where the curve ends."""
    least = found.curve[-1].params if found.curve else found.most
    return [found.most >> times for times in range((found.most // least).bit_length())]


def _lost(axes: Axes, found: Front) -> None:
    x, y = [one.params for one in found.curve], [one.lost for one in found.curve]
    axes.plot(x, y, color=BLUE, marker="o", ms=4)
    if found.chosen is not None and found.curve:
        lost = np.interp(found.chosen, x[::-1], y[::-1])
        axes.plot([found.chosen], [lost], color=_CHOSEN, marker="D", linestyle="none", ms=7)
        axes.annotate(found.chosen_is, (found.chosen, lost), (8, 6), textcoords="offset points")
    heading(axes, "Given up before training", "share of what the next layers see, summed")


def _measured(axes: Axes, found: Front, metric: str) -> None:
    before = found.made[0].before[metric]
    x = [one.params for one in found.made]
    for name, colour, marker in (("carried", DARK, "v"), ("after", BLUE, "o")):
        y = [getattr(one, name).get(metric, np.nan) for one in found.made]
        label = "as carried over" if name == "carried" else "after training"
        axes.plot(x, y, color=colour, marker=marker, label=label)
    axes.axhline(before, color=_BEFORE, linestyle="--", label="before")
    axes.plot([found.most], [before], color=_BEFORE, marker="s", linestyle="none")
    for one in found.made:
        if one.params == found.chosen:
            after = one.after.get(metric, np.nan)
            axes.plot([one.params], [after], color=_CHOSEN, marker="D", linestyle="none", ms=7)
    axes.legend(loc="best")
    heading(axes, metric, "on validation data")

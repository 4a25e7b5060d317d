"""Smaller models of one: what narrower widths lose, and how the models do after their training."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasmon.acceptance import main_metric
from nasmon.analysis.plot.picture import page_svg
from nasmon.analysis.plot.style import BLUE, DARK, heading, publication
from nasmon.analysis.shrunk import Origins
from nasmon.analysis.words import number, printable

_CHOSEN = "#a03c00"


def shrinking_svg(origins: Origins) -> str:
    """The picture as an <svg> element for a page, with a title and a description."""
    with publication("shrinking"):
        file = io.BytesIO()
        shrinking(origins).savefig(file, format="svg", metadata={"Date": None})
    title = f"Smaller models of {printable(origins.record.model.name)}"
    return page_svg(file.getvalue().decode(), "shrinking", title, described(origins))


def shrinking(origins: Origins) -> Figure:
    """Two panels over the number of parameters: what is lost, and the metric; within a style."""
    record = origins.record
    metric = main_metric(record.before)
    panels = 2 if metric in record.before else 1
    figure = Figure(figsize=(4.2 * panels + 0.4, 3.4), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    _lost(axes[0], origins)
    if panels > 1:
        _front(axes[1], origins, metric)
    for one in axes:
        one.set_xscale("log")
        one.set_xlabel("parameters")
        sizes = [record.plan.before.params or 1, *(other.params for other in origins.beside)]
        one.set_xticks(sizes, [f"{size:,}" for size in sizes], rotation=30, ha="right")
        one.minorticks_off()
    return figure


def _lost(axes: Axes, origins: Origins) -> None:
    record, plan = origins.record, origins.record.plan
    x, y = [one.params for one in record.curve], [one.lost for one in record.curve]
    axes.plot(x, y, color=BLUE, marker="o")
    lost = sum(group.lost for group in plan.groups if not np.isnan(group.lost))
    axes.plot([record.params], [lost], color=_CHOSEN, marker="D", linestyle="none", ms=7)
    axes.annotate("this model", (record.params, lost), (8, 6), textcoords="offset points")
    heading(axes, "Given up before training", "share of what the next layers see, summed")


def _front(axes: Axes, origins: Origins, metric: str) -> None:
    record, most = origins.record, origins.record.plan.before.params or 1
    x = [one.params for one in origins.beside]
    for name, colour, marker in (("carried", DARK, "v"), ("after", BLUE, "o")):
        y = [getattr(one, name).get(metric, np.nan) for one in origins.beside]
        label = "as carried over" if name == "carried" else "after training"
        axes.plot(x, y, color=colour, marker=marker, label=label)
    axes.axhline(record.before[metric], color="#707070", linestyle="--", label="before")
    axes.plot([most], [record.before[metric]], color="#707070", marker="s", linestyle="none")
    after = record.after.get(metric, np.nan)
    axes.plot([record.params], [after], color=_CHOSEN, marker="D", linestyle="none", ms=7)
    axes.legend(loc="best")
    heading(axes, metric, "on validation data")


def described(origins: Origins) -> str:
    """What the picture shows, in words."""
    record = origins.record
    metric = main_metric(record.before)
    models = "; ".join(
        f"{one.params:,} parameters: {number(one.carried[metric])} as carried over, "
        f"{number(one.after[metric])} after training"
        for one in origins.beside
        if metric in one.before
    )
    before = f"{metric} before {number(record.before[metric])}" if metric in record.before else ""
    return f"{before}; {models}." if models else "No metric was measured."

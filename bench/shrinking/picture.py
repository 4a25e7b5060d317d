"""docs/front.png: size against accuracy, ours and the rivals, from bench/shrinking.csv."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.shrinking.claims import LONG, LONG_RIVAL, SHORT, difference
from bench.shrinking.tasks import TASKS, Task
from nasmon.analysis.plot.style import BLUE, DARK, PURPLE, publication
from nasmon.analysis.words import thousands

PICTURE = Path(__file__).parents[2] / "docs" / "front.png"

Rows = Sequence[Mapping[str, str]]

GREY, ORANGE = "#8a8a8a", "#b25d00"

STYLES = {
    LONG: ("nasmon, trained as long as from scratch", BLUE, "D", "-"),
    SHORT: ("nasmon, a fifth of the epochs", BLUE, "o", "--"),
    LONG_RIVAL: ("from scratch, all epochs", ORANGE, "s", "-"),
    "from scratch": ("from scratch, a fifth of the epochs", ORANGE, "v", "--"),
    "largest gamma": ("largest gamma kept, a fifth of the epochs", PURPLE, "^", "--"),
    "random channels": ("random channels kept, a fifth of the epochs", GREY, "x", "--"),
}

ASIDE = 1.012
"""From the place of one arm to that of the next."""

LOWEST = -0.12
"""Of a panel, so that what fails altogether does not flatten the rest."""


def draw(rows: Rows) -> Figure:
    """A panel for each network of several folds, and one for what lines are.

    Args:
        rows: of the table.
    """
    figure = Figure(figsize=(10.5, 6.2), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
    panels = list(figure.subplots(2, 3).flat)
    # of a single fold there is no error to show
    folds = [{row["fold"] for row in rows if row["task"] == task.name} for task in TASKS]
    tasks = [task for task, own in zip(TASKS, folds, strict=True) if len(own) > 1]
    for axes, task in zip(panels, tasks, strict=False):
        _panel(axes, task, [row for row in rows if row["task"] == task.name])
    for axes in panels[len(tasks) :]:
        axes.set_axis_off()
    handles = {line.get_label(): line for axes in panels for line in axes.containers}
    order = [label for label, *_ in STYLES.values() if label in handles]
    panels[-1].legend([handles[label] for label in order], order, loc="center", fontsize=8.5)
    figure.supxlabel(NOTE, fontsize=8.5, color="#444444")
    return figure


NOTE = (
    "Points: means over folds, judged on data that was held out. Bars: two standard errors. "
    "Below the panel: off the scale."
)


def _panel(axes: Axes, task: Task, rows: Rows) -> None:
    budgets = [one for one in task.budgets if " " not in one]
    shown = set()
    for number, (arm, (label, colour, marker, line)) in enumerate(STYLES.items()):
        points = []
        for budget in budgets:
            own = [row for row in rows if row["budget"] == budget]
            found = difference(own, arm, "before")
            if found is not None and found.folds > 1:
                shown.add(int(budget))
                # side by side, so that no bar hides another
                points.append((int(budget) * ASIDE**number, found.mean, 2 * found.error))
        if points:
            x, y, error = zip(*sorted(points), strict=True)
            axes.errorbar(
                *(x, y, error),
                label=label,
                color=colour,
                marker=marker,
                linestyle=line,
                markersize=4,
                linewidth=1.2,
                elinewidth=0.8,
            )
    axes.axhline(0, color=DARK, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_title(task.name, fontsize=10)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], LOWEST))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sorted(shown))
    axes.tick_params(axis="x", labelsize=8, rotation=30)
    axes.set_xlabel("parameters", fontsize=8.5)
    axes.set_ylabel(f"{task.metric} against the wide network", fontsize=8.5)


def save(rows: Rows) -> None:
    """Draws the picture anew."""
    with publication("front"):
        draw(rows).savefig(PICTURE, dpi=150, metadata={"Software": None})

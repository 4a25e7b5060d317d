"""The Custom Scalars page: one chart a question."""

import re
from collections.abc import Collection, Iterable, Sequence

from tensorboard.plugins.custom_scalar import summary
from tensorboard.plugins.custom_scalar.layout_pb2 import (
    Category,
    Chart,
    Layout,
    MarginChartContent,
    MultilineChartContent,
)

from nasmon.board.tags import BOUNDS, layer_tag, run_tag, task_tag, threshold_tag
from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES

KERAS_CHARTS = {
    "epoch_loss": r"^epoch_(.*_)?loss$",
    # what the monitor puts into Keras's logs has charts of its own
    "epoch metrics": r"^epoch_(?!nas_|learning_rate$|(.*_)?loss$)",
}
"""What Keras's TensorBoard callback writes, in runs of its own and with the epoch as its step."""


def charts_pb(thresholds: Collection[str], task: Iterable[str], by_keras: bool) -> bytes:
    """The page's layout, as a serialized ``Summary``; a later one takes its place.

    TensorBoard puts the layouts of several runs together, and a chart that two of them have is
    there once: so none names a run or a layer.

    Args:
        thresholds: those that are written with each reading.
        task: what the training's logs hold, such as "val_loss".
        by_keras: whether Keras's TensorBoard callback writes beside us.

    Example:
        >>> b"Every layer" in charts_pb((), (), False)
        True
    """
    categories = [
        Category(title="The task and the widths", chart=_task_charts(list(task))),
        Category(
            title="The network against thresholds",
            chart=[_run_chart(name, thresholds) for name in BOUNDS],
        ),
        Category(
            title="The network",
            chart=[_run_chart(m.name, thresholds) for m in AGGREGATED if m.name not in BOUNDS],
        ),
        Category(title="Every layer", chart=[_layers_chart(name) for name in METRIC_NAMES]),
    ]
    if by_keras:
        charts = [_lines(title, pattern) for title, pattern in KERAS_CHARTS.items()]
        categories.append(Category(title="By epoch (Keras's callback)", chart=charts))
    layout: bytes = summary.pb(Layout(category=categories)).SerializeToString()
    return layout


def _task_charts(names: Sequence[str]) -> list[Chart]:
    """The loss and each metric, of training and validation, and beside them those of the widths."""
    quantities = dict.fromkeys(name.removeprefix("val_") for name in names)
    losses = [name for name in quantities if name.endswith("loss")]
    charts = [
        _lines(name, f"^{re.escape(task_tag(''))}(val_)?{re.escape(name)}$")
        for name in (*losses, *(one for one in quantities if one not in losses))
    ]
    of_widths = "|".join(("redundancy_score", "saturation"))
    return [*charts, _lines("redundancy_score, saturation", f"^{run_tag('')}({of_widths})$")]


def _run_chart(name: str, thresholds: Collection[str]) -> Chart:
    """A value of the whole network between its thresholds, or with the one that it has."""
    bounds = [threshold_tag(one) for one in BOUNDS.get(name, ()) if one in thresholds]
    if len(bounds) == 2:
        series = MarginChartContent.Series(value=run_tag(name), lower=bounds[0], upper=bounds[1])
        return Chart(title=name, margin=MarginChartContent(series=[series]))
    return _lines(name, *(f"^{re.escape(tag)}$" for tag in (run_tag(name), *bounds)))


def _layers_chart(name: str) -> Chart:
    return _lines(name, f"^{re.escape(layer_tag(name, ''))}")


def _lines(title: str, *patterns: str) -> Chart:
    return Chart(title=title, multiline=MultilineChartContent(tag=patterns))

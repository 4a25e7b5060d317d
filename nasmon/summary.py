"""The latest reading as a table, a line a layer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from nasmon.budget import OverheadBudget
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.reading import LayerInfo, Reading
from nasmon.table import Entry, Part, ShownTable
from nasmon.terminal import printable


class _Column(NamedTuple):
    metric: str
    heading: str
    form: str  # how a value is written
    remark: str = ""  # what a layer is whose value is above the threshold
    threshold: str = ""  # its name; "" for 0


_COLUMNS = (
    _Column("redundancy_score", "redun.", ".2f", "redundant", "high_redundancy"),
    _Column("correlation_mean", "corr.", ".2f", "correlated", "high_correlation"),
    _Column("effective_rank", "eff.rank", ".1f"),
    _Column("rank_99", "rank_99", ".0f"),
    _Column("saturation", "satur.", ".2f"),
    _Column("dead_channels", "dead", ".0f", "dead channels"),
    _Column("condition_number", "cond.", ".1e", "ill-conditioned", "poor_conditioning"),
)
_NAMES = 2  # columns before these: the layer and its channels
_SATURATION = _NAMES + [column.metric for column in _COLUMNS].index("saturation")


def summary_parts(
    readings: Sequence[Reading],
    thresholds: Mapping[str, float],
    budget: OverheadBudget,
    postponed: int,
) -> list[Part]:
    """A line a layer, then the run's aggregates, what stands out, and what the monitor cost.

    Args:
        readings: of the run; the last one is shown.
        thresholds: where a layer gets a remark, as in ``DEFAULT_THRESHOLDS``.
        budget: of the run.
        postponed: how many readings the budget had no room for when they were due.
    """
    cost = cost_sentence(len(readings), budget, postponed)
    if not readings:
        return ["no reading was taken", cost]
    reading = readings[-1]
    when = f"the latest reading: step {reading.step}, {reading.samples} samples"
    return [when, reading_table(reading, thresholds), *_legend(reading, thresholds), cost]


def reading_table(reading: Reading, thresholds: Mapping[str, float]) -> ShownTable:
    """A row a layer, and one of all of them; what is above a threshold stands out."""
    rows = [
        (Entry(info.name), Entry(_width(info)), *_cells(_metrics(values), thresholds))
        for info, values in zip(reading.layers, reading.metrics.tolist(), strict=True)
    ]
    rows.append((Entry("all layers"), Entry(""), *_cells(reading.aggregates, {})))
    headings = ("layer", "channels", *(column.heading for column in _COLUMNS))
    # the rank beside the channels tells it, too
    return ShownTable(headings, tuple(rows), ruled=True, dispensable=_SATURATION)


def remarks(metrics: Mapping[str, float], thresholds: Mapping[str, float]) -> list[str]:
    """What stands out in one layer's metrics; nothing where they are NaN."""
    above = [c.remark for c in _COLUMNS if c.remark and _stands_out(c, metrics, thresholds)]
    return [*(["constant output"] if metrics["trace"] == 0 else ()), *above]


def cost_sentence(readings: int, budget: OverheadBudget, postponed: int) -> str:
    """The monitor's cost in one sentence."""
    limit = "no budget" if budget.share is None else f"budget {100 * budget.share:.3g} %"
    return (
        f"monitor: {100 * budget.overhead:.1f} % of training time ({limit}), "
        f"set-up {budget.setup_seconds:.1f} s, {readings} reading{'' if readings == 1 else 's'}, "
        f"{postponed} postponed"
    )


def _width(info: LayerInfo) -> str:
    return f"({info.channels})" if info.tied else f"{info.channels} "


def _metrics(values: Sequence[float]) -> dict[str, float]:
    return dict(zip(METRIC_NAMES, values, strict=True))


def _cells(metrics: Mapping[str, float], thresholds: Mapping[str, float]) -> list[Entry]:
    return [
        Entry(
            _written(metrics[column.metric], column.form) if column.metric in metrics else "",
            bool(thresholds) and _stands_out(column, metrics, thresholds),
            metrics.get(column.metric, 0.0) if column.metric == "saturation" else float("nan"),
        )
        for column in _COLUMNS
    ]


def _written(value: float, form: str) -> str:
    """Powers of ten as 6.1e4."""
    mantissa, mark, exponent = format(value, form).partition("e")
    return f"{mantissa}e{int(exponent)}" if mark else mantissa


def _stands_out(
    column: _Column, metrics: Mapping[str, float], thresholds: Mapping[str, float]
) -> bool:
    """Whether there is a remark to be made; never where the value is NaN."""
    limit = thresholds[column.threshold] if column.threshold else 0.0
    return bool(column.remark) and metrics[column.metric] > limit


def _legend(reading: Reading, thresholds: Mapping[str, float]) -> list[str]:
    """What the signs of a reading's table mean, as far as there are any."""
    layers = [_metrics(values) for values in reading.metrics.tolist()]
    marks = [
        f"{column.remark} (above {_short(thresholds[column.threshold])})"
        if column.threshold
        else column.remark
        for column in _COLUMNS
        if any(_stands_out(column, metrics, thresholds) for metrics in layers)
    ]
    constant = [
        printable(info.name)
        for info, metrics in zip(reading.layers, layers, strict=True)
        if metrics["trace"] == 0
    ]
    tied = any(info.tied for info in reading.layers)
    return [
        *([f"*: {', '.join(marks)}"] if marks else ()),
        *(["(channels): as many as the layer's input has"] if tied else ()),
        *([f"constant output: {', '.join(constant)}"] if constant else ()),
    ]


def _short(limit: float) -> str:
    return _written(limit, ".0e") if limit >= 1e4 else f"{limit:g}"

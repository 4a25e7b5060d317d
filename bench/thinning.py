"""How far readings of the same layers lie apart, metric by metric."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from nasmon.kernels.metric_table import METRIC_NAMES, METRICS, Metric

COMPARED: tuple[Metric, ...] = tuple(metric for metric in METRICS if metric.name != "rows")
"""What is estimated; the number of rows is what is chosen."""


def _absolute(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a - b)


def _relative(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # a trace of 0 has an error of 0, or a huge one
    return np.abs(a - b) / np.maximum(np.abs(b), np.finfo(np.float64).tiny)


def _decades(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(np.log10(a) - np.log10(b))


class Scale(NamedTuple):
    """How the error of a metric is counted."""

    name: str
    error: Callable[[np.ndarray, np.ndarray], np.ndarray]


SCALES: dict[str, Scale] = {
    **{m.name: Scale("absolute", _absolute) for m in COMPARED if m.unit == "share"},
    "trace": Scale("relative", _relative),
    "condition_number": Scale("log10", _decades),
    "effective_rank": Scale("relative", _relative),
    "rank_99": Scale("channels", _absolute),
    "dead_channels": Scale("channels", _absolute),
}


def errors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The error of each metric, where ``b`` is taken for true.

    Args:
        a: [..., len(METRICS)] float64, in the table's order.
        b: likewise.

    Returns:
        [..., len(COMPARED)], each on its own scale; NaN where a metric is undefined in both, and
        infinity where it is in one of them only.
    """
    columns = []
    for metric in COMPARED:
        one, other = (values[..., METRIC_NAMES.index(metric.name)] for values in (a, b))
        found = SCALES[metric.name].error(one, other)
        columns.append(np.where(np.isnan(one) == np.isnan(other), found, np.inf))
    return np.stack(columns, axis=-1)


class Spread(NamedTuple):
    """Errors of one metric over layers and sample sets."""

    median: float
    percentile_95: float
    largest: float
    layer: str  # where it is largest

    def __str__(self) -> str:
        return " / ".join(f"{value:.2g}" for value in self[:3])


def spreads(found: np.ndarray, layers: Iterable[str]) -> dict[str, Spread]:
    """The spread of each metric.

    Args:
        found: [sets, layers, len(COMPARED)], from ``errors``.
        layers: their names.

    Returns:
        By the name of the metric; without those that are undefined throughout.
    """
    names = np.tile(list(layers), len(found))
    spread = {}
    for metric, values in zip(COMPARED, found.reshape(-1, len(COMPARED)).T, strict=True):
        defined = ~np.isnan(values)
        if not defined.any():
            continue
        own = values[defined]
        # not interpolated: between infinities there is nothing
        median, percentile = np.percentile(own, (50, 95), method="higher")
        layer = str(names[defined][own.argmax()])
        spread[metric.name] = Spread(float(median), float(percentile), float(own.max()), layer)
    return spread

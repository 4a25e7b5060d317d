"""Pictures of a run from Python: the analysis draws them, and is loaded when it is asked."""

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nasmon.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot(
    source: Any = None,
    kind: str = "dashboard",
    *,
    metric: str = "saturation",
    layers: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
) -> "Figure":
    """A picture of a run as a figure of matplotlib's, which a notebook shows.

    Neither pyplot nor its backend is touched; ``figure.savefig("run.png")`` writes it to a file.

    Args:
        source: the path of a run's CSV; a ``Monitor`` or an ``NASMonitorCallback``, for its
            readings so far; None for the newest run below ``logs/``.
        kind: "redundancy", "correlation", "dashboard" (both, with statistics), "layers" (one metric
            of every layer over time) or "spectrum"; of a CSV also "widths" and "front".
        metric: what "layers" shows, one of ``METRICS``.
        layers: patterns such as "encoder/*", of what "layers", "spectrum" and "widths" show; all
            if there are none.
        thresholds: any of ``nasmon.thresholds.THRESHOLDS``, in place of the run's own.

    Raises:
        ValueError: there is no such run, kind, metric, layer or threshold, or the run has not
            recorded what the picture needs; the message names it and what would work.
        RuntimeError: the callback has monitored nothing yet.

    Example:
        >>> import keras, numpy as np
        >>> from nasmon import Monitor
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8)])
        >>> monitor = Monitor(model, np.random.default_rng(0).random((32, 4), np.float32))
        >>> reading = monitor.read(step=0)
        >>> plot(monitor, "layers", metric="rank_99").get_size_inches().tolist()
        [9.5, 2.8]
    """
    if isinstance(layers, str):
        layers = [layers]
    # of a callback its monitor
    source = getattr(source, "monitor", source)
    is_path = source is None or isinstance(source, str | os.PathLike)
    if not is_path and not hasattr(source, "readings"):
        raise UsageError(
            f"source is of type {type(source).__name__}; give the path of a run's CSV, a callback "
            "or a Monitor"
        )
    figure_of = import_module("nasmon.analysis.plot.figure").figure_of
    return figure_of(source, kind, metric, layers, thresholds)

"""One event's numbers, on the host."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES, METRICS, Metric
from nasmon.record.files import COST_COLUMNS


class LayerInfo(NamedTuple):
    """What is monitored: a layer, or an output of the model.

    Example:
        >>> LayerInfo("encoder/conv1", "Conv2D", channels=16, tied=False).channels
        16
    """

    name: str  # the layer's path in the model, such as "encoder/conv1"
    kind: str  # the layer's class, such as "Conv2D"; "Output" for an output of the model
    channels: int  # C, the width; 0 where it is not known before the first forward pass
    tied: bool  # whether the width is that of the layer's input (depthwise convolutions)
    params: int = 0  # its own parameters
    macs: float = float("nan")  # its own multiply-adds for one input; NaN where not known
    tied_to: str = ""  # whose width it has, as far as that is known; "" for its own


Matrices = tuple[np.ndarray, ...]
"""For each layer [C, C] float32, NaN in rows and columns of dead channels."""


class Spectra:
    """The spectra behind a reading, one array a layer in the reading's order.

    Args:
        eigenvalues: [C] float64, descending.
        correlations: the matrices, or a function that fetches them from the device.
        pair_counts: histograms of the correlations, as ``kernels.histograms`` makes them; None if
            they are to be made of the matrices.

    Example:
        >>> spectra = Spectra((np.array([2.0, 1.0]),), lambda: (np.eye(2, dtype=np.float32),))
        >>> spectra.correlations[0].shape
        (2, 2)
    """

    def __init__(
        self,
        eigenvalues: tuple[np.ndarray, ...],
        correlations: Matrices | Callable[[], Matrices] | None,
        pair_counts: tuple[np.ndarray, ...] | None = None,
    ) -> None:
        self.eigenvalues = eigenvalues
        self.pair_counts = pair_counts
        self._correlations = correlations

    @property
    def correlations(self) -> Matrices | None:
        """As ``Reading.correlations``."""
        if callable(self._correlations):
            self._correlations = self._correlations()
        return self._correlations

    def let_go(self) -> None:
        """Gives up the matrices; who has asked for them may keep what was given."""
        self._correlations = None

    def __reduce__(self) -> tuple[Any, ...]:
        # a copy, or what is pickled, is of the host
        return Spectra, (self.eigenvalues, self.correlations, self.pair_counts)


@dataclass(frozen=True, eq=False)
class Reading:
    """The metrics of all monitored layers at one moment of the training.

    ``reading["conv1"]`` is a dictionary of one layer's metrics, ``reading.aggregates`` one of the
    run's; both iterate in the order of ``METRICS``.

    Example:
        >>> layers = tuple(LayerInfo(name, "Conv2D", 16, False) for name in ("conv1", "conv2"))
        >>> metrics = np.full((2, len(METRICS)), 0.5)
        >>> reading = Reading(0, 10, layers, metrics, 32, probe_seconds=0.01, overhead=0.02)
        >>> reading["conv1"]["saturation"], reading.aggregates["trace"]
        (0.5, 1.0)
    """

    epoch: int  # as Keras counts, from 0; -1 in a loop that gave none
    step: int  # training steps so far
    layers: tuple[LayerInfo, ...]
    metrics: np.ndarray  # [layers, len(METRICS)] float64, NaN where undefined
    samples: int  # validation samples that entered
    probe_seconds: float  # wall time of this reading, without writing it down
    overhead: float  # the monitor's share of the training time so far; 0.02 is 2 %
    thinned: bool = False  # whether the budget had no room for all chunks
    postponed: int = 0  # readings before this one that it had no room for when they were due
    spectra: Spectra | None = None  # kept by the first and the latest reading of a run

    @property
    def aggregates(self) -> dict[str, float]:
        """The run's metrics: those of the layers put together as ``METRICS`` says."""
        channels = np.array([layer.channels for layer in self.layers], np.float64)
        columns = dict(zip(METRIC_NAMES, self.metrics.T, strict=True))
        return {m.name: aggregate(m, columns[m.name], channels) for m in AGGREGATED}

    def __getitem__(self, layer: str) -> dict[str, float]:
        for info, values in zip(self.layers, self.metrics, strict=True):
            if info.name == layer:
                return dict(zip(METRIC_NAMES, values.tolist(), strict=True))
        names = ", ".join(info.name for info in self.layers)
        raise KeyError(f"no monitored layer is called {layer!r}; there are: {names}")

    @property
    def costs(self) -> tuple[float, ...]:
        """What the reading cost and gave up, in the order of ``COST_COLUMNS``."""
        # a switch is written as 0 or 1
        return tuple(+getattr(self, name) for name in COST_COLUMNS)

    @property
    def correlations(self) -> Matrices | None:
        """The correlations R of each layer's channels, [C, C] float32; NaN for dead channels.

        They stay on the device until they are asked for, which waits for it. The first reading of
        a run has them, and the latest until another one is launched; then they are None.
        """
        return None if self.spectra is None else self.spectra.correlations

    def without_spectra(self) -> "Reading":
        """The same reading in a few bytes a layer, for long runs."""
        return replace(self, spectra=None)


def aggregate(metric: Metric, values: np.ndarray, channels: np.ndarray) -> float:
    """One number for all layers; NaN layers take no part, and with no other the result is NaN.

    Args:
        metric: says how: a mean weighted by channels, a sum, or the largest.
        values: [layers] float64.
        channels: [layers] number of channels.

    Raises:
        ValueError: the metric has no aggregate.
    """
    defined = ~np.isnan(values)
    if not defined.any():
        return float("nan")
    values, channels = values[defined], channels[defined]
    if metric.aggregate == "mean":
        return float(np.average(values, weights=channels))
    if metric.aggregate == "sum":
        return float(values.sum())
    if metric.aggregate == "max":
        return float(values.max())
    raise ValueError(f"metric {metric.name!r} has no aggregate over layers")


def frame(readings: Iterable[Reading]) -> pd.DataFrame:
    """One row per reading and layer: epoch, step, the layer's LayerInfo, every metric."""
    rows = [
        (reading.epoch, reading.step, *layer, *values)
        for reading in readings
        for layer, values in zip(reading.layers, reading.metrics.tolist(), strict=True)
    ]
    columns = ["epoch", "step", "layer", *LayerInfo._fields[1:], *(m.name for m in METRICS)]
    return pd.DataFrame(rows, columns=columns)

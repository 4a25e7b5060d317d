"""The Images page: layers over readings when a run ends, and now and then their spectra."""

from collections.abc import Sequence

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.image.metadata import create_summary_metadata
from tensorboard.util.tensor_util import make_tensor_proto

from nasmon.board.heat_map import ROW_WIDTH, Scale, heat_map
from nasmon.board.tags import picture_tag
from nasmon.kernels.metric_table import METRIC_NAMES, METRICS, RESOLUTION
from nasmon.reading import LayerInfo, Reading

OVER_TIME = ("redundancy_score", "saturation")
"""The metrics that are drawn over the readings: shares of a layer, all on one scale."""

MOST_DRAWN = ROW_WIDTH
"""Of a picture over readings; of twice as many readings, every other one is kept."""

SPECTRUM = "share of the variance that each direction holds"


class OverReadings:
    """What is drawn over the readings of a run, in memory that is bounded."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._values: list[np.ndarray] = []  # of each reading [metrics, layers] float32
        self._every, self._seen = 1, 0
        self._last: Reading | None = None

    def add(self, reading: Reading) -> None:
        """Takes note of a reading."""
        if self._seen % self._every == 0:
            self._steps.append(reading.step)
            self._values.append(_over_time(reading))
            if len(self._steps) == 2 * MOST_DRAWN:
                self._steps, self._values = self._steps[::2], self._values[::2]
                self._every *= 2
        self._seen += 1
        self._last = reading.without_spectra()

    def pictures(self) -> bytes:
        """A picture of each metric, as a serialized ``Summary``; b"" before any reading."""
        if self._last is None:
            return b""
        steps, values = self._steps, self._values
        if steps[-1] != self._last.step:
            steps, values = [*steps, self._last.step], [*values, _over_time(self._last)]
        meanings = {metric.name: metric.meaning for metric in METRICS}
        ends = f"step {steps[0]}", f"step {steps[-1]}"
        pictures = b""
        for name, rows in zip(OVER_TIME, np.stack(values, axis=-1), strict=True):
            title = f"{name} of each layer, over {self._seen} readings"
            scale = Scale(0, 1, name, *ends)
            pictures += _picture_pb(name, self._last.layers, rows, title, scale, meanings[name])
        return pictures


def spectrum_pb(reading: Reading, eigenvalues: Sequence[np.ndarray]) -> bytes:
    """A picture of a reading's spectra, as a serialized ``Summary``.

    Args:
        reading: its step and its layers are told.
        eigenvalues: of each layer [C] float64, descending.
    """
    rows = np.stack([_spectrum_row(values) for values in eigenvalues])
    title = f"{SPECTRUM}; step {reading.step}"
    scale = Scale(-8, 0, "log10 of share", "first direction", "last direction")
    return _picture_pb("spectrum", reading.layers, rows, title, scale, SPECTRUM)


def _over_time(reading: Reading) -> np.ndarray:
    columns = [METRIC_NAMES.index(name) for name in OVER_TIME]
    return reading.metrics[:, columns].T.astype(np.float32)


def _spectrum_row(eigenvalues: np.ndarray) -> np.ndarray:
    """[ROW_WIDTH] float64: log10 of l / trace, each direction as wide as the others."""
    total = eigenvalues.sum()
    if not (eigenvalues.size and total > 0):
        return np.full(ROW_WIDTH, np.nan)
    logs = np.log10(np.maximum(eigenvalues / total, RESOLUTION))
    row: np.ndarray = logs[np.arange(ROW_WIDTH) * len(logs) // ROW_WIDTH]
    return row


def _picture_pb(
    name: str,
    layers: Sequence[LayerInfo],
    rows: np.ndarray,
    title: str,
    scale: Scale,
    description: str,
) -> bytes:
    png, width, height = heat_map([info.name for info in layers], rows, title, scale)
    # TensorBoard's own form: width and height as texts, then the file
    parts = np.array([str(width).encode(), str(height).encode(), png], np.object_)
    summary = Summary()
    summary.value.add(
        tag=picture_tag(name),
        metadata=create_summary_metadata(display_name=None, description=description),
        tensor=make_tensor_proto(parts, dtype=np.object_),
    )
    serialized: bytes = summary.SerializeToString()
    return serialized

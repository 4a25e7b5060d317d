"""Readings as TensorBoard's scalars and histograms, in one proto each.

Hundreds of ``tf.summary`` calls would take longer than the reading itself. TensorBoard's own
functions make the protos once; a reading only puts its numbers into them.
"""

import os
from collections.abc import Iterator

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from nasmon.board.event_file import EventFile
from nasmon.board.histograms import histogram_buckets
from nasmon.board.tags import histogram_tags, scalar_tags
from nasmon.kernels.histograms import HISTOGRAM_BINS
from nasmon.reading import LayerInfo, Reading
from nasmon.sinks.run_record import Watched


class TensorBoardSink:
    """Scalars of the run and of each layer, and two histograms a layer.

    Args:
        log_dir: the folder that TensorBoard is pointed at.
        run: a name for the event files, so that those of one run can be told from another's.
        overwrite: whether event files of an earlier run of this name are removed first.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str], run: str = "run", overwrite: bool = False
    ) -> None:
        self._file = EventFile(log_dir, run, overwrite)
        self.place = self._file.folder
        self._layers: tuple[LayerInfo, ...] = ()
        self._scalars, self._histograms = Summary(), Summary()

    def begin(self, watched: Watched) -> None:
        """Nothing: what is watched stands in the run's record."""

    def write(self, reading: Reading) -> None:
        """Writes one reading at its step, flushed when it returns."""
        if reading.layers != self._layers:
            self._make_protos(reading.layers)
        for value, number in zip(self._scalars.value, _scalars_of(reading), strict=True):
            value.tensor.float_val[0] = number
        summary = self._scalars.SerializeToString()
        if reading.spectra is not None:
            # a copy: a proto keeps the bytes that it was given before until it goes itself
            histograms = Summary()
            histograms.CopyFrom(self._histograms)
            for value, buckets in zip(histograms.value, histogram_buckets(reading), strict=True):
                value.tensor.tensor_content = buckets.tobytes()
            # protos one after another are one proto
            summary += histograms.SerializeToString()
        self._file.add(summary, reading.step)

    def close(self, status: str, error: str | None = None) -> None:
        """Nothing: every reading is flushed as it happens."""

    def _make_protos(self, layers: tuple[LayerInfo, ...]) -> None:
        names = tuple(info.name for info in layers)
        self._scalars, self._histograms = Summary(), Summary()
        for tag in scalar_tags(names):
            self._scalars.MergeFrom(scalar_pb(tag, 0.0))
        for tag in histogram_tags(names):
            self._histograms.MergeFrom(histogram_pb(tag, np.zeros(1), buckets=HISTOGRAM_BINS))
        self._layers = layers


def _scalars_of(reading: Reading) -> Iterator[float]:
    yield from reading.aggregates.values()
    yield from reading.costs
    yield from reading.metrics.ravel().tolist()

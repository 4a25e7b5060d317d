"""A run on TensorBoard's pages: scalars, histograms, charts, texts, pictures, a table of runs.

Hundreds of ``tf.summary`` calls would take longer than the reading itself. TensorBoard's own
functions make the protos once; a reading only puts its numbers into them.
"""

import os
import time
from collections.abc import Iterator, Mapping

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb

from nasmon.board.charts import charts_pb
from nasmon.board.event_file import EventFile
from nasmon.board.histograms import histogram_buckets
from nasmon.board.pictures import OverReadings, spectrum_pb
from nasmon.board.session import columns_pb, ended_pb, session_pb
from nasmon.board.tags import (
    BOUNDS,
    BUDGET,
    FACTS_TAG,
    FINDINGS_TAG,
    histogram_tags,
    scalar_tags,
    size_tag,
    task_tag,
    threshold_tag,
)
from nasmon.board.texts import facts_text, findings_text
from nasmon.kernels.histograms import HISTOGRAM_BINS
from nasmon.reading import LayerInfo, Reading
from nasmon.sinks.run_record import SHARE, Watched

DRAWN_EVERY = 10
"""Readings from one picture of the spectra to the next."""

FIRST_DRAWN = 0.05
"""Seconds that the first is taken to need: a short training has only that of its end."""


class TensorBoardSink:
    """Scalars of the run and of each layer, two histograms a layer, and what the other pages show.

    When a run begins: its facts, its charts, what was chosen, and its size. When it ends: what its
    latest reading says, and pictures. The task's charts, and its columns in the table of runs, come
    with its first loss.

    Args:
        log_dir: the folder that TensorBoard is pointed at.
        run: a name for the event files, so that those of one run can be told from another's.
        overwrite: whether event files of an earlier run of this name are removed first.
        by_keras: whether Keras's TensorBoard callback writes beside us.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        run: str = "run",
        overwrite: bool = False,
        by_keras: bool = False,
    ) -> None:
        self._file = EventFile(log_dir, run, overwrite)
        self.place = self._file.folder
        self._by_keras = by_keras
        self._watched: Watched | None = None
        self._thresholds: dict[str, float] = {}
        self._task: tuple[str, ...] = ()  # what the training's logs hold
        self._has_columns = False
        self._layers: tuple[LayerInfo, ...] = ()
        self._scalars, self._histograms, self._bounds = Summary(), Summary(), b""
        self._progress = OverReadings()
        self._latest: Reading | None = None  # none after it was closed
        self._undrawn: Reading | None = None  # whose spectra are not drawn yet
        self._readings = 0
        self._rest_until = 0.0  # no picture before this time

    def begin(self, watched: Watched) -> None:
        """Writes what is known before the first reading."""
        self._watched = watched
        self._rest_until = time.perf_counter() + FIRST_DRAWN / SHARE
        self._thresholds = _bounds_of(watched)
        self._bounds = _scalars_pb(
            {threshold_tag(name): value for name, value in self._thresholds.items()}
        )
        macs = {} if watched.macs is None else {size_tag("macs"): watched.macs}
        summary = _scalars_pb({size_tag("params"): watched.params, **macs})
        summary += text_pb(FACTS_TAG, facts_text(watched)).SerializeToString()
        summary += session_pb(watched.choices)
        self._file.add(summary + self._charts(), 0)

    def write(self, reading: Reading) -> None:
        """Writes one reading at its step, flushed when it returns."""
        if reading.layers != self._layers:
            self._make_protos(reading.layers)
        for value, number in zip(self._scalars.value, _scalars_of(reading), strict=True):
            value.tensor.float_val[0] = number
        # protos one after another are one proto
        summary = self._scalars.SerializeToString() + self._bounds
        if reading.spectra is not None:
            # a copy: a proto keeps the bytes that it was given before until it goes itself
            histograms = Summary()
            histograms.CopyFrom(self._histograms)
            for value, buckets in zip(histograms.value, histogram_buckets(reading), strict=True):
                value.tensor.tensor_content = buckets.tobytes()
            summary += histograms.SerializeToString()
        self._file.add(summary, reading.step)
        self._progress.add(reading)
        self._latest = self._undrawn = reading
        self._readings += 1

    def draw(self) -> None:
        """Draws the spectra of every tenth reading, unless that would take too much of the time."""
        begun = time.perf_counter()
        if self._readings % DRAWN_EVERY or begun < self._rest_until:
            return
        summary = self._spectrum()
        if self._latest is not None and summary:
            self._file.add(summary, self._latest.step)
            ended = time.perf_counter()
            self._rest_until = ended + (ended - begun) / SHARE

    def keep_logs(self, logs: Mapping[str, float], step: int) -> None:
        """Writes the training's loss and metrics; the first of a name brings a chart of it."""
        summary = _scalars_pb({task_tag(name): value for name, value in logs.items()})
        new = tuple(name for name in logs if name not in self._task)
        if new:
            self._task += new
            summary += self._charts() + self._columns()
        if summary:
            self._file.add(summary, step)

    def close(self, status: str, error: str | None = None) -> None:
        """Writes what the latest reading says, how the run ended, and pictures of it."""
        latest, self._latest = self._latest, None
        # a folder that was removed in the meantime is not made again
        if latest is None or self._watched is None or self._file.removed:
            return
        told = findings_text(latest, self._watched, status, error)
        summary = text_pb(FINDINGS_TAG, told).SerializeToString() + self._columns()
        summary += ended_pb(status) + self._progress.pictures() + self._spectrum()
        self._file.add(summary, latest.step)

    def _charts(self) -> bytes:
        return charts_pb(self._thresholds, self._task, self._by_keras)

    def _columns(self) -> bytes:
        """Once: of another one TensorBoard takes no note."""
        if self._has_columns or self._watched is None:
            return b""
        self._has_columns = True
        return columns_pb(self._watched.choices, self._task)

    def _spectrum(self) -> bytes:
        reading, self._undrawn = self._undrawn, None
        if reading is None or reading.spectra is None:
            return b""
        return spectrum_pb(reading, reading.spectra.eigenvalues)

    def _make_protos(self, layers: tuple[LayerInfo, ...]) -> None:
        names = tuple(info.name for info in layers)
        self._scalars, self._histograms = Summary(), Summary()
        for tag in scalar_tags(names):
            self._scalars.MergeFrom(scalar_pb(tag, 0.0))
        for tag in histogram_tags(names):
            self._histograms.MergeFrom(histogram_pb(tag, np.zeros(1), buckets=HISTOGRAM_BINS))
        self._layers = layers
        self._progress = OverReadings()


def _bounds_of(watched: Watched) -> dict[str, float]:
    """The thresholds that values of the whole network are held against, by name."""
    budget = watched.choices.get(BUDGET)
    # it may be none
    limit = {} if budget is None or isinstance(budget, str) else {BUDGET: budget}
    known = {**watched.thresholds, **limit}
    names = (name for bounds in BOUNDS.values() for name in bounds)
    return {name: known[name] for name in names if name in known}


def _scalars_pb(values: Mapping[str, float]) -> bytes:
    """As a serialized ``Summary``."""
    return b"".join(scalar_pb(tag, value).SerializeToString() for tag, value in values.items())


def _scalars_of(reading: Reading) -> Iterator[float]:
    yield from reading.aggregates.values()
    yield from reading.costs
    yield from reading.metrics.ravel().tolist()

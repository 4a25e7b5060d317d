"""Readings as TensorBoard's scalars and histograms, in one proto each.

Hundreds of ``tf.summary`` calls would take longer than the reading itself. TensorBoard's own
functions make the protos once; a reading only puts its numbers into them.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from nasmon.errors import UsageError
from nasmon.kernels.histograms import HISTOGRAM_BINS
from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES, RESOLUTION
from nasmon.reading import LayerInfo, Matrices, Reading
from nasmon.record.files import COST_COLUMNS, given_path
from nasmon.sinks.run_record import Watched

HISTOGRAMS = ("eigenvalues", "correlations")

LONGEST_NAME = 100
"""Of a run, in the name of its event file: TensorFlow puts up to 120 characters before it."""

FRAME_BYTES = 16  # around each event: its length and two checksums


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
        log_dir = self.place = given_path(log_dir)
        suffix = f".{_short_name(run)}.nasmon"
        for earlier in Path(log_dir).glob("events.out.tfevents.*") if overwrite else ():
            # the process's number and its writer's stand before the suffix, or it is another run's
            if re.search(rf"\.\d+\.\d+{re.escape(suffix)}$", earlier.name):
                earlier.unlink()
        there = set(_files(log_dir, suffix))
        try:
            self._writer = tf.summary.create_file_writer(log_dir, filename_suffix=suffix)
            self._writer.flush()
        except tf.errors.OpError as error:
            raise UsageError(
                f"log_dir {log_dir} cannot be written ({_reason(error)}); choose another"
            ) from error
        self._file = next((name for name in _files(log_dir, suffix) if name not in there), None)
        self._size = self._size_of_file()
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
            for value, buckets in zip(histograms.value, _histograms_of(reading), strict=True):
                value.tensor.tensor_content = buckets.tobytes()
            # protos one after another are one proto
            summary += histograms.SerializeToString()
        # not as a Python number: TensorFlow keeps a tensor of each for ever
        step = tf.convert_to_tensor(np.array(reading.step, np.int64))
        with self._whole_event(len(summary) + FRAME_BYTES):
            with self._writer.as_default(), tf.summary.record_if(True):
                tf.summary.experimental.write_raw_pb(summary, step=step)
            self._writer.flush()

    @contextmanager
    def _whole_event(self, size: int) -> Iterator[None]:
        """TensorFlow may say nothing of a full disk, and leaves half an event in the file.

        Raises:
            OSError: the file did not grow by ``size`` bytes; what it grew by is taken off again.
        """
        before, reason = self._size, "an event was not written whole; is the disk full?"
        try:
            yield
        except tf.errors.OpError as error:
            if self._file is None:
                raise
            reason = _reason(error)
        self._size = self._size_of_file()
        if self._file is None or self._size - before >= size:
            return
        with suppress(tf.errors.OpError):
            self._writer.close()
        if self._size_of_file() > before:
            os.truncate(self._file, before)
        raise OSError(errno.EIO, reason, self._file)

    def _size_of_file(self) -> int:
        return os.path.getsize(self._file) if self._file and os.path.exists(self._file) else 0

    def close(self, status: str, error: str | None = None) -> None:
        """Nothing: every reading is flushed as it happens."""

    def _make_protos(self, layers: tuple[LayerInfo, ...]) -> None:
        names = [f"nas/{name}" for name in _RUN_SCALARS]
        names += [f"nas/{info.name}/{name}" for info in layers for name in METRIC_NAMES]
        self._scalars, self._histograms = Summary(), Summary()
        for name in names:
            self._scalars.MergeFrom(scalar_pb(name, 0.0))
        for name in (f"nas/{info.name}/{kind}" for info in layers for kind in HISTOGRAMS):
            self._histograms.MergeFrom(histogram_pb(name, np.zeros(1), buckets=HISTOGRAM_BINS))
        self._layers = layers


def _reason(error: tf.errors.OpError) -> str:
    """What the system said: last in the message's first line, without the operation's name."""
    said = str(error.message).splitlines()[0].rpartition("; ")[2]
    return re.sub(r"^\{\{.*?\}\} | \[Op:.*", "", said)


def _short_name(run: str) -> str:
    """A run's name, or what tells it from others if it is too long for a file's."""
    if len(run.encode()) <= LONGEST_NAME:
        return run
    digest = hashlib.sha256(run.encode()).hexdigest()[:16]
    return f"{run.encode()[: LONGEST_NAME - 17].decode(errors='ignore')}-{digest}"


def _files(log_dir: str, suffix: str) -> Iterator[str]:
    """Event files of a run that lie on this machine."""
    if os.path.isdir(log_dir):
        for name in os.listdir(log_dir):
            if name.startswith("events.out.tfevents.") and name.endswith(suffix):
                yield os.path.join(log_dir, name)


_RUN_SCALARS = (*(metric.name for metric in AGGREGATED), *COST_COLUMNS)


def _scalars_of(reading: Reading) -> Iterator[float]:
    yield from reading.aggregates.values()
    yield from reading.costs
    yield from reading.metrics.ravel().tolist()


def _histograms_of(reading: Reading) -> Iterator[np.ndarray]:
    """Buckets of log10(l / trace), then of R_ij for i < j, layer by layer."""
    assert reading.spectra is not None
    counted = reading.spectra.pair_counts
    pairs = map(_counted_buckets, counted) if counted else map(_pair_buckets, _matrices_of(reading))
    for eigenvalues, buckets in zip(reading.spectra.eigenvalues, pairs, strict=True):
        # floored at the resolution of the estimate, as the condition number is
        floored = np.maximum(eigenvalues, RESOLUTION * eigenvalues[:1])
        total = eigenvalues.sum()
        yield _buckets(np.log10(floored / total) if total > 0 else np.empty(0))
        yield buckets


def _matrices_of(reading: Reading) -> Matrices:
    matrices = reading.correlations
    assert matrices is not None, "a reading is written before the next one is launched"
    return matrices


def _pair_buckets(correlations: np.ndarray) -> np.ndarray:
    pairs = correlations[_above_diagonal(len(correlations))]
    return _buckets(pairs[np.isfinite(pairs)])


@lru_cache(maxsize=64)
def _above_diagonal(channels: int) -> tuple[np.ndarray, ...]:
    return np.triu_indices(channels, 1)


def _buckets(values: np.ndarray) -> np.ndarray:
    """Left edge, right edge and count of each bin, [bins, 3] float64; zeros for no values."""
    if not values.size:
        return np.zeros((HISTOGRAM_BINS, 3))
    low, high = values.min(), values.max()
    # as TensorBoard does, the largest value goes into the last bin, and so do equal ones
    width = (high - low) / HISTOGRAM_BINS or 1.0
    bins = np.minimum((values - low) / width, HISTOGRAM_BINS - 1).astype(np.intp)
    if low == high:
        bins[:] = HISTOGRAM_BINS - 1
    return _between(low, high, np.bincount(bins, minlength=HISTOGRAM_BINS))


def _counted_buckets(counted: np.ndarray) -> np.ndarray:
    """The same of what ``kernels.histograms`` counted."""
    low, high, *counts = counted
    return _between(low, high, counts) if any(counts) else np.zeros((HISTOGRAM_BINS, 3))


def _between(low: float, high: float, counts: ArrayLike) -> np.ndarray:
    edges = np.linspace(low, high, HISTOGRAM_BINS + 1)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)

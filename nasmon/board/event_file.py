"""The event file of a run: protos that are written whole, each flushed, or not at all."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import tensorflow as tf

from nasmon.board.event_names import files_of, suffix_of
from nasmon.errors import UsageError
from nasmon.record.files import given_path

FRAME_BYTES = 16  # around each event: its length and two checksums


class EventFile:
    """An event file in TensorBoard's folder.

    Args:
        log_dir: the folder that TensorBoard is pointed at.
        run: a name for the event files, so that those of one run can be told from another's.
        overwrite: whether event files of an earlier run of this name are removed first.

    Raises:
        UsageError: the folder cannot be written.
    """

    def __init__(self, log_dir: str | os.PathLike[str], run: str, overwrite: bool) -> None:
        log_dir = self.folder = given_path(log_dir)
        for earlier in files_of(run, log_dir) if overwrite else ():
            earlier.unlink()
        there = set(files_of(run, log_dir))
        try:
            self._writer = tf.summary.create_file_writer(log_dir, filename_suffix=suffix_of(run))
            self._writer.flush()
        except tf.errors.OpError as error:
            raise UsageError(
                f"log_dir {log_dir} cannot be written ({_reason(error)}); choose another"
            ) from error
        self._file = next((path for path in files_of(run, log_dir) if path not in there), None)
        self._size = self._size_of_file()

    @property
    def removed(self) -> bool:
        """Whether somebody has taken it away."""
        return self._file is not None and not os.path.exists(self._file)

    def add(self, summary: bytes, step: int) -> None:
        """Writes one event, flushed when it returns.

        Args:
            summary: a serialized ``Summary``, or several one after another.
            step: TensorBoard's axis.

        Raises:
            OSError: it could not be written whole, and is taken off again.
        """
        # not as a Python number: TensorFlow keeps a tensor of each for ever
        at = tf.convert_to_tensor(np.array(step, np.int64))
        with self._whole_event(len(summary) + FRAME_BYTES):
            with self._writer.as_default(), tf.summary.record_if(True):
                tf.summary.experimental.write_raw_pb(summary, step=at)
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


def _reason(error: tf.errors.OpError) -> str:
    """What the system said: last in the message's first line, without the operation's name."""
    said = str(error.message).splitlines()[0].rpartition("; ")[2]
    return re.sub(r"^\{\{.*?\}\} | \[Op:.*", "", said)

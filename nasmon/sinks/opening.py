"""The places for readings that a monitor is asked for."""

import os
from pathlib import Path
from typing import Protocol

from nasmon.reading import Reading
from nasmon.sinks.csv_tables import CsvSink, IfExists, check_if_exists
from nasmon.sinks.run_record import UNKNOWN_ORIGIN, Origin, RunSink, Watched
from nasmon.sinks.tensorboard import TensorBoardSink


class Sink(Protocol):
    """Something that keeps readings."""

    def begin(self, watched: Watched) -> None:
        """Takes note of what will be read, once that is known."""

    def write(self, reading: Reading) -> None:
        """Keeps one reading, flushed when it returns."""

    def close(self, status: str, error: str | None = None) -> None:
        """Ends the run; another reading takes it up again."""


OURS = (CsvSink, RunSink, TensorBoardSink)


class Writer(Protocol):
    """The least that a user's own place for readings has."""

    def write(self, reading: Reading) -> None:
        """Keeps one reading."""


class _UsersSink:
    """A user's own place for readings; what it lacks besides ``write`` does nothing."""

    def __init__(self, given: Writer) -> None:
        self.write = given.write
        self._begin = getattr(given, "begin", None)
        self._close = getattr(given, "close", None)

    def begin(self, watched: Watched) -> None:
        if self._begin is not None:
            self._begin(watched)

    def close(self, status: str, error: str | None = None) -> None:
        if self._close is not None:
            self._close(status, error)


def whole_sink(given: Sink | Writer) -> Sink:
    """A sink of what a user gave, whose ``begin`` and ``close`` may be missing."""
    return given if isinstance(given, OURS) else _UsersSink(given)


def open_sinks(
    log_dir: str | os.PathLike[str] | None,
    csv_path: str | os.PathLike[str] | None,
    if_exists: IfExists,
    origin: Origin = UNKNOWN_ORIGIN,
    left_open: str = "ended",
) -> list[Sink]:
    """The sinks that are asked for; CSV first, as it may refuse.

    Args:
        log_dir: TensorBoard folder, or None for no TensorBoard.
        csv_path: the run's CSV, or None for neither CSV nor record.
        if_exists: "error", "append" or "overwrite".
        origin: for the run's record.
        left_open: the status of a run that nobody ended although its process did in peace.

    Raises:
        ValueError: an unknown ``if_exists``.
        FileExistsError: an earlier run's CSV is in the way.
    """
    check_if_exists(if_exists)
    sinks: list[Sink] = []
    if csv_path is not None:
        sinks.append(CsvSink(csv_path, if_exists))
        sinks.append(RunSink(Path(csv_path), origin, if_exists == "append", left_open))
    if log_dir is not None:
        run = Path(csv_path).stem if csv_path is not None else "run"
        sinks.append(TensorBoardSink(log_dir, run, overwrite=if_exists == "overwrite"))
    return sinks

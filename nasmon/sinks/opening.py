"""The places for readings that a monitor is asked for."""

import os
from pathlib import Path
from typing import Protocol, runtime_checkable

from nasmon.reading import Reading
from nasmon.sinks.csv_tables import CsvSink, IfExists, check_if_exists
from nasmon.sinks.run_record import UNKNOWN_ORIGIN, Origin, RunSink, Watched
from nasmon.sinks.tensorboard import TensorBoardSink


@runtime_checkable
class Sink(Protocol):
    """Something that keeps readings."""

    def begin(self, watched: Watched) -> None:
        """Takes note of what will be read, once that is known."""

    def write(self, reading: Reading) -> None:
        """Keeps one reading, flushed when it returns."""

    def close(self, status: str, error: str | None = None) -> None:
        """Ends the run; another reading takes it up again."""


class Writer(Protocol):
    """The least that a user's own place for readings has."""

    def write(self, reading: Reading) -> None:
        """Keeps one reading."""


class _WriterSink:
    """A user's own place for readings, which only writes."""

    def __init__(self, writer: Writer) -> None:
        self.write = writer.write

    def begin(self, watched: Watched) -> None:
        pass

    def close(self, status: str, error: str | None = None) -> None:
        pass


def whole_sink(given: Sink | Writer) -> Sink:
    """A sink of what a user gave; ``begin`` and ``close`` may be missing."""
    return given if isinstance(given, Sink) else _WriterSink(given)


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

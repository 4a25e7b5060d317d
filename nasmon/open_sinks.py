"""The places for readings that a monitor is asked for."""

import os
from pathlib import Path

from nasmon.run_sink import UNKNOWN_ORIGIN, Origin, RunSink
from nasmon.sinks import CsvSink, IfExists, Sink, check_if_exists
from nasmon.tensorboard_sink import TensorBoardSink


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

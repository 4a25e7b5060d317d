"""The advice on TensorBoard's Text page, beside the run's own texts; without TensorFlow."""

import io
import os
import time
from math import isnan
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from nasmon.analysis.companions import unpacked_path
from nasmon.analysis.recommend.advice import Recommendations
from nasmon.board.event_names import BEGINNING, files_of, suffix_of
from nasmon.board.tags import ADVICE_TAG
from nasmon.errors import UsageError
from nasmon.record.files import given_path

_OURS = "nasmon_advice"  # where other event files have the machine's name, in which is no "_"

KILLED_AFTER = 3600.0
"""Seconds without events after which a run that says that it goes on is taken to be killed."""


def put_on_board(folder: Path, found: Recommendations, markdown: str) -> None:
    """Writes the advice where TensorBoard shows the run, in the place of an earlier advice.

    Args:
        folder: that the run wrote its events to.
        found: the advice, of a run that goes on no more.
        markdown: its text.

    Raises:
        UsageError: the folder has no events of this run or cannot be used, or the run goes on:
            TensorBoard follows the newest file of a folder alone. Of other runs that write to the
            same folder nothing is known.
    """
    folder, run = Path(given_path(folder)), unpacked_path(found.run.path).stem
    try:
        there = files_of(run, folder)
        earlier = [path for path in there if path.name.split(".")[4:5] == [_OURS]]
        newest = max((path.stat().st_mtime for path in there if path not in earlier), default=0.0)
    except OSError as error:
        raise UsageError(f"--tensorboard {folder} cannot be read ({error.strerror})") from error
    running = found.run.record is not None and found.run.record.status == "running"
    if running and time.time() - newest < KILLED_AFTER:
        raise UsageError(
            f"--tensorboard: {found.run.path} is of a run that still goes on, or was killed within "
            "the last hour; give it when it has ended"
        )
    if len(earlier) == len(there):
        raise UsageError(
            f"--tensorboard {folder} has no events of {found.run.path}; give the folder that the "
            "run wrote to (log_dir), such as logs/nas/nano_u"
        )
    # TensorBoard reads files in the order of their names
    seconds = max(int(time.time()), 1 + max(_seconds_of(path) for path in there))
    name = f"{BEGINNING}.{seconds}.{_OURS}.{os.getpid()}.0{suffix_of(run)}"
    path = folder / name
    version = Event(wall_time=time.time(), file_version="brain.Event:2")
    last = found.run.readings["step"].iloc[-1]
    step = 0 if isnan(last) else int(last)
    text = Event(wall_time=time.time(), step=step, summary=text_pb(ADVICE_TAG, markdown))
    written = io.BytesIO()
    for event in (version, text):
        RecordWriter(written).write(event.SerializeToString())
    try:
        path.write_bytes(written.getvalue())
        for old in earlier:
            old.unlink()
    except OSError as error:
        raise UsageError(f"--tensorboard {folder} cannot be written ({error.strerror})") from error


def _seconds_of(path: Path) -> int:
    """When an event file was begun, as its name has it."""
    part = path.name.split(".")[3]
    return int(part) if part.isdecimal() else 0

"""All places for readings are used alike: they begin, write and close."""

from pathlib import Path

import pandas as pd
import pytest

from nasmon.reading import Reading
from nasmon.record.files import record_path
from nasmon.record.run import read_record
from nasmon.sinks.csv_tables import CsvSink
from nasmon.sinks.opening import open_sinks, whole_sink
from nasmon.sinks.run_record import RunSink, Watched
from nasmon.sinks.tensorboard import TensorBoardSink
from tests.test_reading import reading

WATCHED = Watched("model", 8, {}, (), 10, None, None)


def test_what_is_opened_is_begun_written_and_closed_alike(tmp_path: Path) -> None:
    sinks = open_sinks(tmp_path / "events", tmp_path / "run.csv", "error")
    assert [type(sink) for sink in sinks] == [CsvSink, RunSink, TensorBoardSink]
    for sink in sinks:
        sink.begin(WATCHED)
        sink.write(reading(1))
        sink.close("ended")
    assert pd.read_csv(tmp_path / "run.csv")["step"].tolist() == [1]
    record = read_record(record_path(tmp_path / "run.csv"))
    assert (record.model_name, record.status) == ("model", "ended")
    (events,) = (tmp_path / "events").iterdir()
    assert b"nas/redundancy_score" in events.read_bytes()


class Kept:
    """A user's own sink, which notes what is asked of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def write(self, one: Reading) -> None:
        self.calls.append(("write", one.step))


class KeptToTheEnd(Kept):
    def close(self, status: str, error: str | None = None) -> None:
        self.calls.append(("close", status, error))


class KeptFromTheBeginning(Kept):
    def begin(self, watched: Watched) -> None:
        self.calls.append(("begin", watched.model_name))


@pytest.mark.parametrize(
    ("kept", "calls"),
    [
        (Kept(), [("write", 1)]),
        (KeptToTheEnd(), [("write", 1), ("close", "failed", "an error")]),
        (KeptFromTheBeginning(), [("begin", "model"), ("write", 1)]),
    ],
)
def test_a_users_own_sink_is_asked_for_what_it_has(
    kept: Kept, calls: list[tuple[object, ...]]
) -> None:
    sink = whole_sink(kept)
    sink.begin(WATCHED)
    sink.write(reading(1))
    sink.close("failed", "an error")
    assert kept.calls == calls

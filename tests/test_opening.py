"""All places for readings are used alike: they begin, write and close."""

from pathlib import Path

import pandas as pd

from nasmon.record.files import record_path
from nasmon.record.run import read_record
from nasmon.sinks.csv_tables import CsvSink
from nasmon.sinks.opening import open_sinks
from nasmon.sinks.run_record import RunSink, Watched
from nasmon.sinks.tensorboard import TensorBoardSink
from nasmon.thresholds import DEFAULT_THRESHOLDS
from tests.test_reading import reading

WATCHED = Watched("model", 8, DEFAULT_THRESHOLDS, (), 10, None, None)


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

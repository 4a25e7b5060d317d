"""All places for readings are used alike: they begin, write and close."""

from pathlib import Path

from nasmon.reading import Reading
from nasmon.sinks.csv_tables import CsvSink
from nasmon.sinks.opening import Sink, open_sinks, whole_sink
from nasmon.sinks.run_record import RunSink, Watched
from nasmon.sinks.tensorboard import TensorBoardSink
from tests.test_reading import reading

WATCHED = Watched("model", 8, {}, (), 10, None, None)


def test_every_sink_that_is_opened_has_all_three(tmp_path: Path) -> None:
    sinks = open_sinks(tmp_path / "events", tmp_path / "run.csv", "error")
    assert [type(sink) for sink in sinks] == [CsvSink, RunSink, TensorBoardSink]
    assert all(isinstance(sink, Sink) for sink in sinks)
    for sink in sinks:
        sink.begin(WATCHED)
        sink.write(reading(1))
        sink.close("ended")


def test_a_users_own_sink_may_only_write() -> None:
    class Kept:
        def __init__(self) -> None:
            self.readings: list[Reading] = []

        def write(self, one: Reading) -> None:
            self.readings.append(one)

    kept = Kept()
    sink = whole_sink(kept)
    sink.begin(WATCHED)
    sink.write(reading(1))
    sink.close("failed", "an error")
    assert len(kept.readings) == 1


def test_one_that_has_all_three_is_used_as_it_is() -> None:
    class Whole:
        def begin(self, watched: Watched) -> None: ...

        def write(self, one: Reading) -> None: ...

        def close(self, status: str, error: str | None = None) -> None: ...

    whole = Whole()
    assert whole_sink(whole) is whole

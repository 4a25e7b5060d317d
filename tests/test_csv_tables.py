"""CSV and TensorBoard: what is written is what was read; nothing earlier is lost silently."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES
from nasmon.reading import LayerInfo, Reading, Spectra
from nasmon.record.files import layers_path
from nasmon.sinks.csv_tables import CsvSink
from nasmon.sinks.tensorboard import TensorBoardSink
from tests.test_reading import reading

RUN = ["epoch", "step", *(m.name for m in AGGREGATED), "probe_seconds", "overhead"]
RUN += ["thinned", "postponed"]
LAYERS = [
    *("epoch", "step", "layer", "kind", "channels", "params", "macs", "tied_to"),
    *METRIC_NAMES,
]


def test_two_files_hold_every_number(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "new" / "run.csv")
    readings = [reading(1, trace=(1 / 3, np.nan)), reading(2)]
    for one in readings:
        sink.write(one)
    run, layers = pd.read_csv(sink.path), pd.read_csv(layers_path(sink.path))
    assert sink.layers_path.name == "run_layers.csv"
    assert (list(run.columns), list(layers.columns)) == (RUN, LAYERS)
    for row, one in zip(run.to_dict("records"), readings, strict=True):
        assert {n: row[n] for n in one.aggregates} == one.aggregates
        assert (row["epoch"], row["step"], row["overhead"]) == (2, one.step, 0.02)
    np.testing.assert_array_equal(
        layers[list(METRIC_NAMES)], np.concatenate([one.metrics for one in readings])
    )


def test_a_layer_may_have_any_name(tmp_path: Path) -> None:
    info = LayerInfo('a,"b"\n<c>', "Dense", 2, False)
    sink = CsvSink(tmp_path / "run.csv")
    sink.write(Reading(0, 1, (info,), np.ones((1, len(METRIC_NAMES))), 1, 0, 0))
    assert pd.read_csv(sink.layers_path)["layer"].tolist() == [info.name]


def test_an_earlier_run_is_refused_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    CsvSink(path).write(reading(1))
    kept = path.read_bytes(), layers_path(path).read_bytes()
    with pytest.raises(FileExistsError, match=r"run_layers.csv holds an earlier run; choose"):
        CsvSink(path)
    assert kept == (path.read_bytes(), layers_path(path).read_bytes())
    CsvSink(path, "append").write(reading(2))
    assert pd.read_csv(path)["step"].tolist() == [1, 2]
    CsvSink(path, "overwrite").write(reading(3))
    assert pd.read_csv(path)["step"].tolist() == [3]
    assert pd.read_csv(layers_path(path))["step"].tolist() == [3, 3]


def test_an_empty_file_or_a_header_alone_is_no_earlier_run(tmp_path: Path) -> None:
    (tmp_path / "run.csv").touch()
    CsvSink(tmp_path / "run.csv")
    CsvSink(tmp_path / "run.csv").write(reading(1))
    assert len(pd.read_csv(tmp_path / "run.csv")) == 1


def test_a_torn_last_line_is_dropped_when_a_run_goes_on(tmp_path: Path) -> None:
    sink = CsvSink(tmp_path / "run.csv")
    sink.write(reading(1))
    for path in (sink.path, sink.layers_path):
        with open(path, "a", encoding="utf-8") as file:
            file.write("2,9,0.1")
    CsvSink(sink.path, "append").write(reading(2))
    assert pd.read_csv(sink.path)["step"].tolist() == [1, 2]
    assert pd.read_csv(sink.layers_path)["step"].tolist() == [1, 1, 2, 2]


def test_a_file_with_other_columns_cannot_be_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"has other columns \(a, b\)"):
        CsvSink(path, "append")
    assert path.read_text() == "a,b\n1,2\n"


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=r"cannot be written \(.*\); choose another csv_path"):
        CsvSink(tmp_path / "file" / "run.csv")
    with pytest.raises(ValueError, match="is a folder, not a file; give another csv_path"):
        CsvSink(tmp_path, "append")


def written(log_dir: Path) -> dict[str, dict[int, np.ndarray]]:
    """What TensorBoard's own reader finds: by tag, the value at each step."""
    events = EventAccumulator(str(log_dir), size_guidance={"tensors": 0}).Reload()
    return {
        tag: {e.step: make_ndarray(e.tensor_proto) for e in events.Tensors(tag)}
        for tag in events.Tags()["tensors"]
    }


def test_tensorboards_own_reader_finds_the_csvs_numbers(tmp_path: Path) -> None:
    table, board = CsvSink(tmp_path / "run.csv"), TensorBoardSink(tmp_path)
    for one in (reading(10, rank_99=(3, 4)), reading(20, trace=(0.1, np.nan))):
        table.write(one)
        board.write(one)
    events = written(tmp_path)
    run, layers = pd.read_csv(table.path), pd.read_csv(table.layers_path)
    expected = {f"nas/{name}": run[name] for name in RUN[2:]}
    for layer, group in layers.groupby("layer"):
        expected |= {f"nas_{name}/{layer}": group[name] for name in METRIC_NAMES}
    for tag, values in expected.items():
        assert list(events[tag]) == [10, 20]
        np.testing.assert_allclose(list(events[tag].values()), values, rtol=1e-6)
    assert set(events) - set(expected) == {
        f"nas_{kind}/{layer}" for layer in "ab" for kind in ("correlations", "eigenvalues")
    }


def test_histograms_hold_shares_and_pairs(tmp_path: Path) -> None:
    correlations = np.array([[1, 0.5, np.nan], [0.5, 1, np.nan], [np.nan] * 3])
    spectra = Spectra((np.array([3.0, 1.0, 0.0]),), (correlations,))
    info = LayerInfo("a", "Dense", 3, False)
    one = Reading(0, 1, (info,), np.ones((1, len(METRIC_NAMES))), 1, 0, 0, spectra=spectra)
    TensorBoardSink(tmp_path).write(one)
    events = written(tmp_path)
    low, high, count = events["nas_eigenvalues/a"][1].T
    assert low[0] == pytest.approx(np.log10(3e-8 / 4))
    assert high[-1] == pytest.approx(np.log10(3 / 4))
    assert count.sum() == 3
    low, high, count = events["nas_correlations/a"][1].T
    assert count.sum() == 1
    assert low[count > 0] <= 0.5 <= high[count > 0]


def test_layers_without_a_spectrum_are_written_as_well(tmp_path: Path) -> None:
    spectra = Spectra((np.full(2, np.nan),), (np.full((2, 2), np.nan),))
    info = LayerInfo("a", "Dense", 2, False)
    values = np.full((1, len(METRIC_NAMES)), np.nan)
    TensorBoardSink(tmp_path).write(Reading(0, 1, (info,), values, 1, 0, 0, spectra=spectra))
    assert np.isnan(written(tmp_path)["nas_trace/a"][1])


def test_overwriting_removes_this_runs_events_and_no_others(tmp_path: Path) -> None:
    TensorBoardSink(tmp_path, "one").write(reading(1))
    TensorBoardSink(tmp_path, "two").write(reading(2))
    TensorBoardSink(tmp_path, "one", overwrite=True).write(reading(3))
    assert sorted(written(tmp_path)["nas/trace"]) == [2, 3]
    TensorBoardSink(tmp_path, "another.one").write(reading(4))
    TensorBoardSink(tmp_path, "run[1]").write(reading(5))
    TensorBoardSink(tmp_path, "one", overwrite=True).write(reading(6))
    TensorBoardSink(tmp_path, "run[1]", overwrite=True).write(reading(7))
    assert sorted(written(tmp_path)["nas/trace"]) == [2, 4, 6, 7]

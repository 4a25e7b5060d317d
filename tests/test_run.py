"""A run's files are read whole, cut off, damaged and alone."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nasmon.analysis.csv_files import read_tail
from nasmon.analysis.newest import newest_run
from nasmon.analysis.run import load_run
from nasmon.analysis.table_file import TableFile
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES, METRICS
from nasmon.record.files import LAYER_COLUMNS, RUN_COLUMNS, layers_path, record_path, spectra_path
from tests.recorded import chain, metrics, write_run

LAYERS = ("conv0", "conv1", "conv2", "conv3", "conv4")
CHANNELS = (16, 32, 64, 16, 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_run(tmp_path / "logs" / "nas" / "chain_nas_metrics.csv")


def test_what_was_written_is_what_is_read(path: Path) -> None:
    values = metrics(5, 12, CHANNELS)
    run = load_run(path)
    assert (run.name, len(run.readings), run.notes) == ("chain", 12, [])
    assert run.readings["step"].tolist() == [10 * (i + 1) for i in range(12)]
    for index, name in enumerate(METRIC_NAMES):
        found = run.layer_history(name)
        assert found.layers == LAYERS
        np.testing.assert_array_equal(found.values, values[:, :, index].T)
        assert found.epochs.tolist() == list(range(12))
        latest = run.latest_layers(3)
        assert latest["reading"].tolist() == [i for i in range(3) for _ in LAYERS]
        np.testing.assert_array_equal(latest[name].to_numpy().reshape(3, 5), values[-3:, :, index])
    assert latest["layer"].tolist() == list(LAYERS) * 3
    assert run.spectra is not None
    first, last = run.spectra
    assert (first.step, last.step, tuple(last.layers)) == (10, 120, LAYERS)
    assert last.layers["conv2"].correlations.shape == (64, 64)


def test_more_readings_than_there_are_is_all_of_them(path: Path) -> None:
    assert load_run(path).latest_layers(99)["reading"].max() == 11


def test_of_a_long_file_only_the_end_is_read(path: Path) -> None:
    tail = read_tail(TableFile(layers_path(path), ""), LAYER_COLUMNS, 5)
    assert tail is not None
    assert tail.notes == []
    assert 5 <= len(tail.rows) < 60
    assert tail.rows["layer"].iloc[-5:].tolist() == list(LAYERS)


def test_the_advice_reads_no_more_than_the_end(path: Path, monkeypatch: Any) -> None:
    run = load_run(path)
    monkeypatch.setattr("nasmon.analysis.layer_file.read_columns", None)
    assert run.latest_layers(1)["layer"].tolist() == list(LAYERS)


def test_a_row_that_was_cut_off_is_left_out_with_a_note(path: Path) -> None:
    with open(path, "a") as file:
        file.write("12,130,0.5,0.")
    run = load_run(path)
    assert len(run.readings) == 12
    assert run.notes == [f"the last row of {path} is cut off and was left out"]


@pytest.mark.parametrize("rows", [1, 5])
def test_layers_of_a_reading_that_the_run_does_not_have_are_left_out(path: Path, rows: int) -> None:
    """The rows by layer come first, so a killed run may have more of them."""
    more = layers_path(path).read_text().splitlines()[-5:]
    with open(layers_path(path), "a") as file:
        file.writelines(f"12,130,{line.split(',', 2)[2]}\n" for line in more[:rows])
        file.write("12,130,conv9")
    run = load_run(path)
    assert run.latest_layers(1)["step"].unique().tolist() == [120]
    assert run.layer_history("rank_99").values.shape == (5, 12)
    assert len(run.notes) == 1


def test_two_readings_at_one_epoch_are_two(path: Path, tmp_path: Path) -> None:
    for file in (path, layers_path(path)):
        lines = file.read_text().splitlines(keepends=True)
        # batch mode: several readings an epoch, told apart by their steps
        file.write_text("".join([lines[0], *("0," + line.split(",", 1)[1] for line in lines[1:])]))
    assert load_run(path).layer_history("trace").values.shape == (5, 12)


def test_a_csv_copied_alone_is_read_and_named_after_its_file(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "baseline_nas_metrics.csv"
    shutil.copy(path, copy)
    run = load_run(copy)
    assert (run.name, run.record, run.has_layers, run.spectra, run.history) == (
        "baseline",
        None,
        False,
        None,
        None,
    )
    with pytest.raises(UsageError, match="_layers.csv is not there; copy it beside baseline"):
        run.latest_layers(1)
    assert load_run(copy, "other").name == "other"


def test_the_columns_of_the_first_nasmon_are_enough(path: Path) -> None:
    table = pd.read_csv(path)
    keep = ["epoch", "step", "redundancy_score", "correlation_mean", "correlation_std", "trace"]
    table[[*keep, "condition_number"]].to_csv(path, index=False)
    readings = load_run(path).readings
    assert tuple(readings.columns) == RUN_COLUMNS
    assert readings["saturation"].isna().all()


def header_only(path: Path) -> None:
    path.write_text(path.read_text().splitlines()[0] + "\n")


def without(column: str) -> Any:
    def change(path: Path) -> None:
        pd.read_csv(path).drop(columns=column).to_csv(path, index=False)

    return change


def word_for_a_number(path: Path) -> None:
    path.write_text(path.read_text().replace("\n3,40,", "\n3,forty,"))


def longer_row(path: Path) -> None:
    path.write_text(path.read_text().replace("\n3,40,", "\n3,40,1,2,3,"))


def shorter_row(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], "3,40,0.5", *lines[5:], ""]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "does not exist; give the CSV that a run wrote"),
        (lambda p: p.write_text(""), "is empty; give the CSV that a run wrote"),
        (lambda p: p.write_text("\n"), "is empty; give the CSV that a run wrote"),
        (lambda p: p.write_text(p.read_text().splitlines()[0]), "holds no reading yet"),
        (header_only, "holds no reading yet; wait for the first one"),
        (lambda p: p.write_text(p.read_text()[:40]), "has no column"),
        (lambda p: p.write_text(p.read_text()[:150]), "holds no reading yet"),
        (lambda p: p.write_text("a,b\n1,2\n"), "is not a CSV of nasmon: it has the columns a, b"),
        (lambda p: p.write_bytes(b"\x89PNG\xff\xfe\x00"), "it is not text"),
        (without("trace"), "has no column trace; give a CSV that nasmon wrote"),
        (without("redundancy_score"), "has no column redundancy_score"),
        (word_for_a_number, "is damaged .*forty"),
        (longer_row, "is damaged .line 5 has 16 values for 13 columns"),
        (shorter_row, "is damaged .line 5 has 3 values for 13 columns"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_in_one_line(
    path: Path, damage: Any, message: str
) -> None:
    damage(path)
    with pytest.raises(UsageError, match=message) as raised:
        load_run(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_folder_and_the_rows_by_layer_are_told_apart(path: Path) -> None:
    with pytest.raises(UsageError, match="is a folder, not a file; give the CSV that a run wrote"):
        load_run(path.parent)
    with pytest.raises(UsageError, match="give the run's own CSV, .*chain_nas_metrics.csv"):
        load_run(layers_path(path))
    layers_path(path).rename(path)
    with pytest.raises(UsageError, match="holds the rows by layer; give the run's own CSV$"):
        load_run(path)


def test_damaged_companions_are_told(path: Path) -> None:
    spectra_path(path).write_bytes(b"PK\x03\x04 cut off")
    record = record_path(path).read_text()
    with pytest.raises(UsageError, match="spectra.npz is damaged"):
        _ = load_run(path).spectra
    record_path(path).write_text(record[:100])
    with pytest.raises(UsageError, match="run.json cannot be read"):
        load_run(path)
    record_path(path).unlink()
    without("rank_99")(layers_path(path))
    with pytest.raises(UsageError, match="has no column rank_99; remove it to go on"):
        load_run(path).latest_layers(1)


def test_no_such_metric(path: Path) -> None:
    with pytest.raises(UsageError, match="metric is 'rank'; use one of redundancy_score"):
        load_run(path).layer_history("rank")


def test_nan_stays_nan_and_names_stay_names(tmp_path: Path) -> None:
    record = chain((4, 4))
    names = ["nan", "a,b <script>"]
    for layer, name in zip(record["layers"], names, strict=True):
        layer["name"] = name
    values = metrics(2, 3, (4, 4))
    values[1] = np.nan
    run = load_run(write_run(tmp_path / "run.csv", record, values))
    found = run.layer_history(METRICS[0].name)
    assert found.layers == tuple(names)
    assert np.isnan(found.values).tolist() == [[False, True, False]] * 2
    assert np.isnan(run.readings["redundancy_score"].iloc[1])
    assert run.latest_layers(2)["layer"].tolist() == names * 2


def test_the_newest_run_is_the_one_written_to_last(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run with a reading was found under .*/logs/; train"):
        newest_run(tmp_path / "logs")
    old = write_run(tmp_path / "logs" / "old.csv")
    new = write_run(tmp_path / "logs" / "deep" / "new.csv")
    empty = write_run(tmp_path / "logs" / "empty.csv")
    header_only(empty)
    (tmp_path / "logs" / "history.csv").write_text("epoch,loss\n0,1\n")
    for age, file in ((300, old), (200, new)):
        os.utime(file, (1e9 - age, 1e9 - age))
    assert newest_run(tmp_path / "logs") == new
    os.utime(old)
    assert newest_run(tmp_path / "logs") == old


def test_the_training_history_is_found_where_the_record_says(path: Path) -> None:
    (path.parent.parent / "chain_history.csv").write_text("epoch,val_miou\n0,0.5\n1,0.6\n")
    record = record_path(path).read_text()
    record_path(path).write_text(
        record.replace('"history": null', '"history": "../chain_history.csv"')
    )
    history = load_run(path).history
    assert history is not None
    assert history["val_miou"].tolist() == [0.5, 0.6]

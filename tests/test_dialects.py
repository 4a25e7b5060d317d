"""A run's tables are read as whatever program saved them: the numbers are the same."""

import gzip
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nasmon.analysis.csv_files import read_columns, read_header
from nasmon.analysis.dialect import cells_of
from nasmon.analysis.newest import newest_run
from nasmon.analysis.recommend.command import main
from nasmon.analysis.run import load_run
from nasmon.analysis.table_file import TableFile
from nasmon.errors import UsageError
from nasmon.record.files import RUN_COLUMNS, layers_path, record_path
from tests.commands import in_process
from tests.planted_runs import planted_values, wide_chain
from tests.recorded import write_run
from tests.saved_tables import DIALECTS, Save, saved

HISTORY = "epoch,val_miou,val_loss\n0,0.5,1.25\n1,0.625,1.0\n"
EXACT = {"semicolons": ";", "tabs": "\t", "commas": ","}


@pytest.fixture
def recommend(capsys, tmp_path, monkeypatch):
    """Runs the command in tmp_path; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return partial(in_process, main, capsys)


def run_with_history(folder: Path) -> Path:
    """A run whose layers have names that need quotes and more than ASCII."""
    record = wide_chain(32, 32, 16, 1)
    for layer, name in zip(record["layers"][:2], ("größe; 1,5", 'a "b", c'), strict=True):
        layer["name"], layer["widths"] = name, [[name, 1]]
    record["structure"], record["history"] = None, "history.csv"
    values = planted_values(record, [16, 8, 12, 1])
    path = write_run(folder / "chain_nas_metrics.csv", record, values)
    (folder / "history.csv").write_text(HISTORY)
    return path


@pytest.mark.parametrize("save", DIALECTS.values(), ids=DIALECTS.keys())
def test_a_run_saved_by_another_program_gives_the_same_advice(
    recommend, tmp_path: Path, save: Save
) -> None:
    path = run_with_history(tmp_path)
    expected = recommend("--csv", path.name, "--format", "json")
    history = load_run(path).history
    for file in (path, layers_path(path), tmp_path / "history.csv"):
        save(file)
    found = recommend("--csv", path.name, "--format", "json")
    assert expected[0] == 0
    assert json.loads(expected[1])["layers"][1]["width"] == 8
    assert found == expected
    run = load_run(path)
    assert history is not None
    assert run.history is not None
    assert run.history.equals(history)
    assert run.layer_history("rank_99").layers[:2] == ("größe; 1,5", 'a "b", c')
    assert newest_run(tmp_path) == path


@pytest.mark.parametrize(
    ("text", "values"),
    [
        # a semicolon says nothing about the decimals, nor does a comma
        ("epoch;trace\n0;0.5\n", [0.5]),
        ("epoch;trace\n0;0,5\n1;3\n2;\n3;1,5E+03\n", [0.5, 3, np.nan, 1500]),
        ("epoch\ttrace\n0\t,5\n", [0.5]),
        ('"epoch","trace"\n"0","-0,25"\n', [-0.25]),
        ("epoch;trace\n0;100000000\n", [1e8]),
        ("sep=;\nepoch;trace\n0;0,5\n", [0.5]),
    ],
)
def test_decimal_commas_are_told_from_the_numbers(
    tmp_path: Path, text: str, values: list[float]
) -> None:
    (tmp_path / "t.csv").write_text(text)
    table = read_columns(TableFile(tmp_path / "t.csv", ""), ("epoch", "trace"))
    np.testing.assert_array_equal(table.rows["trace"].to_numpy(), values)


def test_what_is_not_defined_may_be_called_so(tmp_path: Path) -> None:
    """Keras's CSVLogger writes NA, spreadsheets write #N/A."""
    (tmp_path / "t.csv").write_text("epoch,val_miou\n0,NA\n1,nan\n2,#N/A\n3,0.5\n")
    table = read_columns(TableFile(tmp_path / "t.csv", ""), ("epoch", "val_miou"))
    np.testing.assert_array_equal(table.rows["val_miou"].to_numpy(), [np.nan] * 3 + [0.5])


def test_points_beside_decimal_commas_are_damage(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("epoch;trace\n0;0,5\n1;0.5\n")
    with pytest.raises(UsageError, match="t.csv is damaged .*'0,5'"):
        read_columns(TableFile(tmp_path / "t.csv", ""), ("epoch", "trace"))


def test_a_comma_in_a_name_is_no_decimal_comma() -> None:
    cells = cells_of("epoch;layer;trace\n0;1,5;0.5\n")
    assert cells.rows == [["0", "1,5", "0.5"]]


def test_half_a_row_that_another_program_saved_is_left_out_too(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.csv")
    saved(separator=";", decimal=",")(path)
    path.write_text(path.read_text()[:-20])
    run = load_run(path)
    assert len(run.readings) == 11
    assert run.notes == [f"the last row of {path} is cut off and was left out"]
    # a program that ends its last row without an end of line
    path = write_run(tmp_path / "whole.csv")
    saved(separator=";", decimal=",")(path)
    path.write_text(path.read_text().rstrip("\n"))
    assert len(load_run(path).readings) == 12


@pytest.mark.parametrize("packed", [True, False])
def test_a_packed_run_and_its_layers_packed_or_not(recommend, tmp_path: Path, packed: bool) -> None:
    path = write_run(tmp_path / "logs" / "chain_nas_metrics.csv")
    expected = recommend()
    for file in (path, layers_path(path)) if packed else (path,):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert newest_run(tmp_path / "logs").name == "chain_nas_metrics.csv.gz"
    assert recommend() == expected
    history = tmp_path / "logs" / "h.csv.gz"
    history.write_bytes(gzip.compress(HISTORY.encode()))
    text = record_path(path).read_text()
    record_path(path).write_text(text.replace('"history": null', '"history": "h.csv"'))
    found = load_run(newest_run(tmp_path / "logs")).history
    assert found is not None
    assert found["val_miou"].tolist() == [0.5, 0.625]
    record_path(path).unlink()
    assert load_run(path.with_name(f"{path.name}.gz")).name == "chain"


def test_a_packed_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.csv")
    path.write_bytes(gzip.compress(path.read_bytes())[:-30])
    with pytest.raises(UsageError, match="run.csv cannot be unpacked .*; give the CSV that a run"):
        load_run(path)


def test_a_spreadsheet_s_own_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "run.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00")
    with pytest.raises(UsageError, match="is a spreadsheet or an archive; save its table as CSV"):
        load_run(tmp_path / "run.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epoch;st\x00ep\n1;2\n", "it is not text"),
        (b"\xef\xbb\xbf\n", "is empty; give the CSV"),
        (b"a;b\n1;2\n", "is not a CSV of nasmon: it has the columns a, b;"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "run.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message) as raised:
        load_run(tmp_path / "run.csv")
    assert "\n" not in str(raised.value)


def test_columns_of_the_user_s_own_do_no_harm(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.csv")
    expected = load_run(path).readings
    table = pd.read_csv(path)
    # as pandas writes its index, and with a remark
    table.assign(remark="best, so far").to_csv(path)
    assert read_header(TableFile(path, ""))[:2] == ["", "epoch"]
    assert load_run(path).readings[list(RUN_COLUMNS)].equals(expected)

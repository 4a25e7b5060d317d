"""Several runs in one file are told apart, and rows in another order are put back."""

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nasmon.analysis.compare.command import main as compare_main
from nasmon.analysis.one_run import runs_in
from nasmon.analysis.plot.command import main as plot_main
from nasmon.analysis.recommend.command import main as recommend_main
from nasmon.analysis.report.command import main as report_main
from nasmon.analysis.run import load_run
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.files import layers_path, record_path, spectra_path
from tests.commands import in_process
from tests.planted_runs import planted_values, wide_chain
from tests.recorded import write_run

WIDTHS = (32, 32, 16, 1)
RISING, FALLING = np.linspace(0.3, 0.6, 12), np.linspace(0.7, 0.4, 12)


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Runs a command's main in tmp_path; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return lambda main, *arguments: in_process(main, capsys, *arguments)


def planted_file(path: Path, ranks: list[int], redundancy: np.ndarray, readings: int = 12) -> Path:
    """A run whose redundancy changes over its readings, alike in all layers."""
    record = wide_chain(*WIDTHS)
    values = planted_values(record, ranks, readings)
    values[:, :, METRIC_NAMES.index("redundancy_score")] = redundancy[:readings, None]
    return write_run(path, record, values)


def joined_runs(folder: Path, header: bool = False) -> Path:
    """A run of rising redundancy and one of falling, one behind the other in the same files."""
    first = planted_file(folder / "first.csv", [32, 8, 12, 1], RISING, 7)
    path = planted_file(folder / "both.csv", [32, 20, 12, 1], FALLING)
    for of in (Path, layers_path):
        rows = of(path).read_text().splitlines(keepends=True)
        of(path).write_text(of(first).read_text() + "".join(rows[0 if header else 1 :]))
    return path


@pytest.mark.parametrize("header", [False, True])
def test_of_two_runs_in_one_file_the_last_is_taken_or_the_one_asked_for(
    tmp_path: Path, header: bool
) -> None:
    path = joined_runs(tmp_path, header)
    last, first = load_run(path), load_run(path, number=1)
    for run, redundancy, rank in ((last, FALLING, 20), (first, RISING[:7], 8)):
        found = run.readings["redundancy_score"].to_numpy()
        np.testing.assert_allclose(found, redundancy, rtol=1e-12)
        ranks = run.layer_history("rank_99")
        assert ranks.values.shape == (4, len(redundancy))
        assert ranks.values[1].tolist() == [rank] * len(redundancy)
        latest = run.latest_layers(2)
        assert latest["rank_99"].tolist() == [32, rank, 12, 1] * 2
        assert latest["step"].unique().tolist() == [10 * len(redundancy) - 10, 10 * len(redundancy)]
    words = "holds 2 runs one behind the other; this is about"
    choose = "(choose with --run, from 1 to 2)"
    assert last.notes == [f"{path} {words} the last one {choose}"]
    assert first.notes[0] == f"{path} {words} number 1 {choose}"
    # what ran, and the spectra, are those of the last one
    assert last.record is not None
    assert last.spectra is not None
    assert (first.record, first.spectra) == (None, None)
    assert first.notes[1:] == [
        f"{record_path(path)} is another run's and was left out: it tells of the last of the 2 "
        "runs in the CSV",
        f"{spectra_path(path)} is another run's and was left out: they are of the last of the 2 "
        "runs in the CSV",
    ]


def test_the_trend_is_that_of_one_run(command, tmp_path: Path) -> None:
    joined_runs(tmp_path)
    code, text, err = command(recommend_main, "--csv", "both.csv")
    assert code == 0
    assert "Redundancy DECREASING over training (change=-0.191)" in text
    assert "narrow 32 -> 20: rank_99 is 20 of 32" in text
    assert "recommend: note: both.csv holds 2 runs one behind the other" in err
    text = command(recommend_main, "--csv", "both.csv", "--run", 1)[1]
    assert "Redundancy INCREASING over training (change=+0.109)" in text
    assert "narrow 32 -> 8: rank_99 is 8 of 32" in text


@pytest.mark.parametrize("number", [0, 3, "x"])
@pytest.mark.parametrize("main", [recommend_main, plot_main, report_main])
def test_a_run_that_is_not_there_is_one_line(command, tmp_path: Path, main, number) -> None:
    joined_runs(tmp_path)
    code, out, err = command(main, "--csv", "both.csv", "--run", number)
    assert (code, out, err.count("\n")) == (2, "", 1)
    if number == 3:
        assert "run 3 is asked for and both.csv holds 2 runs; use a number from 1 to 2" in err
    else:
        assert f"--run is '{number}'; use a whole number of at least 1" in err


def test_a_file_of_one_run_has_no_second(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.csv")
    assert load_run(path, number=1).notes == []
    with pytest.raises(UsageError, match="run 2 is asked for and .* holds one run; use a number"):
        load_run(path, number=2)


def test_two_runs_of_one_file_are_compared(command, tmp_path: Path) -> None:
    joined_runs(tmp_path)
    both = ("--csv", "both.csv", "both.csv")
    code, text, _ = command(compare_main, *both, "--run", 1, 2, "--format", "markdown")
    assert code == 0
    rows = [line for line in text.splitlines() if line.startswith("| redundancy ")]
    assert "| 0.464 | 0.400 |" in rows[0]
    # what ran is known of the last one
    assert "both | chain" in text.replace("**", "")
    code, _, err = command(compare_main, *both)
    assert code == 2
    assert err == ("compare: error: both.csv is given twice; choose two of its runs with --run\n")
    code, _, err = command(compare_main, *both, "--run", 1)
    assert (code, err) == (2, "compare: error: --run has 1 numbers for 2 CSVs; give one for each\n")


def test_two_runs_of_one_file_are_drawn_and_reported(command, tmp_path: Path) -> None:
    record_path(joined_runs(tmp_path)).unlink()
    both = ("--compare", "both.csv", "both.csv", "--run", 1, 2, "--output", "both.svg")
    assert command(plot_main, *both)[:2] == (0, "both.svg\n")
    arguments = ("--csv", "both.csv", "--compare", "both.csv", "--run", 2, 1, "--output", "r.html")
    assert command(report_main, *arguments)[:2] == (0, "r.html\n")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert "12 readings up to training step 120" in page
    assert "both (both.csv, run 1)" in page


SORTS = {
    "redundancy, falling": partial(pd.DataFrame.sort_values, by="redundancy_score"),
    "steps, falling": partial(pd.DataFrame.sort_values, by="step", ascending=False),
    "any order": lambda table: table.sample(frac=1, random_state=3),
}


@pytest.mark.parametrize("sort", SORTS.values(), ids=SORTS.keys())
def test_a_sorted_file_is_sorted_back(command, tmp_path: Path, sort) -> None:
    path = planted_file(tmp_path / "run.csv", [32, 8, 12, 1], FALLING)
    expected = command(recommend_main, "--csv", "run.csv")
    for file in (path, layers_path(path)):
        sort(pd.read_csv(file, keep_default_na=False)).to_csv(file, index=False)
    code, text, err = command(recommend_main, "--csv", "run.csv")
    assert (code, text) == (0, expected[1])
    assert "DECREASING" in text
    assert [line.partition("note: the rows of ")[2] for line in err.splitlines()] == [
        f"{file} do not stand in the order of their steps and were sorted back"
        for file in ("run.csv", "run_layers.csv")
    ]


def test_a_sorted_csv_beside_rows_by_layer_in_their_order(tmp_path: Path) -> None:
    path = planted_file(tmp_path / "run.csv", [32, 8, 12, 1], FALLING)
    expected = load_run(path).latest_layers(3)
    pd.read_csv(path).sort_values("redundancy_score").to_csv(path, index=False)
    run = load_run(path)
    assert run.readings["step"].tolist() == [10 * (i + 1) for i in range(12)]
    pd.testing.assert_frame_equal(run.latest_layers(3), expected)
    assert run.record is not None
    assert run.spectra is not None
    assert len(run.notes) == 1


@pytest.mark.parametrize("by", [["layer"], ["layer", "rank_99"], ["trace"]])
@pytest.mark.parametrize("runs", [1, 2])
def test_rows_by_layer_may_be_sorted_by_anything(
    command, tmp_path: Path, by: list[str], runs: int
) -> None:
    path = (
        joined_runs(tmp_path)
        if runs == 2
        else planted_file(tmp_path / "both.csv", [32, 8, 12, 1], FALLING)
    )
    expected = [load_run(path, number=n + 1).latest_layers(3) for n in range(runs)]
    table = pd.read_csv(layers_path(path), keep_default_na=False)
    table = table.iloc[::-1] if by == ["trace"] and runs == 1 else table
    if runs == 1 or by == ["layer"]:
        table.sort_values(by, kind="stable").to_csv(layers_path(path), index=False)
    for number, rows in enumerate(expected, 1):
        found = load_run(path, number=number).latest_layers(3)
        pd.testing.assert_frame_equal(found, rows, check_dtype=False, check_categorical=False)


@pytest.mark.parametrize(("recorded", "order"), [(True, ["z", "m", "a"]), (False, ["a", "m", "z"])])
def test_rows_sorted_by_their_layers_names_are_in_the_model_s_order(
    tmp_path: Path, recorded: bool, order: list[str]
) -> None:
    """As the record has it; without one, as the file has it."""
    record = wide_chain(32, 16, 1)
    for layer, name in zip(record["layers"], "zma", strict=True):
        layer |= {"name": name, "widths": [[name, 1]]}
    record["structure"] = None
    path = write_run(tmp_path / "run.csv", record)
    table = pd.read_csv(layers_path(path), keep_default_na=False)
    table.sort_values(["layer", "step"]).to_csv(layers_path(path), index=False)
    if not recorded:
        record_path(path).unlink()
    run = load_run(path)
    assert run.latest_layers(2)["layer"].tolist() == order * 2
    assert run.layer_history("rank_99").layers == tuple(order)


@pytest.mark.parametrize(
    ("epochs", "steps", "repeated", "expected"),
    [
        ([0, 1, 2], [10, 20, 30], (), [[0, 1, 2]]),
        # several fits on end: epochs begin anew, steps go on
        ([0, 1, 0, 1], [10, 20, 30, 40], (), [[0, 1, 2, 3]]),
        ([0, 1, 0, 1], [10, 20, 10, 20], (), [[0, 1], [2, 3]]),
        # another interval, so that all steps differ: both begin at the first epoch
        ([0, 1, 0, 1], [10, 20, 7, 14], (), [[0, 1], [2, 3]]),
        # a second run that went on where an earlier one stopped
        ([0, 1, 1, 2], [10, 20, 20, 30], (2,), [[0, 1], [2, 3]]),
        ([2, 0, 1], [30, 10, 20], (), [[1, 2, 0]]),
        ([0, 0, 1, 1], [5, 10, 20, 15], (), [[0, 1, 3, 2]]),
        # a loop that tells no epochs
        ([-1, -1, -1, -1], [40, 30, 10, 20], (), [[2, 3, 1, 0]]),
        ([-1, -1, -1, -1], [20, 40, 10, 30], (), [[0, 1], [2, 3]]),
        ([0, 1], [10, 20], (2,), [[0, 1]]),
        ([0], [10], (), [[0]]),
    ],
)
def test_runs_are_told_by_their_steps(epochs, steps, repeated, expected) -> None:
    found = runs_in(np.array(epochs), np.array(steps), repeated)
    assert [positions.tolist() for positions in found.positions] == expected


def test_runs_that_were_sorted_into_one_another_are_refused(tmp_path: Path) -> None:
    path = joined_runs(tmp_path)
    pd.read_csv(path).sort_values("redundancy_score").to_csv(path, index=False)
    with pytest.raises(UsageError, match="holds the readings of several runs, sorted into one"):
        load_run(path)


def test_the_history_follows_the_run(tmp_path: Path) -> None:
    path = joined_runs(tmp_path)
    first = [(epoch, 0.01 * epoch) for epoch in range(7)]
    rows = [*first, *((epoch, 0.5 + 0.01 * epoch) for epoch in range(12))]
    pd.DataFrame(rows, columns=["epoch", "val_miou"]).to_csv(tmp_path / "h.csv", index=False)
    text = record_path(path).read_text()
    record_path(path).write_text(text.replace('"history": null', '"history": "h.csv"'))
    history = load_run(path).history
    assert history is not None
    assert history["val_miou"].tolist() == [0.5 + 0.01 * epoch for epoch in range(12)]
    # a history of two trainings beside the CSV of one run
    alone = planted_file(tmp_path / "alone.csv", [32, 8, 12, 1], FALLING)
    shutil.copy(record_path(path), record_path(alone))
    run = load_run(alone)
    assert run.history is not None
    assert run.history["val_miou"].iloc[-1] == 0.61
    assert run.notes == [f"{tmp_path / 'h.csv'} holds 2 trainings; this is about the last one"]

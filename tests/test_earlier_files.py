"""The files of the monitor before nasmon are read: readings of a model's output, without steps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nasmon.analysis.compare.command import main as compare_main
from nasmon.analysis.newest import newest_run
from nasmon.analysis.plot.command import main as plot_main
from nasmon.analysis.recommend.command import main as recommend_main
from nasmon.analysis.report.command import main as report_main
from nasmon.analysis.run import load_run
from nasmon.analysis.run_names import distinct_names
from tests.commands import in_process
from tests.recorded import write_run

COLUMNS = ("epoch", "redundancy_score", "correlation_mean", "correlation_std", "trace")


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Runs a command's main in tmp_path; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return lambda main, *arguments: in_process(main, capsys, *arguments)


def earlier_csv(path: Path, epochs: Any = range(10), last: float = 0.743) -> Path:
    """A CSV as the user's document shows it: its last redundancy is 0.743."""
    count = len(epochs)
    table = {
        "epoch": list(epochs),
        "redundancy_score": np.linspace(last + 0.1, last, count).round(3),
        "correlation_mean": np.full(count, 0.412),
        "correlation_std": np.full(count, 0.1),
        "trace": np.full(count, 3.5),
        "condition_number": np.full(count, 2.34e4),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(table).to_csv(path, index=False)
    return path


def test_its_readings_are_judged_and_what_they_lack_is_said(command, tmp_path: Path) -> None:
    earlier_csv(tmp_path / "logs" / "nano_u_metrics.csv")
    code, text, err = command(recommend_main)
    assert code == 0
    assert "NAS ANALYSIS RECOMMENDATIONS FOR NANO_U\n" in text
    assert "HIGH REDUNDANCY (final=0.743)" in text
    assert "MODERATE CORRELATION (final=0.412)" in text
    assert "GOOD CONDITIONING (final=2.34e4)" in text
    assert "Redundancy DECREASING over training (change=-0.056)" in text
    file, remedy = "logs/nano_u_metrics", "a training under nasmon writes it"
    assert err.splitlines() == [
        f"recommend: note: {file}_layers.csv is not there, so nothing can be said by layer; "
        f"{remedy}",
        f"recommend: note: {file}_run.json is not there, so how widths hang together and what a "
        f"change saves is not known; {remedy}",
        f"recommend: note: {file}.csv has no column step: the epoch stands in its place",
        f"recommend: note: {file}.csv has no column saturation, dead_channels: these are not known",
    ]
    tree = json.loads(command(recommend_main, "--format", "json")[1])
    assert (tree["epoch"], tree["step"], tree["readings"]) == (9, None, 10)


def test_it_is_drawn_and_reported(command, tmp_path: Path) -> None:
    earlier_csv(tmp_path / "metrics.csv")
    code, out, err = command(plot_main, "--csv", "metrics.csv", "--all", "--file-type", "svg")
    assert code == 0
    name = tmp_path.name.strip("_")
    kinds = ("redundancy", "correlation", "dashboard")
    assert out.splitlines() == [f"plots/{name}_{kind}.svg" for kind in kinds]
    assert "0.743 at epoch 10" in (tmp_path / out.splitlines()[0]).read_text("utf-8")
    assert "metrics.csv has no column step: the epoch stands in its place" in err
    assert command(report_main, "--csv", "metrics.csv", "--output", "r.html")[0] == 0
    assert "10 readings up to epoch 9;" in (tmp_path / "r.html").read_text("utf-8")


def test_two_are_compared_by_epochs(command, tmp_path: Path) -> None:
    paths = earlier_csv(tmp_path / "a.csv"), earlier_csv(tmp_path / "b.csv", range(6), 0.5)
    code, text, _ = command(compare_main, "--csv", *paths)
    assert code == 0
    rows = [line.split() for line in text.splitlines()]
    assert ["redundancy", "0.743", "0.500"] in rows
    assert ["training", "steps", "-", "-"] in rows
    assert "b was read up to epoch 5 and a up to epoch 9: they were not trained alike" in text


def test_it_is_not_held_against_a_run_of_nasmon(command, tmp_path: Path) -> None:
    earlier, ours = earlier_csv(tmp_path / "old.csv"), write_run(tmp_path / "new.csv")
    code, text, _ = command(compare_main, "--csv", earlier, ours, "--format", "json")
    assert code == 0
    notes = json.loads(text)["verdicts"][0]["notes"]
    assert any("old was read by another monitor, whose numbers may be of" in note for note in notes)


def test_two_trainings_in_one_file_are_told_by_their_epochs(tmp_path: Path) -> None:
    path = earlier_csv(tmp_path / "nano_u_nas_metrics.csv", [0, 1, 2, 0, 1])
    assert load_run(path).readings["epoch"].tolist() == [0, 1]
    assert load_run(path, number=1).readings["step"].tolist() == [0, 1, 2]
    # several readings an epoch
    path = earlier_csv(tmp_path / "batches.csv", [0, 0, 1, 1])
    assert len(load_run(path).readings) == 4


def test_a_folder_of_them_is_searched_and_named_apart(tmp_path: Path) -> None:
    paths = [
        earlier_csv(tmp_path / "logs" / "run_1" / "metrics.csv"),
        earlier_csv(tmp_path / "logs" / "run_2" / "metrics.csv"),
        earlier_csv(tmp_path / "logs" / "nano_u_baseline.csv"),
    ]
    assert newest_run(tmp_path / "logs") == paths[-1]
    names = distinct_names([load_run(path) for path in paths])
    assert names == ("run_1", "run_2", "nano_u_baseline")

"""The command that compares runs: its layouts, and what it says to mistakes."""

import json
import subprocess
import sys
from functools import partial

import pandas as pd
import pytest

from nasmon.analysis.compare import command
from tests.commands import in_process
from tests.recorded import chain, write_run


@pytest.fixture
def run_compare(capsys, monkeypatch, tmp_path):
    """Runs the command in this process; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return partial(in_process, command.main, capsys)


def write(path, widths=(16, 32, 1), miou=None, **record):
    tree = {**chain(widths), "model_name": path.stem, **record}
    path.parent.mkdir(parents=True, exist_ok=True)
    if miou is not None:
        history = path.with_name(f"{path.stem}_history.csv")
        rows = {"epoch": [0, 1], "loss": 1.0, "val_loss": 0.5, "val_miou": [0.1, miou]}
        pd.DataFrame(rows).to_csv(history, index=False)
        tree["history"] = history.name
    write_run(path, tree)
    return path.relative_to(path.parents[1]) if path.parent.name == "logs" else path


def row(text, quantity):
    """The values of a quantity in the table."""
    lines = (line.strip() for line in text.splitlines())
    return next(line for line in lines if line.startswith(f"{quantity} ")).split()[1:]


@pytest.fixture
def two(tmp_path):
    whole = write(tmp_path / "logs" / "whole.csv", (16, 32, 1), 0.8)
    return whole, write(tmp_path / "logs" / "narrow.csv", (8, 16, 1), 0.795)


def test_the_text_says_what_changed_and_what_to_do(run_compare, two):
    code, text, stderr = run_compare("--csv", *two)
    assert (code, stderr) == (0, "")
    assert text.startswith("=" * 60 + "\nNAS COMPARISON OF 2 RUNS\n" + "=" * 60 + "\n\nRUNS:\n")
    assert "   whole   logs/whole.csv (the baseline)\n   narrow  logs/narrow.csv\n" in text
    assert row(text, "val_miou") == ["0.800", "0.795"]
    assert row(text, "parameters") == ["641", "193"]
    assert "NARROW AGAINST WHOLE:\n   ✓ better: parameters 641 to 193 (-69.9 %)\n" in text
    assert "\n   ✓ ACCEPT CHANGES\n   → Rule 2 of 4 (the task metric held, and the size" in text
    assert "One run is one sample of its seed" in text
    assert text.endswith("=" * 60 + "\n")
    assert max(map(len, text.splitlines())) <= 100


def test_the_baseline_is_the_first(run_compare, two):
    text = run_compare("--csv", *reversed(two))[1]
    assert "WHOLE AGAINST NARROW:\n   ⚠️  worse: parameters 193 to 641 (+232.1 %)\n" in text
    assert "\n   ⚠️  REVERT TO PREVIOUS\n" in text


def test_markdown_escapes_what_names_hold(run_compare, tmp_path):
    first = write(tmp_path / "logs" / "a.csv", model_name="<script>alert(1)</script>|*x*\n# y")
    second = write(tmp_path / "logs" / "b.csv", (8, 8, 1), model_name="b")
    code, text, _ = run_compare("--csv", first, second, "--format", "markdown")
    assert code == 0
    lines = text.splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
    assert "\\<script" in rows[0]
    assert "<script" not in text.replace("\\<", "")
    assert not any(line.startswith("# y") for line in lines)
    assert any(line.startswith("**REVERT TO PREVIOUS** Rule ") for line in lines)
    assert "## b against " in text


def test_json_is_strict_and_says_all(run_compare, two):
    code, text, _ = run_compare("--csv", *two, "--format", "json", "--tolerance", "0.001")

    def refuse(constant):
        raise AssertionError(constant)

    tree = json.loads(text, parse_constant=refuse)
    assert code == 0
    assert (tree["format"], tree["version"]) == ("nasmon comparison", 1)
    assert (tree["baseline"], tree["task_metric"], tree["tolerance"]) == (
        "whole",
        "val_miou",
        0.001,
    )
    assert [run["csv"] for run in tree["runs"]] == [str(path) for path in two]
    first = tree["runs"][0]
    assert first["values"]["params"] == 641
    assert first["values"]["val_miou_best"] == 0.8
    assert (first["readings"], first["steps"], first["best_epoch"]) == (12, 120, 1)
    (verdict,) = tree["verdicts"]
    assert (verdict["name"], verdict["decision"], verdict["rule"]) == ("narrow", "revert", 1)
    changes = {change["quantity"]: change for change in verdict["changes"]}
    assert changes["val_miou"]["kind"] == "worse"
    assert changes["val_miou"]["noise"] == {"size": 0.001, "scale": "absolute"}
    assert "trace" not in changes


def test_a_csv_copied_alone_is_compared_by_what_it_holds(run_compare, two, tmp_path):
    alone = tmp_path / "logs" / "nano_u_baseline.csv"
    alone.write_bytes((tmp_path / two[0]).read_bytes())
    code, text, stderr = run_compare("--csv", "logs/nano_u_baseline.csv", two[1])
    assert code == 0
    assert "NARROW AGAINST NANO_U_BASELINE:" in text
    assert row(text, "parameters") == ["-", "193"]
    assert stderr.startswith(
        "compare: note: logs/nano_u_baseline_run.json is not there, so neither"
    )
    assert stderr.count("\n") == 1
    tree = json.loads(run_compare("--csv", alone, two[1], "--format", "json")[1])
    assert tree["runs"][0]["status"] is tree["runs"][0]["values"]["params"] is None
    assert "nano_u_baseline_run.json is not there" in tree["runs"][0]["notes"][0]


def test_a_torn_last_row_is_left_out_with_a_note(run_compare, two, tmp_path):
    with open(tmp_path / two[1], "a") as file:
        file.write("12,130,0.5")
    code, text, stderr = run_compare("--csv", *two)
    assert code == 0
    assert row(text, "readings") == ["12", "12"]
    assert "compare: note: the last row of logs/narrow.csv is cut off and was left out" in stderr


def test_names_and_thresholds_can_be_given(run_compare, two, tmp_path):
    (tmp_path / "mine.yaml").write_text("nas: {thresholds: {steady_redundancy: 0.5}}")
    given = ("--model-name", "before", "after", "--config", "mine.yaml", "--format", "json")
    tree = json.loads(run_compare("--csv", *two, *given)[1])
    assert [run["name"] for run in tree["runs"]] == ["before", "after"]
    changes = {change["quantity"]: change for change in tree["verdicts"][0]["changes"]}
    assert changes["redundancy_score"]["noise"]["size"] == 0.5


def test_many_runs_stand_in_parts_below_one_another(run_compare, tmp_path):
    paths = [
        write(tmp_path / "logs" / f"a_model_with_quite_a_long_name_{index}.csv", (8 + index, 4, 1))
        for index in range(5)
    ]
    text = run_compare("--csv", *paths)[1]
    table = text.split("RUNS:")[1].split("AGAINST")[0]
    assert table.count("   redundancy   ") == 3
    assert all(table.count(f"name_{index} ") >= 1 for index in range(5))
    assert max(map(len, text.splitlines())) <= 100


def test_a_terminal_without_the_signs_gets_words(two, tmp_path):
    command = [sys.executable, "-m", "nasmon.analysis.compare", "--csv", *map(str, two)]
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode("ascii")
    assert "   [OK] ACCEPT CHANGES\n   -> Rule 2 of 4" in text
    assert "   [OK] better: parameters 641 to 193" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: --csv; see"),
        (("--csv", "a.csv"), "one run given to compare; give the CSVs of two or more"),
        (("--csv", "a.csv", "a.csv"), "a.csv is given twice; give the CSVs of different runs"),
        (("--csv", "a.csv", "./a.csv"), "a.csv is given twice; give the CSVs of different runs"),
        (("--csv", "a.csv", "absent.csv"), "absent.csv does not exist; give the CSV that a run"),
        (("--csv", "a.csv", "empty.csv"), "empty.csv is empty; give the CSV that a run wrote"),
        (("--csv", "a.csv", "other.csv"), "other.csv is not a CSV of nasmon: it has the columns x"),
        (("--csv", "a.csv", "a_layers.csv"), "a_layers.csv holds the rows by layer; give the run"),
        (("--csv", "a.csv", "head.csv"), "head.csv holds no reading yet; wait for the first one"),
        (("--csv", "a.csv", "."), ". is a folder, not a file; give the CSV that a run wrote"),
        (
            ("--csv", "a.csv", "b.csv", "--format", "xml"),
            "--format is 'xml'; use one of text, mark",
        ),
        (("--csv", "a.csv", "b.csv", "--tolerance", "2"), "tolerance is 2; use a number from 0 to"),
        (("--csv", "a.csv", "b.csv", "--tolerance", "x"), "--tolerance is 'x'; use a number such"),
        (("--csv", "a.csv", "b.csv", "--tolerance", "nan"), "tolerance is nan; use a number from"),
        (("--csv", "a.csv", "b.csv", "--model-name", "x"), "--model-name has 1 names for 2 CSVs"),
        (("--csv", "a.csv", "b.csv", "--config", "no.yaml"), "config file no.yaml cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run_compare, tmp_path, arguments, message):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.csv")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    header = (tmp_path / "a.csv").read_text().splitlines()[0]
    (tmp_path / "head.csv").write_text(f"{header}\n")
    code, stdout, stderr = run_compare(*arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"compare: error: {message}")
    assert stderr.count("\n") == 1

"""``python -m analysis.plot``: what it writes and says, and what it refuses."""

import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from functools import partial

import pandas as pd
import pytest

from nasmon.analysis.plot import command
from nasmon.analysis.plot.kinds import KINDS
from nasmon.record.files import layers_path, spectra_path
from tests.commands import in_process
from tests.recorded import chain, write_run

ALONE = ["redundancy", "correlation", "dashboard", "layers", "spectrum", "widths", "front"]
BEGINNINGS = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml ", ".pdf": b"%PDF-"}


@pytest.fixture
def run_plot(capsys, monkeypatch, tmp_path):
    """Runs the command in a folder of its own; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return partial(in_process, command.main, capsys)


@pytest.fixture
def csv(tmp_path):
    return write_run(tmp_path / "logs/nas/chain_nas_metrics.csv", evidence=True)


def other_run(tmp_path, name="wide", readings=6):
    record = chain((32, 64, 1))
    record["model_name"] = name
    path = tmp_path / f"logs/nas/{name}_nas_metrics.csv"
    return write_run(path, record, readings=readings, evidence=True)


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("ending", BEGINNINGS)
@pytest.mark.parametrize("kind", ALONE)
def test_every_type_is_drawn_into_every_type_of_file(run_plot, tmp_path, csv, kind, ending):
    path = tmp_path / f"pictures/one{ending}"
    code, out, err = run_plot("--csv", csv, "--plot-type", kind, "--output", path)
    assert (code, out, err) == (0, f"{path}\n", "")
    assert path.read_bytes().startswith(BEGINNINGS[ending])
    assert written(path.parent) == [path.name]


@pytest.mark.parametrize("ending", BEGINNINGS)
def test_a_comparison_is_drawn_into_every_type_of_file(run_plot, tmp_path, csv, ending):
    path = tmp_path / f"comparison{ending.upper()}"
    code, out, err = run_plot("--compare", csv, other_run(tmp_path), "--output", path)
    assert (code, out, err) == (0, f"{path}\n", "")
    assert path.read_bytes().startswith(BEGINNINGS[ending])


def test_the_newest_run_is_drawn_by_default(run_plot, tmp_path, csv):
    newer = other_run(tmp_path)
    os.utime(csv, (1, 1))
    os.utime(newer, (2, 2))
    assert run_plot() == (0, "plots/wide_dashboard.png\n", "")


def test_all_types_go_into_a_folder(run_plot, tmp_path, csv):
    code, out, err = run_plot("--csv", csv, "--all", "--output-dir", "out", "--file-type", "svg")
    assert (code, err) == (0, "")
    assert out.splitlines() == [f"out/chain_{kind}.svg" for kind in ALONE]
    assert written(tmp_path / "out") == sorted(f"chain_{kind}.svg" for kind in ALONE)


def test_all_types_of_several_runs_and_one_comparison(run_plot, tmp_path, csv):
    code, out, err = run_plot("--compare", csv, other_run(tmp_path), "--all")
    assert (code, err) == (0, "")
    expected = {f"plots/{model}_{kind}.png" for model in ("chain", "wide") for kind in ALONE}
    assert set(out.splitlines()) == {*expected, "plots/chain_comparison.png"}


def test_a_csv_copied_alone_has_the_pictures_that_it_allows(run_plot, tmp_path, csv):
    shutil.copy(csv, tmp_path / "baseline.csv")
    code, out, err = run_plot("--csv", "baseline.csv", "--all", "--output-dir", "out")
    assert code == 0
    assert written(tmp_path / "out") == [f"baseline_{kind}.png" for kind in sorted(ALONE[:3])]
    assert out.count("\n") == 3
    for kind, file in (("layers", "baseline_layers.csv"), ("spectrum", "baseline_spectra.npz")):
        reason = f"{file} is not there; copy it beside baseline.csv"
        assert f"plot: note: {kind} is left out: {reason}\n" in err
        assert run_plot("--csv", "baseline.csv", "--plot-type", kind) == (
            2,
            "",
            f"plot: error: {kind} cannot be drawn: {reason}\n",
        )


def test_the_model_s_name_can_be_given(run_plot, tmp_path, csv):
    code, out, _ = run_plot("--csv", csv, "--model-name", "My/../net: <1>", "--file-type", "svg")
    assert (code, out) == (0, "plots/My_.._net_1_dashboard.svg\n")
    assert "My/../net: &lt;1&gt;: 12 readings" in (tmp_path / out.strip()).read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "file"),
    [("..", "model"), ("/", "model"), ("-o", "o"), ("сеть 1", "сеть_1"), ("n" * 300, "n" * 56)],
)
def test_any_name_makes_a_file_in_the_folder(run_plot, tmp_path, csv, name, file):
    run_plot("--csv", csv, "--plot-type", "redundancy", f"--model-name={name}")
    assert written(tmp_path / "plots") == [f"{file}_redundancy.png"]


def test_runs_of_names_that_look_alike_in_files_do_not_replace_each_other(run_plot, tmp_path):
    one, other = other_run(tmp_path, "a"), other_run(tmp_path, "b")
    run_plot("--compare", one, other, "--all", "--model-name", "a/b", "a:b")
    assert len(written(tmp_path / "plots")) == 2 * len(ALONE) + 1


def test_an_older_picture_is_replaced(run_plot, tmp_path, csv):
    (tmp_path / "x.png").write_bytes(b"old")
    assert run_plot("--csv", csv, "--plot-type", "redundancy", "--output", "x.png")[0] == 0
    assert (tmp_path / "x.png").read_bytes().startswith(BEGINNINGS[".png"])


def test_the_same_command_writes_the_same_bytes(run_plot, tmp_path, csv):
    for folder in ("a", "b"):
        run_plot("--csv", csv, "--all", "--output-dir", folder, "--file-type", "pdf")
    for name in written(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_metric_and_layers_choose_what_the_heat_map_shows(run_plot, tmp_path, csv):
    flags = ("--plot-type", "layers", "--metric", "trace", "--layers", "conv[01]", "conv3")
    assert run_plot("--csv", csv, *flags, "--output", "x.svg")[0] == 0
    text = (tmp_path / "x.svg").read_text("utf-8")
    shown = {one.text for one in ElementTree.fromstring(text.split("\n", 1)[1]).iter()}
    assert {"conv0", "conv1", "conv3", "trace by layer, chain"} <= shown
    assert not {"conv2", "conv4"} & shown


def test_thresholds_of_a_config_move_the_bands(run_plot, tmp_path, csv):
    (tmp_path / "c.yaml").write_text("nas: {thresholds: {high_redundancy: 0.8}}")
    arguments = ("--csv", csv, "--plot-type", "redundancy", "--output", "x.svg")
    run_plot(*arguments)
    assert "above 0.7" in (tmp_path / "x.svg").read_text("utf-8")
    run_plot(*arguments, "--config", "c.yaml")
    assert "above 0.8" in (tmp_path / "x.svg").read_text("utf-8")


def test_recommendations_alone_draw_nothing(run_plot, tmp_path, csv):
    code, out, _ = run_plot("--csv", csv, "--recommendations")
    assert code == 0
    assert "NAS ANALYSIS RECOMMENDATIONS FOR CHAIN" in out
    assert not (tmp_path / "plots").exists()


def test_recommendations_follow_the_pictures(run_plot, csv):
    code, out, _ = run_plot("--csv", csv, "--plot-type", "redundancy", "--recommendations")
    assert code == 0
    assert out.startswith("plots/chain_redundancy.png\n")
    assert "NAS ANALYSIS RECOMMENDATIONS FOR CHAIN" in out


def test_a_torn_file_is_drawn_with_a_note(run_plot, tmp_path, csv):
    csv.write_bytes(csv.read_bytes()[:-20])
    code, _, err = run_plot("--csv", csv, "--plot-type", "layers")
    assert code == 0
    assert err == f"plot: note: the last row of {csv} is cut off and was left out\n"


@pytest.mark.parametrize(
    ("flags", "note"),
    [
        (("--metric", "trace"), "--metric has no effect without --plot-type layers"),
        (("--layers", "*"), "--layers has no effect without --plot-type layers, spec"),
        (
            ("--file-type", "png", "--output", "x.svg"),
            "--file-type has no effect without --output-",
        ),
    ],
)
def test_a_flag_without_effect_is_noted(run_plot, csv, flags, note):
    code, _, err = run_plot("--csv", csv, "--plot-type", "redundancy", *flags)
    assert code == 0
    assert err.startswith(f"plot: note: {note}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--csv", "none.csv"), "none.csv does not exist; give the CSV that a run wrote"),
        (("--csv", "empty.csv"), "empty.csv is empty; give the CSV that a run wrote"),
        (("--csv", "foreign.csv"), "foreign.csv is not a CSV of nasmon: it has the columns a, b"),
        (("--plot-type", "pie"), "--plot-type is 'pie'; use one of redundancy, correlation"),
        (("--metric", "rank"), "--metric is 'rank'; use one of redundancy_score, correlation_mean"),
        (("--file-type", "gif"), "--file-type is 'gif'; use one of png, svg, pdf"),
        (("--output", "x.jpg"), "--output is x.jpg; give it one of the endings .png, .svg, .pdf"),
        (("--output", "x"), "--output is x; give it one of the endings .png, .svg, .pdf"),
        (("--output", "run.csv"), "--output is run.csv; give it one of the endings"),
        (("--output", "folder.png"), "--output is folder.png, a folder; give the name of a file"),
        (
            ("--output", "empty.csv/x.png"),
            "--output is empty.csv/x.png, whose folder cannot be mad",
        ),
        (
            ("--output-dir", "empty.csv"),
            "--output-dir is empty.csv/chain_dashboard.png, whose fold",
        ),
        (("--all", "--output", "x.png"), "--all writes several files; pass --output-dir instead"),
        (("--all", "--plot-type", "layers"), "--all draws every type; leave out --plot-type"),
        (("--output", "x.png", "--output-dir", "d"), "--output names the file and --output-dir a"),
        (("--plot-type", "comparison"), "--plot-type comparison needs two runs; pass --compare"),
        (("--compare", "run.csv"), "--compare has only run.csv; give two runs or more"),
        (("--compare", "run.csv", "./run.csv"), "--compare has run.csv twice; give different runs"),
        (("--compare", "run.csv", "none.csv"), "none.csv does not exist; give the CSV"),
        (
            ("--compare", "run.csv", "b.csv", "--plot-type", "layers"),
            "--compare draws a comparison, not layers; pass --csv PATH for that, or --all",
        ),
        (("--csv", "run.csv", "--compare", "a", "b"), "argument --compare: not allowed with"),
        (("--model-name", "a", "b"), "--model-name has 2 names for 1 CSV; give one for each"),
        (("--plot-type", "spectrum", "--layers", "x*"), "no layer matches 'x*'; the layers are c"),
        (("--config", "none.yaml"), "config file none.yaml cannot be read"),
        (("--plot", "layers"), "unrecognized arguments: --plot layers"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run_plot, tmp_path, arguments, message):
    write_run(tmp_path / "logs/run.csv")
    shutil.copy(tmp_path / "logs/run.csv", tmp_path / "run.csv")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "foreign.csv").write_text("a,b\n1,2\n")
    (tmp_path / "folder.png").mkdir()
    code, out, err = run_plot(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"plot: error: {message}")
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("*.part"))


def test_more_runs_than_can_be_told_apart_are_refused(run_plot, tmp_path):
    runs = [other_run(tmp_path, f"run{index}", 2) for index in range(9)]
    code, _, err = run_plot("--compare", *runs)
    assert code == 2
    assert "comparison cannot be drawn: a comparison shows at most 8 runs, not 9" in err
    assert run_plot("--compare", *runs[:8])[0] == 0


def test_no_file_of_a_run_is_replaced_by_a_picture(run_plot, tmp_path, csv):
    shutil.copy(csv, tmp_path / "run.png")
    before = (tmp_path / "run.png").read_bytes()
    code, _, err = run_plot("--csv", "run.png", "--plot-type", "redundancy", "--output", "run.png")
    assert code == 2
    assert err == "plot: error: --output would replace run.png, a run's file; choose another\n"
    assert (tmp_path / "run.png").read_bytes() == before


@pytest.mark.parametrize(("damaged", "kind"), [(layers_path, "layers"), (spectra_path, "spectrum")])
def test_a_damaged_file_is_named(run_plot, csv, damaged, kind):
    path = damaged(csv)
    path.write_bytes(path.read_bytes()[:150])
    code, _, err = run_plot("--csv", csv, "--plot-type", kind)
    assert code == 2
    assert str(path) in err
    assert err.count("\n") == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission_is_named(run_plot, tmp_path, csv):
    (tmp_path / "locked").mkdir(mode=0o500)
    code, _, err = run_plot("--csv", csv, "--output-dir", "locked")
    assert (code, "whose folder cannot be written" in err) == (2, True)


def test_help_lists_every_type_and_loads_nothing_heavy():
    before = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "analysis.plot", "--help"], capture_output=True, text=True
    )
    assert time.perf_counter() - before < 5
    assert done.returncode == 0
    assert done.stdout.startswith("usage: python -m analysis.plot")
    for kind in KINDS:
        assert f"{kind}:" in done.stdout


def repeated(path, times):
    """Makes the readings of a CSV so many times as many; pandas would write for ten seconds."""
    header, *rows = path.read_text().splitlines()
    moments = [tuple(row.split(",", 2)[:2]) for row in rows]
    number = {moment: index for index, moment in enumerate(dict.fromkeys(moments))}
    with open(path, "w") as file:
        file.write(f"{header}\n")
        for again in range(times):
            for row, moment in zip(rows, moments, strict=True):
                epoch = again * len(number) + number[moment]
                file.write(f"{epoch},{10 * epoch + 10},{row.split(',', 2)[2]}\n")


def test_ten_thousand_readings_of_a_hundred_layers_are_drawn_in_time(run_plot, tmp_path):
    path = write_run(tmp_path / "logs/long.csv", chain([32] * 100), readings=50, evidence=True)
    repeated(path, 200)
    repeated(layers_path(path), 200)
    assert len(pd.read_csv(path)) == 10_000
    for kind in ALONE:
        before = time.perf_counter()
        assert run_plot("--csv", path, "--plot-type", kind, "--output", f"{kind}.svg")[0] == 0
        assert time.perf_counter() - before < 20
        assert (tmp_path / f"{kind}.svg").stat().st_size < 1_000_000

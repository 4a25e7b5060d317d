"""The command line up to where TensorFlow would be loaded: help, flags, and mistakes."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nasmon.train.cli import build_parser, main
from nasmon.train.config import resolve_settings
from nasmon.train.models import MODELS
from nasmon.train.options import all_options


@pytest.fixture
def run_cli(capsys, monkeypatch, tmp_path):
    """Runs the command in this process; returns its exit code and what it wrote to stderr."""
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGINT)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        return ended.value.code, capsys.readouterr().err

    yield run
    signal.signal(signal.SIGINT, handler)


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=120, **options
    )


@pytest.mark.parametrize("module", ["train", "train.with_nas"])
def test_help_answers_at_once(module):
    before = time.perf_counter()
    done = python("-m", module, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python -m {module}")
    # TensorFlow alone takes more than two seconds to load.
    assert time.perf_counter() - before < 2


def test_a_mistake_needs_no_tensorflow():
    code = (
        "import sys\nfrom nasmon.train import cli, models, outputs, run, train\n"
        "heavy = {'tensorflow', 'keras', 'nasmon.callback', 'nasmon.monitor'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr


def test_every_flag_of_the_issue_is_there():
    flags = build_parser().format_help()
    for flag in (
        "--model {nano_u,bu_net}",
        "--epochs",
        "--batch-size",
        "--lr",
        "--seed",
        "--data-dir",
        "--widths",
        "--enable-nas",
        "--nas-log-dir",
        "--nas-csv-path",
        "--nas-log-freq {epoch,batch}",
        "--nas-batch-freq",
        "--config",
        "--output-dir",
        "--overwrite",
    ):
        assert flag in flags


@pytest.mark.parametrize("columns", [70, 80, 100])
def test_the_list_has_every_model_and_option_with_its_default(columns):
    done = python("-m", "train", "--list", env={**os.environ, "COLUMNS": str(columns)})
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, lines)) <= columns
    words = [line.split() for line in lines]
    settings = resolve_settings()
    assert ["--epochs", str(settings.training.epochs)] in [line[:2] for line in words]
    text = " ".join(word for line in words for word in line)
    for name, spec in MODELS.items():
        assert f"{name} widths {' '.join(map(str, spec.widths))} images of" in text
    for key, option in all_options():
        assert (option.flag or f"{key} =") in text, key
    assert f"{settings.terrain.train_images} scenes" in text
    assert len(lines) < 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "unet"), "--model is 'unet'; use one of nano_u, bu_net"),
        (("--epochs", "0"), "--epochs is '0'; use a whole number from 1 to 1000000"),
        (("--epochs", "many"), "--epochs is 'many'; use a whole number"),
        (("--batch-size", "-8"), "--batch-size is '-8'; use a whole number"),
        (("--lr", "-1"), "--lr is '-1'; use a number above 0"),
        (("--lr", "nan"), "--lr is 'nan'; use a number above 0"),
        (("--lr", "1e999"), "--lr is '1e999'; use a number above 0"),
        (("--epochs", "1e9"), "--epochs is '1e9'; use a whole number from 1 to 1000000"),
        (("--epochs", "1000001"), "--epochs is '1000001'; use a whole number from 1 to 1000000"),
        (("--epochs", "9" * 5000), "--epochs is '999999999999999999999999999...99999"),
        (("--batch-size", str(2**70)), f"--batch-size is '{2**70}'; use a whole number from 1 to"),
        (("--lr", "1e300"), "--lr is '1e300'; use a number above 0 and at most 10"),
        (("--widths", *["1000000"] * 4), "--widths: widths holds 1000000; every width is a whole"),
        (("--widths", "1000000"), "--widths: widths has 1 numbers; give 4"),
        (("--data-dir", "\x1b[2J\n"), "data folder \\x1b[2J\\n does not exist; give a folder with"),
        (("--seed", "-1"), "--seed is '-1'; use a whole number from 0 to 4294967295"),
        (
            ("--seed", "4294967296"),
            "--seed is '4294967296'; use a whole number from 0 to 4294967295",
        ),
        (("--widths", "4", "8"), "--widths: widths has 2 numbers; give 4"),
        (("--widths", "4,8,x,16"), "--widths is '4,8,x,16'; use whole numbers"),
        (("--nas-log-freq", "step"), "--nas-log-freq is 'step'; use one of epoch, batch"),
        (("--nas-batch-freq", "0"), "--nas-batch-freq is '0'; use a whole number"),
        (("--config", "absent.yaml"), "config file absent.yaml cannot be read (No such file"),
        (("--data-dir", "absent"), "data folder absent does not exist; give a folder with"),
        (("--output-dir", "file/out"), "folder file/out cannot be written (Not a directory)"),
        (("--modle", "nano_u"), "unrecognized arguments: --modle nano_u"),
        (("--epochs",), "argument --epochs: expected one argument"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run_cli, tmp_path, arguments, message):
    (tmp_path / "file").touch()
    code, stderr = run_cli(*arguments)
    assert code == 2
    assert stderr.startswith(f"train: error: {message}")
    assert stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "name",
    [
        "logs/nano_u.keras",
        "logs/nano_u_history.csv",
        "logs/nas/nano_u_nas_metrics.csv",
        "logs/nas/nano_u_nas_metrics_layers.csv",
        "logs/nas/nano_u_nas_metrics_run.json",
        "logs/nas/nano_u_nas_metrics_spectra.npz",
        "logs/nas/nano_u/events.out.tfevents.1",
    ],
)
def test_an_earlier_run_is_not_overwritten(run_cli, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("kept")
    code, stderr = run_cli("--enable-nas")
    assert code == 2
    assert stderr == (
        f"train: error: {name} is from an earlier run; pass --overwrite (with make: "
        "ARGS=--overwrite) to replace that run, or keep both with another --output-dir and "
        "--nas-log-dir\n"
    )
    assert path.read_text() == "kept"


def test_another_model_s_files_are_not_in_the_way(run_cli, tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "bu_net.keras").touch()
    assert "absent does not exist" in run_cli("--data-dir", "absent")[1]


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        (("--nas-log-freq", "batch"), "--nas-log-freq has no effect without --enable-nas"),
        (
            ("--enable-nas", "--nas-batch-freq", "5"),
            "--nas-batch-freq has no effect without --nas-log-freq batch",
        ),
    ],
)
def test_a_flag_without_effect_is_noted(run_cli, arguments, note):
    assert f"train: note: {note}\n" in run_cli(*arguments, "--data-dir", "absent")[1]


def test_the_remedy_names_the_flag_of_a_csv_put_elsewhere(run_cli, tmp_path):
    (tmp_path / "mine.csv").touch()
    stderr = run_cli("--enable-nas", "--nas-csv-path", "mine.csv")[1]
    assert "mine.csv is from an earlier run" in stderr
    assert stderr.endswith("another --output-dir and --nas-log-dir and --nas-csv-path\n")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission_is_named(run_cli, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    code, stderr = run_cli("--output-dir", "locked")
    assert (code, "folder locked cannot be written (Permission denied)" in stderr) == (2, True)

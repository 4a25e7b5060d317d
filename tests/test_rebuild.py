"""The command to paste: the training command takes it, and it overwrites nothing."""

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nasmon.record.rebuild import retrain_command, typed_module, typed_python
from nasmon.record.run import read_record
from tests.recorded import chain

COMMANDS = ("recommend", "compare", "plot", "report")


def command_of(record, widths):
    """The command, which is there."""
    command = retrain_command(record, widths)
    assert command is not None
    return command


@pytest.fixture
def record_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def read(**rebuild):
        tree = chain((16, 32, 64, 16, 1))
        tree["rebuild"] |= rebuild
        (tmp_path / "run.json").write_text(json.dumps(tree))
        return read_record(tmp_path / "run.json")

    return read


def test_all_widths_are_given_and_nothing_is_written_over(record_of):
    assert command_of(record_of(), {"conv2": 12}) == (
        "python -m train --model chain --widths 16 32 12 16 "
        "--output-dir logs/chain_narrower --nas-log-dir logs/chain_narrower/nas"
    )


def test_the_training_command_takes_the_widths_and_the_places(record_of):
    from nasmon.train.cli import build_parser

    names = [f"conv{index}" for index in range(4)]
    record = record_of(
        command=["python", "-m", "train", "--enable-nas", "--model", "nano_u"], layers=names
    )
    _, _, _, *arguments = shlex.split(command_of(record, {"conv2": 12}))
    parsed = build_parser().parse_args(arguments)
    assert getattr(parsed, "training.widths") == ["16", "32", "12", "16"]
    assert getattr(parsed, "training.output_dir") == "logs/chain_narrower"
    assert getattr(parsed, "nas.log_dir") == "logs/chain_narrower/nas"


def test_a_folder_that_is_there_is_not_used_again(record_of, tmp_path):
    (tmp_path / "logs" / "chain_narrower").mkdir(parents=True)
    assert " logs/chain_narrower-2 " in command_of(record_of(), {"conv2": 12})
    (tmp_path / "logs" / "chain_narrower-2").touch()
    assert " logs/chain_narrower-3 " in command_of(record_of(), {"conv2": 12})


def test_a_narrower_model_is_narrowed_again_beside_itself(record_of, tmp_path):
    (tmp_path / "logs" / "chain_narrower").mkdir(parents=True)
    places = [["--output-dir", "logs/chain_narrower"], ["--nas-csv-path", "else/where.csv"]]
    command = command_of(record_of(places=places), {"conv2": 12})
    assert command.endswith(
        "--output-dir logs/chain_narrower-2 --nas-csv-path logs/chain_narrower-2/where.csv"
    )


def test_a_run_that_wrote_nothing_needs_no_places(record_of):
    assert command_of(record_of(places=[]), {"conv2": 12}).endswith("--widths 16 32 12 16")


def test_two_places_never_become_one(record_of):
    places = [["--output-dir", "a/x"], ["--nas-log-dir", "b/x"], ["--nas-csv-path", "c/x"]]
    assert command_of(record_of(places=places), {"conv2": 12}).endswith(
        "--output-dir a/x/chain_narrower --nas-log-dir a/x/chain_narrower/x "
        "--nas-csv-path a/x/chain_narrower/nas-csv-path"
    )
    places = [["--output-dir", "."], ["--nas-log-dir", "nas/../.."], ["--same", "nas/../.."]]
    *_, first, _, second = command_of(record_of(places=places), {"conv2": 12}).split()
    assert first == second
    assert first.startswith("chain_narrower/")


def test_arguments_are_quoted(record_of):
    record = record_of(places=[["--output-dir", "my logs"]])
    command = command_of(record._replace(model_name="a/b; c"), {"conv2": 12})
    assert command.endswith("--output-dir 'my logs/a_b__c_narrower'")


@pytest.mark.parametrize(
    ("widths", "rebuild"),
    [
        ({}, {}),  # nothing changes
        ({"conv4": 1}, {}),  # no width that the command can give
        ({"conv2": 12}, {"layers": ["conv2", "gone"]}),
        ({"conv2": 12}, {"command": ["python", "-m", "train\nrm"]}),
    ],
)
def test_no_command_is_better_than_a_wrong_one(record_of, widths, rebuild):
    assert retrain_command(record_of(**rebuild), widths) is None


def test_a_run_that_cannot_be_rebuilt_has_no_command(record_of):
    assert retrain_command(record_of()._replace(rebuild=None), {"conv2": 12}) is None


def test_commands_to_type_name_this_interpreter(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    inside, outside = tmp_path / "bin" / "python", "/usr/bin/python"
    monkeypatch.setattr(sys, "executable", str(inside))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: outside)
    assert typed_python() == "bin/python"
    monkeypatch.setattr(shutil, "which", lambda name: str(inside))
    assert typed_python() == "python"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/opt/elsewhere/python")
    assert typed_python() == "/opt/elsewhere/python"


def test_modules_to_type_are_short_in_the_repository_alone(monkeypatch, tmp_path):
    monkeypatch.chdir(Path(__file__).parent.parent)
    assert typed_module("nasmon.train") == "train"
    assert typed_module("nasmon.analysis.recommend") == "analysis.recommend"
    # a project with folders and files of its own by those names
    monkeypatch.chdir(tmp_path)
    (tmp_path / "analysis").mkdir()
    (tmp_path / "train.py").touch()
    assert typed_module("nasmon.train") == "nasmon.train"
    assert typed_module("nasmon.analysis.recommend") == "nasmon.analysis.recommend"


@pytest.mark.parametrize("recorded", ["train", "nasmon.train"])
@pytest.mark.parametrize(("here", "typed"), [(True, "train"), (False, "nasmon.train")])
def test_a_training_of_ours_is_typed_as_it_runs_where_it_is_shown(
    record_of, monkeypatch, tmp_path, recorded, here, typed
):
    """Also one that was recorded when ``train`` was a name of its own."""
    record = record_of(command=["python", "-m", recorded, "--enable-nas", "--model", "nano_u"])
    if here:
        monkeypatch.chdir(Path(__file__).parent.parent)
    command = shlex.split(command_of(record, {"conv2": 12}))
    assert command[1:6] == ["-m", typed, "--enable-nas", "--model", "nano_u"]


def test_a_training_that_is_not_ours_is_typed_as_it_was_recorded(record_of):
    command = shlex.split(command_of(record_of(command=["python", "-m", "mine"]), {"conv2": 12}))
    assert command[:3] == ["python", "-m", "mine"]


@pytest.mark.parametrize("module", ["train", *(f"analysis.{c}" for c in COMMANDS)])
def test_the_repositorys_short_names_run(module):
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(f"usage: python -m {module} "), done.stderr

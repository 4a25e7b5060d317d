"""The command ``nasmon``: what it dispatches to, and what it says of a mistake."""

import subprocess
import sys
from configparser import ConfigParser
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import nasmon
from nasmon.cli import COMMANDS, main
from tests.commands import in_process
from tests.recorded import write_run

each_command = pytest.mark.parametrize("name", COMMANDS)


@pytest.fixture
def run(capsys, monkeypatch):
    """Runs the installed command; returns exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/nasmon"])
    return lambda *arguments: in_process(main, capsys, *arguments)


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_has_a_line_for_each_command(run, arguments):
    code, out, err = run(*arguments)
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert out.startswith("usage: nasmon COMMAND ...")
    for name, command in COMMANDS.items():
        assert [name, command.does] in lines


@each_command
def test_a_command_shows_its_help_under_the_name_it_was_called_by(run, name):
    code, out, _ = run(name, "--help")
    assert code == 0
    assert out.startswith(f"usage: nasmon {name} [-h]")


def test_the_module_is_the_same_command():
    assert python("-m", "nasmon").stdout.startswith("usage: python -m nasmon COMMAND ...")
    done = python("-m", "nasmon", "recommend", "--help")
    assert done.stdout.startswith("usage: python -m nasmon recommend [-h]"), done.stderr


def test_the_version_is_the_installed_one(run):
    assert run("--version") == (0, f"nasmon {version('nasmon')}\n", "")
    assert nasmon.__version__ == version("nasmon")


@pytest.mark.parametrize(
    ("mistake", "said"),
    [("recomend", "there is no command 'recomend'; use one of train, "), ("--al", "--al")],
)
def test_a_name_that_is_none_is_one_line(run, mistake, said):
    code, out, err = run(mistake, "--csv", "a.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("nasmon: error: ")
    assert err.endswith("; see nasmon --help\n")
    assert said in err


def test_a_commands_mistake_is_its_own_line(run):
    code, _, err = run("plot", "--all", "--csv")
    assert code == 2
    assert err == "plot: error: argument --csv: expected one argument; see nasmon plot --help\n"


def test_a_run_is_read_without_tensorflow(tmp_path: Path):
    write_run(tmp_path / "run.csv")
    code = (
        "import atexit, sys\nfrom nasmon.cli import main\n"
        "atexit.register(lambda: print({'tensorflow', 'keras'} & set(sys.modules)))\n"
        "main(['recommend', '--csv', 'run.csv'])"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "NAS ANALYSIS RECOMMENDATIONS FOR CHAIN" in done.stdout
    assert done.stdout.endswith("set()\n")


def test_the_scripts_with_a_command_in_their_name_are_the_same_commands():
    metadata = ConfigParser()
    metadata.read(Path(__file__).parent.parent / "setup.cfg")
    lines = metadata["options.entry_points"]["console_scripts"].strip().splitlines()
    scripts = dict(line.split(" = ") for line in lines)
    assert scripts.pop("nasmon") == "nasmon.cli:main"
    assert scripts == {f"nasmon-{name}": f"{c.module}:main" for name, c in COMMANDS.items()}
    assert all(callable(import_module(c.module).main) for c in COMMANDS.values())

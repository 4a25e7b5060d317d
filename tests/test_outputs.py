"""What the commands are to write is never put in the place of a device, a pipe or a folder."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nasmon.analysis.plot.command import main as plot_main
from nasmon.analysis.report.command import main as report_main
from tests.commands import in_process
from tests.recorded import write_run

SPECIAL: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": lambda path: path.mkdir(),
    "a device": lambda path: path.symlink_to("/dev/zero"),
}
"""Ways to make what is no file, by what they make."""


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Runs a command's main in tmp_path; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return lambda main, *arguments: in_process(main, capsys, *arguments)


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize(
    ("main", "option"),
    [(plot_main, "--output"), (plot_main, "--output-dir"), (report_main, "--output")],
)
def test_an_output_that_is_no_file_is_refused_and_stays(
    command, tmp_path: Path, main: Any, option: str, kind: str
) -> None:
    write_run(tmp_path / "run.csv")
    name = "out.png"
    place = tmp_path / name
    if option == "--output-dir":
        place = tmp_path / "chain_dashboard.png"
        name = "."
    SPECIAL[kind](place)
    before = place.lstat()
    code, out, err = command(main, "--csv", "run.csv", option, name)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{option} is {place.name}, {kind}; give the name of a file" in err
    assert (place.lstat().st_ino, place.lstat().st_mode) == (before.st_ino, before.st_mode)


@pytest.mark.parametrize("main", [plot_main, report_main])
def test_a_device_is_no_place_for_a_picture_or_a_page(command, tmp_path: Path, main: Any) -> None:
    write_run(tmp_path / "run.csv")
    (tmp_path / "full.png").symlink_to("/dev/full")
    code, out, err = command(main, "--csv", "run.csv", "--output", "full.png")
    assert (code, out) == (2, "")
    assert "error: --output is full.png, a device; give the name of a file\n" in err
    assert (tmp_path / "full.png").is_symlink()

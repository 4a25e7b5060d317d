"""The advice on TensorBoard's Text page."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from nasmon.analysis.recommend.command import main
from nasmon.board.event_names import files_of
from nasmon.board.tags import ADVICE_TAG, FINDINGS_TAG
from nasmon.record.files import record_path
from nasmon.sinks.opening import open_sinks
from tests.commands import in_process
from tests.networks import compiled, functional, images, unlimited

EPOCHS = 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run under the real callback, that has ended."""
    folder = tmp_path_factory.mktemp("run")
    data = images(32)
    callback = unlimited(data, log_dir=folder / "events", csv_path=folder / "net.csv")
    settings = {"epochs": EPOCHS, "batch_size": 8, "verbose": 0}
    compiled(functional()).fit(*data, callbacks=[callback], **settings)
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


def texts_of(folder: Path) -> EventAccumulator:
    """What TensorBoard finds in a folder."""
    return EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()


def test_the_advice_stands_beside_the_runs_own_texts(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = run / "net.csv"
    code, markdown, errors = in_process(main, capsys, "--csv", csv, "--format", "markdown")
    for _ in range(2):
        asked = ("--csv", csv, "--tensorboard", run / "events", "--format", "markdown")
        assert in_process(main, capsys, *asked) == (code, markdown, errors) == (0, markdown, "")
    found = texts_of(run / "events")
    (advice,) = found.Tensors(ADVICE_TAG)  # the second took the first one's place
    assert make_ndarray(advice.tensor_proto).item().decode() == markdown.rstrip("\n")
    assert advice.step == found.Tensors(FINDINGS_TAG)[-1].step
    assert len(found.Tensors("nas/redundancy_score")) == EPOCHS


def test_it_is_read_last_whatever_the_clock_says(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.0)
    in_process(main, capsys, "--csv", run / "net.csv", "--tensorboard", run / "events")
    own, advice = files_of("net", run / "events")
    assert "advice" not in own.name
    assert ".nasmon_advice." in advice.name


def test_a_run_in_its_place_removes_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    in_process(main, capsys, "--csv", run / "net.csv", "--tensorboard", run / "events")
    open_sinks(run / "events", run / "net.csv", "overwrite")
    (fresh,) = files_of("net", run / "events")
    assert "advice" not in fresh.name


def test_another_folder_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (run, run / "nowhere"):
        asked = ("--csv", run / "net.csv", "--tensorboard", folder)
        code, out, errors = in_process(main, capsys, *asked)
        assert (code, out) == (2, "")
        assert f"{folder} has no events of {run / 'net.csv'}" in errors
    assert not (run / "nowhere").exists()


def test_a_run_that_goes_on_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = record_path(run / "net.csv")
    content = json.loads(Path(record).read_text())
    Path(record).write_text(json.dumps({**content, "status": "running"}))
    before = files_of("net", run / "events")
    asked = ("--csv", run / "net.csv", "--tensorboard", run / "events")
    code, _, errors = in_process(main, capsys, *asked)
    assert code == 2
    assert "still goes on, or was killed within the last hour" in errors
    assert files_of("net", run / "events") == before
    # nothing was heard of it for long
    for path in before:
        os.utime(path, (1.0, 1.0))
    code, _, _ = in_process(main, capsys, *asked)
    assert code == 0
    assert len(files_of("net", run / "events")) == 1 + len(before)


def test_the_csv_may_be_packed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = run / "net.csv.gz"
    packed.write_bytes(gzip.compress((run / "net.csv").read_bytes()))
    (run / "net.csv").unlink()
    code, _, _ = in_process(main, capsys, "--csv", packed, "--tensorboard", run / "events")
    assert code == 0
    assert len(files_of("net", run / "events")) == 2


def test_the_home_folder_may_be_a_tilde(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(run))
    code, _, _ = in_process(main, capsys, "--csv", run / "net.csv", "--tensorboard=~/events")
    assert code == 0
    assert len(files_of("net", run / "events")) == 2


def test_it_needs_no_tensorflow(run: Path) -> None:
    command = ["--csv", str(run / "net.csv"), "--tensorboard", str(run / "events")]
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print({'tensorflow', 'keras'} & set(sys.modules)))\n"
        f"from nasmon.analysis.recommend.command import main; main({command})"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "set()"

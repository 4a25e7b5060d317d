"""The monitor never harms what is not its own, and one file that fails costs that file alone."""

import os
import socket
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nasmon import Monitor
from nasmon.errors import UsageError
from nasmon.record.files import layers_path, record_path, spectra_path, whole_file
from nasmon.record.run import read_record
from nasmon.sinks.opening import open_sinks
from nasmon.sinks.tensorboard import TensorBoardSink
from tests.networks import compiled, functional, images, tiny, unlimited
from tests.test_reading import reading

DATA = images(16)


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def test_a_process_that_changes_its_folder_goes_on_writing_where_it_began(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    model = compiled(functional())
    for folder in (here, there):
        folder.mkdir()
    # another run of the same name
    with working_in(there):
        model.fit(*DATA, epochs=1, verbose=0, callbacks=[unlimited(DATA, log_dir="logs")])
    theirs = {path: path.read_bytes() for path in there.rglob("*") if path.is_file()}
    with working_in(here):
        callback = unlimited(DATA, log_dir="logs", on_error="raise")
        os.chdir(there)
        model.fit(*DATA, epochs=2, verbose=0, callbacks=[callback])
    assert callback.csv_path == here / "logs" / "functional_nas_metrics.csv"
    assert len(pd.read_csv(callback.csv_path)) == 2
    assert read_record(record_path(callback.csv_path)).status == "ended"
    assert theirs == {path: path.read_bytes() for path in there.rglob("*") if path.is_file()}


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def link_to_a_device(path: Path) -> None:
    path.symlink_to(os.devnull)


def local_socket(path: Path) -> None:
    with working_in(path.parent), socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)


STRANGE = {"a pipe": pipe, "a folder": folder, "a device": link_to_a_device}
STRANGE["a socket"] = local_socket
COMPANIONS: list[Callable[[Path], Path]] = [Path, layers_path, record_path, spectra_path]


@pytest.mark.parametrize("if_exists", ["error", "append", "overwrite"])
@pytest.mark.parametrize("companion", COMPANIONS)
@pytest.mark.parametrize("kind", STRANGE)
def test_what_is_no_file_is_neither_opened_nor_replaced(
    tmp_path: Path, kind: str, companion: Any, if_exists: Any
) -> None:
    path = companion(tmp_path / "run.csv")
    STRANGE[kind](path)
    before = path.lstat()
    with pytest.raises(UsageError, match=f"{path.name} is {kind}, not a file; give another csv_p"):
        open_sinks(None, tmp_path / "run.csv", if_exists)
    after = path.lstat()
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_device_is_refused_before_training() -> None:
    model, device = compiled(functional()), Path(os.devnull)
    callback = unlimited(DATA, log_dir=None, csv_path=device, if_exists="overwrite")
    with pytest.raises(UsageError, match="is a device, not a file"):
        model.fit(*DATA, epochs=1, verbose=0, callbacks=[callback])
    assert not device.is_file()


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    with whole_file(link) as unfinished:
        unfinished.write_text("new")
    assert (link.is_symlink(), target.read_text()) == (True, "new")


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.parametrize("companion", COMPANIONS)
def test_what_takes_a_files_place_during_the_run_costs_that_file_alone(
    tmp_path: Path, kind: str, companion: Any
) -> None:
    """A FIFO would have hung for ever; a folder at the end cost the readings."""
    path = companion(tmp_path / "run.csv")
    model, x = tiny()
    monitor = Monitor(model, x, csv_path=tmp_path / "run.csv", log_dir=tmp_path / "events")
    monitor.read(1)
    path.unlink()
    STRANGE[kind](path)
    before = path.lstat()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        monitor.read(2)
        monitor.read(3)
        monitor.close()
    (warning,) = caught
    assert "cannot be written, and gets nothing more in this run" in str(warning.message)
    assert (before.st_ino, before.st_mode) == (path.lstat().st_ino, path.lstat().st_mode)
    assert [one.step for one in monitor.readings] == [1, 2, 3]
    events = EventAccumulator(str(tmp_path / "events"), size_guidance={"tensors": 0}).Reload()
    assert [event.step for event in events.Tensors("nas/trace")] == [1, 2, 3]
    if companion in (record_path, spectra_path):
        assert pd.read_csv(tmp_path / "run.csv")["step"].tolist() == [1, 2, 3]
    else:
        assert read_record(record_path(tmp_path / "run.csv")).status == "ended"


def test_the_record_tells_the_csvs_last_step(tmp_path: Path) -> None:
    model, x = tiny()
    monitor = Monitor(model, x, csv_path=tmp_path / "run.csv")
    monitor.read(7)
    assert read_record(record_path(tmp_path / "run.csv")).last_step is None
    monitor.close()
    assert read_record(record_path(tmp_path / "run.csv")).last_step == 7
    monitor.read(9)
    (tmp_path / "run.csv").unlink()
    (tmp_path / "run.csv").mkdir()
    with pytest.warns(RuntimeWarning, match=r"run\.csv cannot be written"):
        monitor.read(11)
    monitor.close()
    # what the CSV does not have is not told
    assert read_record(record_path(tmp_path / "run.csv")).last_step == 9


def test_a_training_goes_on_with_the_sinks_that_are_left(tmp_path: Path) -> None:
    model = compiled(functional())
    callback = unlimited(DATA, log_dir=tmp_path)
    csv = tmp_path / "functional_nas_metrics.csv"

    class Vandal(type(callback).__mro__[1]):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                csv.unlink()
                csv.mkdir()

    with pytest.warns(RuntimeWarning, match=r"csv cannot be written, .*Is a directory"):
        model.fit(*DATA, epochs=3, verbose=0, callbacks=[callback, Vandal()])
    assert len(callback.readings) == 3
    events = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    assert len(events.Tensors("nas/trace")) == 3


def test_a_name_as_long_as_names_can_be_has_all_its_files(tmp_path: Path) -> None:
    name = "n" * 240
    model, x = tiny()
    monitor = Monitor(model, x, csv_path=tmp_path / f"{name}.csv", log_dir=tmp_path / "events")
    monitor.read(1)
    monitor.close()
    # another run's name begins alike
    TensorBoardSink(tmp_path / "events", f"{name}2").write(reading(1))
    assert len(list((tmp_path / "events").iterdir())) == 2
    TensorBoardSink(tmp_path / "events", name, overwrite=True).write(reading(1))
    assert len(list((tmp_path / "events").iterdir())) == 2


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written \(File name too long\); give another"):
        open_sinks(None, tmp_path / f"{'n' * 250}.csv", "error")


@pytest.mark.parametrize("place", [os.devnull, "/proc/nowhere"])
def test_a_folder_of_events_that_cannot_be_is_refused(place: str) -> None:
    with pytest.raises(UsageError, match=rf"log_dir {place} cannot be written \([^{{\[]+\); choos"):
        TensorBoardSink(place)


def test_places_that_are_not_on_this_machine(tmp_path: Path) -> None:
    model = compiled(functional())
    with pytest.raises(UsageError, match="csv_path= with a local file, or False for no CSV"):
        model.fit(*DATA, verbose=0, callbacks=[unlimited(DATA, log_dir="gs://bucket/logs")])
    with pytest.raises(UsageError, match="is not on this machine"):
        open_sinks(None, "gs://bucket/run.csv", "error")


FULL = """
import resource, signal, sys, warnings
import numpy as np
from nasmon import Monitor
from tests.networks import tiny

model, x = tiny()
monitor = Monitor(model, x, csv_path=sys.argv[1] + "/run.csv", log_dir=sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for step in range(1, 41):
        monitor.read(step)
    monitor.close()
print(len(monitor.readings), *(str(one.message) for one in caught), sep="\\n")
"""


@pytest.mark.parametrize("limit", [2_500, 24_000])
def test_a_full_disk_costs_what_is_on_it_and_leaves_whole_rows_and_events(
    tmp_path: Path, limit: int
) -> None:
    """TensorFlow says nothing of a full disk, and leaves half an event in the file."""
    code = [sys.executable, "-c", FULL, str(tmp_path), str(limit)]
    done = subprocess.run(code, capture_output=True, text=True, check=True, timeout=120)
    count, *remarks = done.stdout.splitlines()
    assert count == "40"
    assert remarks
    assert all("cannot be written, and gets nothing more" in remark for remark in remarks)
    assert any("events.out.tfevents" in remark or str(tmp_path) in remark for remark in remarks)
    table = pd.read_csv(tmp_path / "run.csv")
    layers = pd.read_csv(layers_path(tmp_path / "run.csv"))
    assert 0 < len(table) <= (39 if limit < 10_000 else 40)
    assert layers["step"].tolist() == list(range(1, len(layers) + 1))
    assert np.isfinite(table["trace"]).all()
    (events,) = tmp_path.glob("events.*")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    assert events.stat().st_size == sum(sizes(events))
    known = "nas/trace" in found.Tags()["tensors"]
    steps = [event.step for event in found.Tensors("nas/trace")] if known else []
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) < 40


def sizes(events: Path) -> Iterator[int]:
    """Of the whole records of a file of events: a length, its checksum, data, their checksum."""
    content = events.read_bytes()
    place = 0
    while place + 12 <= len(content):
        size = 16 + int.from_bytes(content[place : place + 8], "little")
        if place + size > len(content):
            return
        yield size
        place += size

"""The record of a run and its spectra: what they hold, and how each kind of end is told."""

import json
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nasmon import Monitor, Origin, Rebuild
from nasmon.analysis.run import load_run
from nasmon.errors import RunExistsError, UsageError
from nasmon.reading import Spectra
from nasmon.record.files import LAYER_COLUMNS, RUN_COLUMNS, layers_path, record_path, spectra_path
from nasmon.record.run import read_record, write_record
from nasmon.record.spectra import read_spectra
from nasmon.sinks.csv_tables import IfExists
from nasmon.sinks.run_record import RunSink, Watched
from nasmon.thresholds import DEFAULT_THRESHOLDS
from nasmon.widths.objectives import sizes
from tests.networks import compiled, functional, images, tiny, unlimited
from tests.recorded import chain, write_run
from tests.test_reading import reading

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Monitor, Path]:
    """Three readings of a model that changes, in files."""
    path = tmp_path_factory.mktemp("run") / "small.csv"
    rebuild = Rebuild(("python", "-m", "mine"), "--widths", ("pointwise0",), (("--out", "o"),))
    origin = Origin(("python", "mine.py"), 7, rebuild, path.parent / "history.csv")
    model = functional()
    monitor = Monitor(model, images(32)[0], csv_path=path, origin=origin)
    for step in range(3):
        for variable in model.trainable_variables:
            variable.assign(0.8 * variable)
        monitor.read(step, epoch=step)
    monitor.close()
    return monitor, path


def test_the_record_holds_what_ran(monitored: tuple[Monitor, Path]) -> None:
    monitor, path = monitored
    record = read_record(record_path(path))
    assert (record.model_name, record.status, record.error) == ("functional", "ended", None)
    assert record.started <= str(record.ended)
    assert record.started.endswith("+00:00")
    assert (record.command, record.seed, record.samples) == (("python", "mine.py"), 7, 32)
    assert record.versions.keys() == {"python", "nasmon", "tensorflow", "keras", "numpy"}
    assert record.versions["numpy"] == np.__version__
    assert record.thresholds == DEFAULT_THRESHOLDS
    assert record.rebuild == Rebuild(
        ("python", "-m", "mine"), "--widths", ("pointwise0",), (("--out", "o"),)
    )
    assert record.history == path.parent / "history.csv"
    assert [layer.name for layer in record.layers] == [info.name for info in monitor.layers]
    latest = monitor.readings[-1]
    assert [layer.rows for layer in record.layers] == [
        latest[layer.name]["rows"] for layer in record.layers
    ]


def test_the_spectra_are_those_of_the_first_and_the_latest_reading(
    monitored: tuple[Monitor, Path],
) -> None:
    monitor, path = monitored
    with np.load(spectra_path(path)) as file:
        for which, one in (("first", monitor.readings[0]), ("latest", monitor.readings[-1])):
            assert file[which].tolist() == [one.epoch, one.step]
            assert file[f"{which}/layers"].tolist() == [info.name for info in one.layers]
            assert one.spectra is not None
            assert one.correlations is not None
            for index, eigenvalues in enumerate(one.spectra.eigenvalues):
                np.testing.assert_array_equal(file[f"{which}/eigenvalues/{index}"], eigenvalues)
                np.testing.assert_allclose(
                    file[f"{which}/correlations/{index}"],
                    one.correlations[index],
                    rtol=1e-7,
                    atol=1e-7,
                )
        assert file["first"].tolist() != file["latest"].tolist()
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "small.csv",
        "small_layers.csv",
        "small_run.json",
        "small_spectra.npz",
        "small_widths.csv",
        "small_widths.npz",
    ]


def test_made_up_runs_have_the_form_of_real_ones(
    monitored: tuple[Monitor, Path], tmp_path: Path
) -> None:
    _, real = monitored
    made_up = write_run(tmp_path / "made.csv", chain((4, 2, 1)))

    def shape(value: Any) -> Any:
        """Keys and types, with one element of each list."""
        if isinstance(value, dict):
            return {key: shape(one) for key, one in value.items() if key not in ("versions",)}
        if isinstance(value, list):
            return [shape(value[0])] if value else []
        return type(value) if value is not None else None

    trees = [json.loads(record_path(path).read_text()) for path in (real, made_up)]
    for tree in trees:
        # what may be absent
        for layer in tree["layers"]:
            layer["rank_limit"], layer["rows"] = None, None
        tree["history"], tree["rebuild"], tree["earlier"] = None, None, []
        tree["last_step"], tree["unknown_structure"] = None, ""
    assert shape(trees[0]) == shape(trees[1])
    for path, columns in ((real, RUN_COLUMNS), (layers_path(real), LAYER_COLUMNS)):
        assert tuple(path.read_text().splitlines()[0].split(",")) == columns
    for path, columns in ((made_up, RUN_COLUMNS), (layers_path(made_up), LAYER_COLUMNS)):
        assert tuple(path.read_text().splitlines()[0].split(",")) == columns
    with np.load(spectra_path(real)) as a, np.load(spectra_path(made_up)) as b:
        kinds = [{name.rpartition("/")[0] for name in file.files} for file in (a, b)]
        assert kinds[0] == kinds[1]


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
def test_fit_tells_that_it_ended_and_a_second_one_goes_on(tmp_path: Path) -> None:
    model, data = compiled(functional()), images(16)
    callback = unlimited(log_dir=None, csv_path=tmp_path / "run.csv")
    model.fit(*data, validation_data=data, epochs=1, verbose=0, callbacks=[callback])
    record = read_record(record_path(tmp_path / "run.csv"))
    assert (record.status, record.ended is None) == ("ended", False)
    assert record.command
    model.fit(
        *data,
        validation_data=data,
        epochs=3,
        initial_epoch=1,
        verbose=0,
        callbacks=[callback, Status(tmp_path / "run.csv")],
    )
    assert Status.seen == ["running", "running"]
    assert read_record(record_path(tmp_path / "run.csv")).status == "ended"
    with np.load(spectra_path(tmp_path / "run.csv")) as file:
        assert (file["first"][0], file["latest"][0]) == (0, 2)


class Status(keras.callbacks.Callback):
    """Notes what the record says after each epoch."""

    seen: list[str]

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        Status.seen = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        Status.seen.append(read_record(record_path(self._path)).status)


def test_correlations_are_fetched_for_the_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []

    def write(step: int) -> Spectra:
        def fetch() -> tuple[np.ndarray, ...]:
            fetched.append(step)
            return np.eye(4, dtype=np.float32), np.eye(12, dtype=np.float32)

        spectra = Spectra((np.full(4, step), np.full(12, step)), fetch)
        sink.write(replace(reading(step), spectra=spectra))
        return spectra

    monkeypatch.setattr("nasmon.sinks.run_record.SHARE", 1e-9)
    sink = RunSink(tmp_path / "run.csv")
    sink.begin(Watched("made up", 32, {}, (), 0, None, None))
    for step in (1, 2, 3):
        write(step)
    assert fetched == [1]
    sink.close("ended")
    assert fetched == [1, 3]
    assert read_spectra(spectra_path(tmp_path / "run.csv"))[1].step == 3
    # the next one was launched, and never came
    write(4).let_go()
    sink.close("failed")
    assert read_spectra(spectra_path(tmp_path / "run.csv"))[1].step == 3


def test_a_monitor_that_was_switched_off_has_failed(tmp_path: Path) -> None:
    model, data = compiled(functional()), images(16)
    callback = unlimited(data, log_dir=None, csv_path=tmp_path / "run.csv")
    original = callback._watch

    def broken(chunks: int, *others: Any) -> None:
        raise OSError("no space left on device")

    def watch(data: Any) -> Monitor:
        monitor = original(data)
        monitor._probe.launch = broken  # type: ignore[assignment,method-assign]
        return monitor

    callback._watch = watch  # type: ignore[method-assign]
    with pytest.warns(RuntimeWarning, match="switched off .* no space left"):
        model.fit(*data, epochs=2, verbose=0, callbacks=[callback])
    record = read_record(record_path(tmp_path / "run.csv"))
    assert record.status == "failed"
    assert record.error == ("the monitor was switched off; OSError: no space left on device")


def test_a_with_block_tells_how_it_was_left(tmp_path: Path) -> None:
    model, x = tiny()
    for error, status, text in (
        (None, "ended", None),
        (KeyboardInterrupt(), "interrupted", None),
        (ArithmeticError("too much"), "failed", "ArithmeticError: too much"),
    ):
        path = tmp_path / status / "run.csv"
        expected = nullcontext() if error is None else pytest.raises(type(error))
        with expected, Monitor(model, x, csv_path=path) as monitor:
            monitor.read(1)
            if error is not None:
                raise error
        record = read_record(record_path(path))
        assert (record.status, record.error) == (status, text)


SCRIPT = """
import numpy as np
from nasmon import NASMonitorCallback
import keras

class Stop(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            {act}

model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4)])
model.compile("sgd", "mse")
data = np.random.default_rng(0).random((64, 6)), np.zeros((64, 4))
callback = NASMonitorCallback(
    data, log_dir=None, csv_path={path!r}, overhead_budget=None
)
try:
    model.fit(*data, epochs=3, verbose=0, callbacks=[callback, Stop()])
except {caught}:
    pass
"""


@pytest.mark.parametrize(
    ("act", "caught", "status", "error"),
    [
        ("raise KeyboardInterrupt", "ZeroDivisionError", "interrupted", None),
        ("raise ValueError('odd')", "ZeroDivisionError", "failed", "ValueError: odd"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "interrupted", None),
        ("import os; os._exit(0)", "ZeroDivisionError", "running", None),
    ],
    ids=["interrupted", "failed", "caught", "killed"],
)
def test_a_training_that_ends_otherwise_says_so(
    tmp_path: Path, act: str, caught: str, status: str, error: str | None
) -> None:
    path = tmp_path / "run.csv"
    code = SCRIPT.format(act=act, caught=caught, path=str(path))
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=120)
    record = read_record(record_path(path))
    assert (record.status, record.error) == (status, error)
    assert len(path.read_text().splitlines()) == 3
    with np.load(spectra_path(path)) as file:
        assert file["first"][0] == 0
        if status != "running":
            assert file["latest"][0] == 1


def test_a_continued_run_keeps_its_first_spectra_and_its_past(tmp_path: Path) -> None:
    (model, x), path = tiny(), tmp_path / "run.csv"
    with Monitor(model, x, csv_path=path) as monitor:
        monitor.read(1, epoch=0)
    with Monitor(model, x, csv_path=path, if_exists="append") as monitor:
        monitor.read(2, epoch=1)
    record = read_record(record_path(path))
    assert [one["status"] for one in record.earlier] == ["ended"]
    assert record.earlier[0]["started"] <= record.started
    with np.load(spectra_path(path)) as file:
        assert (file["first"][1], file["latest"][1]) == (1, 2)
    with Monitor(model, x, csv_path=path, if_exists="overwrite") as monitor:
        monitor.read(5, epoch=4)
    assert read_record(record_path(path)).earlier == ()
    with np.load(spectra_path(path)) as file:
        assert file["first"][1] == 5


@pytest.mark.parametrize(
    ("widths", "layers", "message"),
    [
        ({"units": 3}, "auto", "dense of 4 channels, now dense of 3 channels"),
        ({"name": "other"}, "auto", "dense of 4 channels, now other of 4 channels"),
        ({}, ["dense", "output"], "none, now output of 4 channels"),
    ],
)
def test_another_models_run_is_not_continued(
    tmp_path: Path, widths: dict[str, Any], layers: Any, message: str
) -> None:
    """Narrowing and then training on appended to the wide model's run without a word."""
    (model, x), path = tiny(), tmp_path / "run.csv"
    Monitor(model, x, csv_path=path).read(1)
    before = {one: one.read_bytes() for one in tmp_path.iterdir()}
    dense = keras.layers.Dense(**{"units": 4, "name": "dense", **widths})
    other = keras.Sequential([keras.Input((6,)), dense], name="tiny")
    with pytest.raises(UsageError, match=rf"other layers \({message}\), .* if_exists=.overwrite"):
        Monitor(other, x, layers=layers, csv_path=path, if_exists="append")
    assert before == {one: one.read_bytes() for one in tmp_path.iterdir()}


def test_a_fit_that_resumes_with_another_model_is_refused_before_it_trains(tmp_path: Path) -> None:
    data = images(16)
    compiled(functional()).fit(
        *data, epochs=1, verbose=0, callbacks=[unlimited(data, log_dir=tmp_path)]
    )
    narrower = keras.models.clone_model(
        functional(),
        clone_function=lambda layer: (
            keras.layers.Conv2D(12, 1, name=layer.name)
            if layer.name == "pointwise1"
            else layer.__class__.from_config(layer.get_config())
        ),
    )
    weights = [weight.copy() for weight in narrower.get_weights()]
    with pytest.raises(UsageError, match="pointwise1 of 16 channels, now pointwise1 of 12 chan"):
        compiled(narrower).fit(
            *data,
            initial_epoch=1,
            epochs=2,
            verbose=0,
            callbacks=[unlimited(data, log_dir=tmp_path)],
        )
    for before, after in zip(weights, narrower.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_damaged_spectra_are_not_continued(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run.csv")
    spectra_path(path).write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(
        UsageError, match=r"spectra.npz is damaged .BadZipFile.*it cannot be continued"
    ):
        RunSink(path, continues=True)


@pytest.mark.parametrize("companion", [record_path, spectra_path])
def test_files_of_a_run_whose_csv_was_moved_are_not_replaced(
    tmp_path: Path, companion: Any
) -> None:
    (model, x), path = tiny(), tmp_path / "run.csv"
    companion(path).write_text("kept")
    with pytest.raises(RunExistsError, match=f"{companion(path).name} holds an earlier run"):
        Monitor(model, x, csv_path=path)
    assert [p.name for p in tmp_path.iterdir()] == [companion(path).name]
    Monitor(model, x, csv_path=path, if_exists="overwrite")
    assert record_path(path).read_text() != "kept"


def spectral(step: int) -> Any:
    one = reading(step)
    c = [info.channels for info in one.layers]
    spectra = Spectra(tuple(np.ones(n) for n in c), tuple(np.eye(n) for n in c))
    return replace(one, spectra=spectra)


def test_spectra_are_not_written_more_often_than_they_may_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]

    def clock() -> float:
        # each look at the clock finds it a millisecond later, so a write takes one
        now[0] += 1e-3
        return now[0]

    monkeypatch.setattr(time, "perf_counter", clock)
    sink = RunSink(tmp_path / "run.csv")

    def step_in_file() -> int:
        with np.load(spectra_path(tmp_path / "run.csv")) as file:
            return int(file["latest"][1])

    sink.write(spectral(1))
    now[0] += 0.4
    sink.write(spectral(2))
    assert step_in_file() == 1
    now[0] += 0.2
    sink.write(spectral(3))
    assert step_in_file() == 3
    sink.write(reading(4))  # without spectra
    assert step_in_file() == 3


def test_what_a_monitor_wrote_is_read_as_one_run(monitored: tuple[Monitor, Path]) -> None:
    """Rows by layer, record and spectra are told to be the run's own."""
    run = load_run(monitored[1])
    assert run.has_layers
    assert run.record is not None
    assert run.spectra is not None
    assert (len(run.readings), run.notes) == (3, [])


@pytest.mark.parametrize(("steps", "readings"), [((30, 40), 4), ((10, 20), 2)])
def test_a_run_that_was_continued_is_read_without_a_false_alarm(
    tmp_path: Path, steps: tuple[int, int], readings: int
) -> None:
    """Where the steps begin anew it is another training, of which the rest of the files tell."""
    model, x = functional(), images(8)[0]
    trainings: list[tuple[IfExists, tuple[int, int]]] = [("error", (10, 20)), ("append", steps)]
    for if_exists, moments in trainings:
        monitor = Monitor(model, x, csv_path=tmp_path / "run.csv", if_exists=if_exists)
        for step in moments:
            monitor.read(step, epoch=step // 10 - 1)
        monitor.close()
    run = load_run(tmp_path / "run.csv")
    assert len(run.readings) == readings
    assert run.readings["step"].iloc[-1] == steps[1]
    assert run.has_layers
    assert run.record is not None
    assert run.spectra is not None
    assert [note.split(" runs ")[0] for note in run.notes] == (
        [] if readings == 4 else [f"{tmp_path / 'run.csv'} holds 2"]
    )


def test_a_record_tells_its_last_step_and_why_it_knows_no_structure(tmp_path: Path) -> None:
    """Records that were written before say neither, and are read all the same."""
    path = record_path(write_run(tmp_path / "chain.csv"))
    earlier = read_record(path)
    assert (earlier.last_step, earlier.unknown_structure) == (None, "")
    why = "conv2 is called twice"
    write_record(path, earlier._replace(last_step=120, unknown_structure=why))
    assert read_record(path) == earlier._replace(last_step=120, unknown_structure=why)


def test_an_int8_program_that_was_tampered_with_is_damage(tmp_path: Path) -> None:
    path, tree = tmp_path / "x_run.json", chain((4, 2))
    good = json.dumps(tree)
    path.write_text(good)
    assert read_record(path).int8 is not None
    for place, value in (
        ("overhead", "9"),
        ("outputs", [99]),
        ("steps", []),
        ("steps", [{"layer": "a", "reads": [-1], "writes": [0]}]),
        ("tensors", [{"size": -1, "widths": []}]),
        ("constants", [{"size": 8, "widths": [[["gone", 1]]]}]),
        ("constants", [{"size": 8, "widths": [[["conv0", 0]]]}]),
        ("constants", [{"size": 8, "widths": [[["conv0"]]]}]),
    ):
        tree = json.loads(good)
        tree["structure"]["int8"][place] = value
        path.write_text(json.dumps(tree))
        if place != "steps" or value:
            with pytest.raises(UsageError, match="is damaged"):
                read_record(path)
        else:
            assert sizes(read_record(path)).ram == 0
    tree["structure"]["int8"] = {}
    path.write_text(json.dumps(tree))
    with pytest.raises(UsageError, match="is damaged"):
        read_record(path)
    del tree["structure"]["int8"]
    path.write_text(json.dumps(tree))
    assert sizes(read_record(path))[2:] == (None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "is not the record of a nasmon run; remove it to go on"),
        ('{"format": "other"}', "is not the record of a nasmon run"),
        ('{"format": "nasmon run", "version": 99}', "has version 99, this nasmon reads 1"),
        ('{"format": "nasmon run", "version": 1}', "is damaged .KeyError: 'structure'"),
    ],
)
def test_a_record_that_is_none_is_told_as_such(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x_run.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_record(path)

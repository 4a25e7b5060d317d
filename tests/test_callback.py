"""NASMonitorCallback in ``fit``: data of every kind, schedule, files, logs, failures."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nasmon import Monitor, NASMonitorCallback
from nasmon.kernels.metric_table import AGGREGATED
from nasmon.record.files import record_path
from nasmon.record.run import read_record
from tests.networks import compiled, functional, images, unlimited

X, Y = images(40)
VALIDATION = images(24, seed=1)
LOGGED = [f"nas_{m.name}" for m in AGGREGATED]


def small() -> keras.Model:
    """One convolution and a head: what a test of the schedule needs, compiled quickly."""
    inputs = keras.Input((12, 16, 3))
    x = keras.layers.Conv2D(1, 1, name="head")(inputs)
    return compiled(keras.Model(inputs, x, name="small"))


def fit(
    model: keras.Model, callback: NASMonitorCallback, **settings: Any
) -> keras.callbacks.History:
    options = {"validation_data": VALIDATION, "epochs": 2, "batch_size": 8, "verbose": 0}
    return model.fit(X, Y, callbacks=[callback], **{**options, **settings})


def test_the_users_snippet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    train_ds = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    val_ds = tf.data.Dataset.from_tensor_slices(VALIDATION).batch(8)
    model = compiled(functional())
    callback = NASMonitorCallback(
        log_dir="logs/nas", csv_path="metrics.csv", log_freq="epoch", overhead_budget=None
    )
    history = model.fit(
        train_ds,
        validation_data=val_ds,
        callbacks=[callback],
        epochs=3,
        verbose=0,
        shuffle=False,
    ).history
    table = pd.read_csv("metrics.csv")
    assert table["redundancy_score"].iloc[-1] == history["nas_redundancy_score"][-1]
    assert table["epoch"].tolist() == [0, 1, 2]
    assert table["step"].tolist() == [5, 10, 15]
    assert len(pd.read_csv("metrics_layers.csv")) == 3 * 5
    assert list(Path("logs/nas").glob("events.out.tfevents.*"))
    assert [r.step for r in callback.readings] == [5, 10, 15]
    assert callback.readings[0].samples == 24
    assert set(callback.to_frame()["layer"]) == {info.name for info in callback.readings[0].layers}
    assert "pointwise1" in callback.summary()


class Batches(keras.utils.PyDataset):
    """The validation data, counting what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[int] = []

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        self.read.append(index)
        x, y = VALIDATION
        return x[8 * index : 8 * index + 8], y[8 * index : 8 * index + 8]


def generator(endless: bool = False) -> Iterator[Any]:
    source = Batches()
    while True:
        yield from (source[index] for index in range(3))
        if not endless:
            return


KINDS = {
    "arrays": lambda: VALIDATION,
    "list": lambda: list(VALIDATION),
    "weighted": lambda: (*VALIDATION, np.ones((24, 1, 1), np.float32)),
    "dataset": lambda: tf.data.Dataset.from_tensor_slices(VALIDATION).batch(8),
    "PyDataset": Batches,
    "generator": lambda: generator(endless=True),
}


@pytest.fixture(scope="module")
def expected() -> dict[str, float]:
    """What a fresh ``small`` reads of all validation samples."""
    return Monitor(seeded(), VALIDATION[0], samples=24).read(0)["head"]


def seeded() -> keras.Model:
    keras.utils.set_random_seed(3)
    model = small()
    model.optimizer.learning_rate = 0.0
    return model


@pytest.mark.parametrize("explicit", [False, True], ids=["found in fit", "explicit"])
@pytest.mark.parametrize("kind", KINDS)
def test_validation_data_of_every_kind(
    kind: str, explicit: bool, expected: dict[str, float], tmp_path: Path
) -> None:
    callback = unlimited(
        KINDS[kind]() if explicit else None, log_dir=tmp_path, samples=24, on_error="raise"
    )
    history = fit(seeded(), callback, validation_data=KINDS[kind](), validation_steps=3).history
    assert callback.readings[-1]["head"] == pytest.approx(expected, rel=1e-5, nan_ok=True)
    assert len(history["nas_trace"]) == 2


def test_a_generator_yields_to_fit_what_it_would_have(tmp_path: Path) -> None:
    def losses(callbacks: list[Any]) -> list[float]:
        keras.utils.set_random_seed(1)
        rng = np.random.default_rng(0)
        drawn = ((rng.random((8, 12, 16, 3)), rng.random((8, 12, 16, 1))) for _ in range(6))
        # one epoch: between two, Keras itself prefetches and drops a varying number of batches
        options = {"validation_data": drawn, "validation_steps": 3, "epochs": 1, "verbose": 0}
        return small().fit(X, Y, callbacks=callbacks, **options).history["val_loss"]

    callback = unlimited(log_dir=tmp_path, samples=10, on_error="raise")
    assert losses([callback]) == losses([])
    assert [reading.samples for reading in callback.readings] == [10]


def test_the_same_generator_given_twice_is_not_read_twice(tmp_path: Path) -> None:
    shared = generator(endless=True)
    callback = unlimited(shared, log_dir=tmp_path, on_error="raise")
    fit(small(), callback, validation_data=shared, validation_steps=3)
    assert len(callback.readings) == 2


def test_batches_before_the_first_validation_of_a_generator_are_not_read(tmp_path: Path) -> None:
    callback = unlimited(log_dir=tmp_path, log_freq="batch", batch_freq=2, on_error="raise")
    fit(small(), callback, validation_data=generator(endless=True), validation_steps=3)
    assert [r.step for r in callback.readings] == [5, 7, 9, 10]


def test_validation_split(tmp_path: Path) -> None:
    callback = unlimited(log_dir=tmp_path, samples=64, on_error="raise")
    fit(small(), callback, validation_data=None, validation_split=0.25)
    assert callback.readings[0].samples == 10


def test_no_validation_data_names_the_argument(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pass validation_data= to NASMonitorCallback"):
        fit(small(), unlimited(log_dir=tmp_path), validation_data=None)


def test_a_fit_that_hides_its_data_names_the_argument(tmp_path: Path) -> None:
    class Hiding(keras.Model):
        """As a new Keras might: ``fit`` under another name, its data in another variable."""

        def fit(self, x: Any, y: Any, callbacks: Any) -> None:
            hooks = keras.callbacks.CallbackList(callbacks, model=self)
            hooks.on_train_begin()
            hooks.on_epoch_begin(0)

    inputs = keras.Input((4,))
    model = Hiding(inputs, keras.layers.Dense(2)(inputs))
    with pytest.raises(ValueError, match="this version of Keras keeps it elsewhere; pass"):
        model.fit(X, Y, [unlimited(log_dir=tmp_path)])


def test_batch_mode_reads_between_epochs_and_at_their_end(tmp_path: Path) -> None:
    callback = unlimited(
        log_dir=tmp_path, log_freq="batch", batch_freq=2, chunk=8, on_error="raise"
    )
    history = fit(small(), callback).history
    assert callback.csv_path is not None
    run = pd.read_csv(callback.csv_path)
    assert run["step"].tolist() == [2, 4, 5, 7, 9, 10]
    assert run["epoch"].tolist() == [0, 0, 0, 1, 1, 1]
    # few samples are enough for one channel, and all readings are alike
    assert [r.samples for r in callback.readings] == [8] * 6
    assert len(history["nas_trace"]) == 2


def test_the_last_batch_of_an_epoch_is_read_once(tmp_path: Path) -> None:
    callback = unlimited(log_dir=tmp_path, log_freq="batch", batch_freq=5)
    fit(small(), callback)
    assert [r.step for r in callback.readings] == [5, 10]


def test_several_steps_a_call_count_as_steps(tmp_path: Path) -> None:
    model = small()
    model.compile("adam", "mse", steps_per_execution=2)
    callback = unlimited(log_dir=tmp_path, log_freq="batch", batch_freq=3)
    fit(model, callback, epochs=1)
    assert [r.step for r in callback.readings] == [4, 5]


def test_epoch_mode_has_no_batch_hooks() -> None:
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    for name in hooks:
        assert name not in vars(NASMonitorCallback)
        assert name not in vars(unlimited(log_freq="epoch"))


def test_a_model_whose_optimizer_does_not_count_has_steps_all_the_same(tmp_path: Path) -> None:
    class OwnOptimizer(keras.Model):
        def train_step(self, data: Any) -> dict[str, Any]:
            return {"loss": tf.reduce_mean(self(data[0], training=True))}

    inputs = keras.Input((12, 16, 3))
    model = compiled(OwnOptimizer(inputs, keras.layers.Conv2D(1, 1)(inputs)))
    callback = unlimited(log_dir=tmp_path, log_freq="batch", batch_freq=3)
    fit(model, callback)
    assert [r.step for r in callback.readings] == [3, 5, 8, 10]


def test_other_callbacks_see_the_readings(tmp_path: Path) -> None:
    class Lower(keras.callbacks.EarlyStopping):
        pass

    model = seeded()
    callback = unlimited(log_dir=tmp_path, layers="output", on_error="raise")
    stop = Lower(monitor="nas_trace", patience=1, mode="min")
    log = keras.callbacks.CSVLogger(str(tmp_path / "history.csv"))
    history = model.fit(
        X, Y, validation_data=VALIDATION, epochs=9, callbacks=[callback, stop, log], verbose=0
    ).history
    # nothing is learned at a rate of 0, so nothing improves and two epochs are enough
    assert len(history["nas_trace"]) == 2
    assert set(LOGGED) <= set(history)
    assert set(LOGGED) <= set(pd.read_csv(tmp_path / "history.csv").columns)


def test_the_progress_bar_shows_the_readings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(small(), unlimited(log_dir=tmp_path), verbose=2)
    assert "nas_redundancy_score" in capsys.readouterr().out


def test_an_earlier_run_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    fit(small(), unlimited(log_dir=tmp_path))
    kept = (tmp_path / "small_nas_metrics.csv").read_text()
    model = small()
    with pytest.raises(FileExistsError, match='pass if_exists="append"'):
        fit(model, unlimited(log_dir=tmp_path))
    assert int(model.optimizer.iterations) == 0
    assert (tmp_path / "small_nas_metrics.csv").read_text() == kept
    fit(model, unlimited(log_dir=tmp_path, if_exists="append"))
    assert len(pd.read_csv(tmp_path / "small_nas_metrics.csv")) == 4


def test_a_resumed_fit_appends_by_itself(tmp_path: Path) -> None:
    model = small()
    fit(model, unlimited(log_dir=tmp_path))
    fit(model, unlimited(log_dir=tmp_path), initial_epoch=2, epochs=4)
    table = pd.read_csv(tmp_path / "small_nas_metrics.csv")
    assert table["epoch"].tolist() == [0, 1, 2, 3]
    assert table["step"].tolist() == [5, 10, 15, 20]


def test_one_callback_in_two_fits_of_one_model_goes_on(tmp_path: Path) -> None:
    model, callback = small(), unlimited(log_dir=tmp_path)
    fit(model, callback)
    fit(model, callback, initial_epoch=2, epochs=3)
    assert [r.epoch for r in callback.readings] == [0, 1, 2]


def test_a_failure_warns_once_and_the_training_goes_on(tmp_path: Path) -> None:
    callback = unlimited(log_dir=tmp_path)

    class Breaking(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            vars(callback.monitor).pop("_probe", None)

    model = small()
    with pytest.warns(RuntimeWarning, match="nasmon: switched off .* goes on; Attr") as caught:
        history = model.fit(
            X,
            Y,
            validation_data=VALIDATION,
            epochs=4,
            callbacks=[callback, Breaking()],
            verbose=0,
        ).history
    assert len([one for one in caught if one.category is RuntimeWarning]) == 1
    assert len(history["loss"]) == 4
    assert callback.csv_path is not None
    assert len(pd.read_csv(callback.csv_path)) == 1


def test_the_next_training_is_monitored_again(tmp_path: Path) -> None:
    callback = unlimited(log_dir=tmp_path)
    model, options = small(), {"validation_data": VALIDATION, "verbose": 0}

    class Breaking(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            monitor = callback.monitor
            vars(monitor)["launch"] = lambda *_, **__: 1 / 0

    with pytest.warns(RuntimeWarning, match="ZeroDivisionError"):
        model.fit(X, Y, callbacks=[callback, Breaking()], **options)
    vars(callback.monitor).pop("launch")
    history = model.fit(X, Y, callbacks=[callback], **options).history
    assert len(callback.readings) == len(history["nas_trace"]) == 1
    assert callback.csv_path is not None
    assert read_record(record_path(callback.csv_path)).status == "ended"


def test_steps_in_one_execution_may_outnumber_what_is_left(tmp_path: Path) -> None:
    model = small()
    model.compile(loss="mse", steps_per_execution=3)
    callback = unlimited(log_dir=tmp_path, log_freq="batch", batch_freq=1, on_error="raise")
    model.fit(X, Y, batch_size=4, validation_data=VALIDATION, callbacks=[callback], verbose=0)
    steps = [reading.step for reading in callback.readings]
    assert len(set(steps)) == len(steps)


def test_on_error_raise_raises(tmp_path: Path) -> None:
    class Unwilling(keras.layers.Layer):
        willing = True

        def call(self, x: Any, training: bool | None = None) -> Any:
            if not self.willing and not training:
                raise RuntimeError("not now")
            return x

    def model() -> keras.Model:
        inputs, layer = keras.Input((12, 16, 3)), Unwilling()
        built = keras.Model(inputs, layer(keras.layers.Conv2D(1, 1)(inputs)), name="unwilling")
        layer.willing = False
        return compiled(built)

    options = {"validation_data": None, "epochs": 1}
    with pytest.raises(RuntimeError, match="not now"):
        fit(model(), unlimited(VALIDATION, log_dir=tmp_path, on_error="raise"), **options)
    with pytest.warns(RuntimeWarning, match="not now"):
        fit(model(), unlimited(VALIDATION, log_dir=tmp_path / "b"), **options)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"log_freq": "step"}, "log_freq is 'step'; use one of epoch, batch"),
        ({"batch_freq": 0}, "batch_freq is 0; use a whole number of at least 1"),
        ({"samples": -1}, "samples is -1; use a whole number of at least 1"),
        ({"chunk": 0}, "chunk is 0; use a whole number of at least 1, or None"),
        ({"max_rows": 0}, "max_rows is 0; use a whole number of at least 1, or None"),
        ({"on_error": "ignore"}, "on_error is 'ignore'"),
        ({"if_exists": "replace"}, "if_exists is 'replace'"),
        ({"thresholds": {"redundancy": 1}}, "thresholds has 'redundancy', which is none of"),
    ],
)
def test_wrong_arguments_are_refused_at_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        unlimited(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"layers": ["head", "tail"]},
            "layers has 'tail', which matches no layer. There are: head",
        ),
        ({"csv_path": "/proc/nowhere/run.csv"}, "cannot be written"),
    ],
)
def test_wrong_arguments_are_refused_before_training(
    settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model = small()
    with pytest.raises(ValueError, match=message):
        fit(model, unlimited(**{"log_dir": tmp_path, **settings}))
    assert int(model.optimizer.iterations) == 0


def test_without_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    callback = unlimited(log_dir=None)
    fit(small(), callback)
    assert len(callback.readings) == 2
    assert not list(tmp_path.iterdir())
    assert callback.csv_path is None
    fit(small(), unlimited(log_dir=tmp_path, csv_path=False))
    assert [p.suffix for p in tmp_path.iterdir()] == [".nasmon"]


def test_nothing_monitored_yet() -> None:
    callback = unlimited()
    assert callback.readings == []
    assert callback.summary() == "nothing was monitored"
    with pytest.raises(RuntimeError, match="call fit with this callback first"):
        callback.to_frame()


KILLED = """
import os, signal, sys
import keras
from tests.networks import compiled, images, nested, unlimited

class Kill(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if self.model.optimizer.iterations == 8:
            os.kill(os.getpid(), signal.SIGKILL)

x, y = images(40)
compiled(nested()).fit(x, y, validation_data=(x, y), epochs=9, batch_size=8, verbose=0, callbacks=[
    unlimited(log_dir=sys.argv[1], log_freq="batch", batch_freq=2), Kill()])
"""


def test_a_killed_run_keeps_every_finished_reading(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    run = pd.read_csv(tmp_path / "nested_nas_metrics.csv")
    layers = pd.read_csv(tmp_path / "nested_nas_metrics_layers.csv")
    assert run["step"].tolist() == [2, 4, 5, 7]
    assert layers.groupby("step")["layer"].count().tolist() == [3, 3, 3, 3]
    from tests.test_csv_tables import written

    assert list(written(tmp_path)["nas/trace"]) == [2, 4, 5, 7]

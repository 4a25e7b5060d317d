"""The budget in a real training: what it gives up, what it never does, and that nothing waits."""

import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nasmon import Monitor, NASMonitorCallback
from nasmon.budget import AFTERMATH, OverheadBudget, Price
from nasmon.kernels.metric_table import AGGREGATED
from tests.networks import compiled, images, tiny

X, Y = images(64)
VALIDATION = images(16, seed=1)


def small() -> keras.Model:
    inputs = keras.Input((12, 16, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(inputs)
    return compiled(keras.Model(inputs, keras.layers.Conv2D(1, 1, name="head")(x), name="small"))


class Slow(keras.callbacks.Callback):
    """A training step that takes as long as a larger model's."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        time.sleep(self.seconds)


def fit(callbacks: list[Any], **settings: Any) -> dict[str, list[float]]:
    options = {"validation_data": VALIDATION, "epochs": 2, "batch_size": 8, "verbose": 0}
    return small().fit(X, Y, callbacks=callbacks, **{**options, **settings}).history


@pytest.fixture(scope="module")
def governed(tmp_path_factory: pytest.TempPathFactory) -> tuple[NASMonitorCallback, Path]:
    """A training that asked for a reading at every one of its 160 batches."""
    folder = tmp_path_factory.mktemp("governed")
    callback = NASMonitorCallback(log_dir=folder, log_freq="batch", batch_freq=1, on_error="raise")
    # the callback first: its clock runs while the others' hooks of the batch do
    fit([callback, Slow(0.01)], epochs=20)
    return callback, folder


def test_a_reading_at_every_batch_ends_within_the_budget(
    governed: tuple[NASMonitorCallback, Path],
) -> None:
    monitor = governed[0].monitor
    # the last one may be dearer than any before it
    dearest = max(reading.probe_seconds for reading in monitor.readings)
    spent, trained = monitor.budget.probe_seconds, monitor.budget.training_seconds
    assert spent <= 0.05 * trained + dearest
    assert trained >= 160 * 0.01
    assert 5 < len(monitor.readings) < 160
    assert monitor.readings[-1].step == 160


def test_it_says_what_it_gave_up(governed: tuple[NASMonitorCallback, Path]) -> None:
    callback, folder = governed
    readings, postponed = callback.readings, callback.monitor.postponed
    assert postponed > 0
    assert sum(reading.postponed for reading in readings) == postponed
    # at every batch one was due: it was taken, or it was postponed
    assert len(readings) + postponed == 160
    table = pd.read_csv(folder / "small_nas_metrics.csv")
    assert table["postponed"].sum() == postponed
    assert table["thinned"].isin([0, 1]).all()
    assert callback.summary().endswith(f", {len(readings)} readings, {postponed} postponed")
    assert "% of training time (budget 5 %), set-up" in callback.summary()


def test_the_first_and_the_last_reading_are_taken_whatever_they_cost(tmp_path: Path) -> None:
    callback = NASMonitorCallback(log_dir=tmp_path, overhead_budget=1e-6, on_error="raise")
    history = fit([callback], epochs=4)
    assert [reading.epoch for reading in callback.readings] == [0, 3]
    assert [reading.postponed for reading in callback.readings] == [0, 2]
    for metric in AGGREGATED:
        first, *between, last = history[f"nas_{metric.name}"]
        assert all(map(math.isnan, between))
        for value, reading in zip((first, last), callback.readings, strict=True):
            assert value == pytest.approx(reading.aggregates[metric.name], nan_ok=True)


def refusing(callback: NASMonitorCallback, refused: set[int]) -> keras.callbacks.Callback:
    """Has the budget refuse the readings of some epochs."""

    class Refusing(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            callback.monitor.budget.share = 1e-9 if epoch in refused else None

    return Refusing()


def test_a_postponed_epoch_is_nan_in_the_logs(tmp_path: Path) -> None:
    callback = NASMonitorCallback(log_dir=tmp_path, on_error="raise")
    history = fit([callback, refusing(callback, {1})], epochs=3)
    assert [reading.epoch for reading in callback.readings] == [0, 2]
    for metric in AGGREGATED:
        first, second, last = history[f"nas_{metric.name}"]
        assert math.isnan(second)
        if metric.name == "trace":
            assert first > 0
            assert last > 0


@pytest.mark.parametrize("frequency", ["epoch", "batch"])
def test_columns_are_there_from_the_first_epoch_and_no_nan_stops_the_training(
    tmp_path: Path, frequency: Any
) -> None:
    """CSVLogger fixes its columns then, and EarlyStopping compares with what it sees first."""
    callback = NASMonitorCallback(
        log_dir=tmp_path, layers="output", log_freq=frequency, batch_freq=3, on_error="raise"
    )
    stop = keras.callbacks.EarlyStopping("nas_trace", patience=5, mode="min")
    table = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    history = fit([callback, refusing(callback, {0, 1, 2}), stop, table], epochs=5)
    # a NaN would have stayed the best
    assert stop.best == np.nanmin(history["nas_trace"])
    assert 8 in [reading.step for reading in callback.readings]
    frame, logged = pd.DataFrame(history), pd.read_csv(tmp_path / "log.csv")
    for found in (frame["nas_trace"], logged["nas_trace"]):
        assert found.isna().tolist() == [False, True, True, False, False]
    np.testing.assert_allclose(frame["nas_trace"], logged["nas_trace"])


def by_a_wound_clock(**settings: Any) -> tuple[Monitor, OverheadBudget, list[float]]:
    """A monitor of a training that has begun, its budget, and the seconds that the test sets."""
    model, x = tiny()
    now = [0.0]
    budget = OverheadBudget(0.05, lambda: now[0])
    monitor = Monitor(model, x, overhead_budget=budget, **settings)
    # measured by the machine's clock, which a busy machine stretches
    budget._prices.clear()
    budget.resume()
    return monitor, budget, now


def test_a_last_reading_is_whole_if_there_is_room() -> None:
    monitor, budget, now = by_a_wound_clock(samples=64, chunk=8)
    budget.learn(Price(0.01, 0.02))
    now[0] += (1 + AFTERMATH) * 0.11 / 0.05
    assert monitor.launch(1, last=True, remaining=0.0)
    reading = monitor.collect()
    assert reading is not None
    assert not reading.thinned


def test_a_callback_takes_no_pause_between_two_fits_for_training(tmp_path: Path) -> None:
    class Interrupting(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 3:
                raise KeyboardInterrupt

    now = [0.0]
    callback = NASMonitorCallback(log_dir=tmp_path, on_error="raise")
    callback._budget = OverheadBudget(0.05, lambda: now[0])
    with pytest.raises(KeyboardInterrupt):
        fit([callback, Interrupting()], epochs=1)
    now[0] += 3600
    model = callback.model
    data = np.zeros((8, 12, 16, 3), np.float32)
    model.fit(data, model.predict(data, verbose=0), callbacks=[callback], verbose=0)
    assert callback.monitor.budget.training_seconds == 0


@pytest.mark.parametrize("log_freq", ["epoch", "batch"])
def test_a_training_that_is_stopped_early_has_its_last_reading(
    tmp_path: Path, log_freq: Any
) -> None:
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = epoch == 1

    callback = NASMonitorCallback(
        log_dir=tmp_path, log_freq=log_freq, overhead_budget=1e-6, on_error="raise"
    )
    fit([callback, Stop()], epochs=9)
    assert [(one.epoch, one.step) for one in callback.readings] == [(0, 8), (1, 16)]


class Events(keras.callbacks.Callback):
    """Notes what the training does; and what the monitor does, once there is one."""

    def __init__(self, watched: NASMonitorCallback) -> None:
        super().__init__()
        self.events: list[str] = []
        self._watched = watched

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        for name, done in (("launch", "launched"), ("collect", "collected")):
            vars(self._watched.monitor)[name] = self._noting(name, done)

    def _noting(self, name: str, done: str) -> Any:
        method = getattr(self._watched.monitor, name)

        def noting(*args: Any, **kwargs: Any) -> Any:
            found = method(*args, **kwargs)
            self.events += [done] if found else []
            return found

        return noting

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.events.append("step")

    def on_test_end(self, logs: Any = None) -> None:
        self.events.append("validated")


def events(log_freq: Any) -> list[str]:
    callback = NASMonitorCallback(
        log_dir=None, log_freq=log_freq, batch_freq=2, overhead_budget=None, on_error="raise"
    )
    noting = Events(callback)
    fit([callback, noting], epochs=1, batch_size=16)
    return noting.events


def test_a_step_is_trained_before_a_reading_in_flight_is_collected() -> None:
    steps = ["step", "step", "launched", "step", "collected", "step"]
    assert events("batch") == [*steps, "launched", "validated", "collected"]


def test_the_validation_runs_before_the_epochs_reading_is_collected() -> None:
    assert events("epoch") == ["step"] * 4 + ["launched", "validated", "collected"]


def test_launching_copies_nothing_to_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = tiny()
    monitor = Monitor(model, x, overhead_budget=None)
    copies = []
    kind = type(tf.constant(0.0)).__mro__[1]
    for name in ("numpy", "__array__", "__int__", "__float__", "__bool__", "__index__"):
        original = getattr(kind, name)

        def noting(self: Any, *args: Any, original: Any = original, **kwargs: Any) -> Any:
            copies.append(original)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(kind, name, noting)
    assert monitor.launch(lambda: tf.constant(7))
    assert monitor.in_flight
    assert not copies
    reading = monitor.collect()
    # the step, and what was measured
    assert len(copies) == 2
    assert reading is not None
    assert reading.step == 7
    assert not monitor.in_flight
    assert monitor.collect() is None


def never() -> int:
    """A step that nobody may ask for."""
    raise AssertionError


def test_a_loop_of_ones_own_keeps_the_budget() -> None:
    monitor, budget, now = by_a_wound_clock(samples=64, chunk=8)
    budget.learn(Price(0.01, 0.02))
    assert not monitor.launch(1)
    now[0] += 1
    # room for 40 ms; 4 inputs and 8 samples a chunk need 5 chunks of 8 for 40 rows
    assert not monitor.launch(2)
    assert not monitor.launch(never, retry=True)
    now[0] += 0.8
    assert monitor.launch(3)
    reading = monitor.collect()
    assert reading is not None
    assert (reading.samples, reading.thinned, reading.postponed) == (40, True, 2)
    now[0] += 100
    assert monitor.launch(4)
    reading = monitor.collect()
    assert reading is not None
    assert (reading.samples, reading.thinned, reading.postponed) == (64, False, 0)
    now[0] += 100
    budget.pause()
    now[0] += 100
    assert budget.training_seconds == pytest.approx(201.8)


def test_time_after_closing_is_not_training() -> None:
    model, x = tiny()
    monitor = Monitor(model, x)
    monitor.read(1)
    monitor.close()
    trained = monitor.budget.training_seconds
    assert monitor.budget.training_seconds == trained
    monitor.read(2)
    assert monitor.budget.training_seconds > trained


def test_a_monitor_knows_what_a_reading_costs_before_the_first_one() -> None:
    model, x = tiny()
    monitor = Monitor(model, x)
    assert 0 < monitor.budget.expected(1) < 1

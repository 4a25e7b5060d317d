"""A reading on a device that works asynchronously: nothing waits for it, and it is all the same."""

import subprocess
import sys
import time
from pathlib import Path
from threading import Timer
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nasmon import Monitor, NASMonitorCallback
from nasmon.board.histograms import histogram_buckets
from nasmon.budget import OverheadBudget
from nasmon.fetching import BackgroundFetch
from tests.networks import compiled, functional, images, tiny
from tests.slow_device import SlowDevice, slow

__all__ = ["slow"]

X, Y = images(64)
VALIDATION = images(16, seed=1)


def until(holds: Any) -> None:
    """Waits for the thread that fetches."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def fetch_of(monitor: Monitor) -> BackgroundFetch:
    """What brings the reading in flight."""
    flight = monitor._in_flight
    assert flight is not None
    assert isinstance(flight.launched.fetch, BackgroundFetch)
    return flight.launched.fetch


def come_to(monitor: Monitor, device: SlowDevice) -> None:
    """Has the device come to the reading in flight, and no further."""
    device.work(1)
    until(fetch_of(monitor)._mark.done)


def test_nothing_waits_and_the_numbers_are_those_of_a_device_that_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, slow: SlowDevice
) -> None:
    model = functional()
    monitor = Monitor(model, X, overhead_budget=None)
    slow.hold()
    begun = time.perf_counter()
    assert monitor.launch(lambda: tf.constant(7), epoch=2)
    # the device will not go on by itself
    assert time.perf_counter() - begun < 10
    assert monitor.collect() is None
    assert monitor.in_flight
    # another one would have to wait
    assert not monitor.launch(8)
    assert not monitor.launch(9, retry=True)
    assert monitor.postponed == 1
    slow.work()
    reading = monitor.collect(wait=True)
    assert reading is not None
    assert (reading.step, reading.epoch, reading.postponed) == (7, 2, 0)
    assert not monitor.in_flight
    monkeypatch.undo()
    same = Monitor(model, X, overhead_budget=None).read(7, epoch=2)
    np.testing.assert_array_equal(reading.metrics, same.metrics)
    assert reading.spectra is not None
    assert same.spectra is not None
    for name in ("eigenvalues", "correlations"):
        pairs = zip(getattr(reading.spectra, name), getattr(same.spectra, name), strict=True)
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
    # counted by the device, and by the host
    assert same.spectra.pair_counts is None
    for one, other in zip(histogram_buckets(reading), histogram_buckets(same), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)  # edges in float32


def test_a_last_reading_waits_for_one_in_flight(slow: SlowDevice) -> None:
    model, x = tiny()
    monitor = Monitor(model, x, overhead_budget=None)
    slow.hold()
    assert monitor.launch(1)
    Timer(0.05, slow.work).start()
    assert monitor.launch(2, last=True)
    monitor.close()
    assert [reading.step for reading in monitor.readings] == [1, 2]


def test_taking_a_reading_at_once_waits_for_one_in_flight(slow: SlowDevice) -> None:
    model, x = tiny()
    monitor = Monitor(model, x)
    slow.hold()
    assert monitor.launch(1, first=True)
    Timer(0.05, slow.work).start()
    assert monitor.read(2).step == 2
    assert len(monitor.readings) == 2


class Steps(keras.callbacks.Callback):
    """Has the device stand still from one batch to another, and notes what is read meanwhile."""

    def __init__(self, watched: NASMonitorCallback, device: SlowDevice, first: int, last: int):
        super().__init__()
        self._watched, self._device, self._span = watched, device, (first, last)
        self.steps = 0
        self.read: list[int] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.steps == self._span[0]:
            self._device.hold()
        if self.steps == self._span[1]:
            self._device.work()
            until(fetch_of(self._watched.monitor).is_done)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        self.read.append(len(self._watched.readings))


def fit(*callbacks: keras.callbacks.Callback, **settings: Any) -> Any:
    options = {"validation_data": VALIDATION, "batch_size": 4, "verbose": 0, **settings}
    return compiled(functional()).fit(X, Y, callbacks=list(callbacks), **options)


def test_the_training_goes_on_while_the_device_is_at_a_reading(slow: SlowDevice) -> None:
    callback = NASMonitorCallback(
        log_dir=None, log_freq="batch", batch_freq=2, overhead_budget=None, on_error="raise"
    )
    steps = Steps(callback, slow, first=3, last=9)
    fit(callback, steps, epochs=1)
    assert steps.steps == 16
    # 2 was read at once; the reading of 4 is done at 9, and what was due meanwhile comes then
    assert steps.read[3:9] == [1] * 6
    assert steps.read[9] == 2
    assert [one.step for one in callback.readings] == [2, 4, 10, 12, 14, 16]
    assert callback.monitor.postponed == callback.readings[2].postponed == 2


def test_an_epoch_waits_for_its_own_reading_as_its_logs_have_it(slow: SlowDevice) -> None:
    class Late(keras.callbacks.Callback):
        def on_test_begin(self, logs: Any = None) -> None:
            slow.hold()

        def on_test_end(self, logs: Any = None) -> None:
            assert callback.monitor.in_flight
            Timer(0.05, slow.work).start()

    callback = NASMonitorCallback(log_dir=None, overhead_budget=None, on_error="raise")
    history = fit(Late(), callback, epochs=2).history
    assert np.isfinite(history["nas_trace"]).all()
    assert [one.aggregates["trace"] for one in callback.readings] == history["nas_trace"]


def by_a_wound_clock() -> tuple[Monitor, OverheadBudget, list[float]]:
    """A monitor, its budget, and the seconds that the test sets."""
    model, x = tiny()
    now = [0.0]
    budget = OverheadBudget(None, lambda: now[0])
    monitor = Monitor(model, x, overhead_budget=budget)
    budget.resume()
    return monitor, budget, now


def test_the_account_holds_what_the_device_did_behind_the_hosts_back(slow: SlowDevice) -> None:
    monitor, budget, now = by_a_wound_clock()
    slow.hold()
    assert monitor.launch(1)
    now[0] = 30.0
    # it comes to the reading only now: till then it was training
    come_to(monitor, slow)
    now[0] = 70.0
    slow.work(1)
    until(fetch_of(monitor).is_done)
    now[0] = 100.0
    reading = monitor.collect()
    assert reading is not None
    assert reading.probe_seconds == budget.probe_seconds == 40
    assert budget.training_seconds == 60
    assert budget.expected(monitor._probe.chunks) == pytest.approx(40)


def test_the_account_ends_where_the_host_waits_itself(slow: SlowDevice) -> None:
    monitor, budget, now = by_a_wound_clock()
    slow.hold()
    assert monitor.launch(1)
    come_to(monitor, slow)
    now[0] = 10.0

    def go_on() -> None:
        now[0] = 15.0
        slow.work()

    Timer(0.05, go_on).start()
    monitor.collect(wait=True)
    # 10 while the training went on, 5 waited for: each once
    assert budget.probe_seconds == 15
    assert budget.training_seconds == 0


def test_what_fails_on_the_device_is_raised_where_it_is_collected(slow: SlowDevice) -> None:
    model, x = tiny()
    monitor = Monitor(model, x)
    slow.hold()
    assert monitor.launch(1, first=True)
    come_to(monitor, slow)
    slow.fail(MemoryError("no room"))
    slow.work()
    with pytest.raises(tf.errors.ResourceExhaustedError, match="no room"):
        monitor.collect(wait=True)
    assert not monitor.in_flight
    slow.fail(None)
    assert monitor.read(2).step == 2


def test_a_device_that_fails_switches_the_monitor_off_and_nothing_else(slow: SlowDevice) -> None:
    class Failing(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                slow.hold()

        def on_test_end(self, logs: Any = None) -> None:
            if callback.monitor.in_flight and len(callback.readings) == 1:
                come_to(callback.monitor, slow)
                slow.fail(MemoryError("no room"))
                slow.work()

    callback = NASMonitorCallback(log_dir=None, overhead_budget=None)
    with pytest.warns(
        RuntimeWarning, match=r"(?s)switched off .* ResourceExhaustedError: .*no room"
    ):
        history = fit(callback, Failing(), epochs=3).history
    assert len(history["loss"]) == 3
    assert len(callback.readings) == 1


ENDING = """
import time
from nasmon import Monitor
from tests.networks import tiny
from tests.slow_device import install

device = install(setattr)
model, x = tiny()
monitor = Monitor(model, x, csv_path="run.csv")
device.hold()
assert monitor.launch(1, first=True)
print("launched", flush=True)
"""


def test_a_process_may_end_with_a_reading_in_flight(tmp_path: Path) -> None:
    root = str(Path(__file__).parents[1])
    code = f"import sys; sys.path.insert(0, {root!r})\n{ENDING}"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, timeout=50, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stdout) == (0, "launched\n"), ended.stderr

"""Places for readings that a user gives with ``sinks=[...]``."""

import copy
import pickle
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import nasmon
from nasmon import Monitor, NASMonitorCallback
from nasmon.errors import UsageError
from nasmon.record.files import record_path
from nasmon.record.run import read_record
from tests.networks import compiled, functional, images, tiny, unlimited

DATA = images(16)


class Kept:
    """Notes what is asked of it; fails where it is told to."""

    def __init__(self, fails_at: str = "", error: BaseException | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails_at, self.error = fails_at, error or OSError(28, "No space left on device")

    def begin(self, watched: nasmon.Watched) -> None:
        self._note("begin", watched.model_name, *(layer.name for layer in watched.layers))

    def write(self, reading: nasmon.Reading) -> None:
        self._note("write", reading.step)

    def close(self, status: str, error: str | None = None) -> None:
        self._note("close", status, error)

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] == self.fails_at:
            raise self.error


class Bare(nasmon.Sink):
    """The least that inherits."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def write(self, reading: nasmon.Reading) -> None:
        self.steps.append(reading.step)


def trained(*callbacks: Any, epochs: int = 2) -> tuple[keras.Model, list[np.ndarray]]:
    """A model trained for two steps an epoch, and its weights."""
    keras.utils.set_random_seed(0)
    model = compiled(functional())
    model.fit(*DATA, epochs=epochs, batch_size=8, verbose=0, callbacks=list(callbacks))
    return model, model.get_weights()


def test_the_callback_begins_writes_and_closes_in_the_order_of_the_training() -> None:
    kept, bare = Kept(), Bare()
    callback = unlimited(DATA, log_dir=None, sinks=[kept, bare], layers=["head"], on_error="raise")
    model, _ = trained(callback)
    begun, closed = ("begin", "functional", "head"), ("close", "ended", None)
    assert kept.calls == [begun, ("write", 2), ("write", 4), closed]
    # trained once more, the run is taken up
    model.fit(*DATA, batch_size=8, verbose=0, callbacks=[callback])
    assert kept.calls[4:] == [("write", 6), closed]
    assert bare.steps == [2, 4, 6]


def test_a_monitor_tells_how_a_loop_ended() -> None:
    model, x = tiny()
    kept = Kept()

    def loop() -> None:
        with Monitor(model, x, sinks=[kept]) as monitor:
            monitor.read(3)
            raise KeyError("a batch")

    with pytest.raises(KeyError):
        loop()
    failed = ("close", "failed", "KeyError: 'a batch'")
    assert kept.calls == [("begin", "tiny", "dense"), ("write", 3), failed]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SystemExit(3)])
@pytest.mark.parametrize(("method", "asked"), [("begin", 1), ("write", 2), ("close", 4)])
def test_one_that_raises_costs_itself_alone(
    method: str, asked: int, error: BaseException, tmp_path: Path
) -> None:
    failing, kept, csv = Kept(method, error), Kept(), tmp_path / "run.csv"
    callback = unlimited(DATA, log_dir=None, csv_path=csv, sinks=[failing, kept])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, weights = trained(callback)
    (warning,) = [str(one.message) for one in caught if "nasmon" in str(one.message)]
    assert warning.startswith("nasmon: Kept cannot be written, and gets nothing more in this run")
    assert warning.endswith(f"{type(error).__name__}: {error}")
    assert (len(failing.calls), len(kept.calls)) == (asked, 4)
    assert pd.read_csv(csv)["step"].tolist() == [2, 4]
    assert read_record(record_path(csv)).status == "ended"
    for with_it, without in zip(weights, trained()[1], strict=True):
        np.testing.assert_array_equal(with_it, without)


@pytest.mark.parametrize("method", ["begin", "write", "close"])
def test_one_that_raises_stops_the_training_where_that_is_asked_for(method: str) -> None:
    callback = unlimited(DATA, log_dir=None, sinks=[Kept(method)], on_error="raise")
    with pytest.raises(OSError, match="No space"):
        trained(callback)


class Half:
    def write(self, reading: nasmon.Reading) -> None:
        """Keeps nothing."""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (Bare(), "use a list of objects like nasmon.Sink"),
        ("wandb", "sinks is 'wandb'; use a list of objects like nasmon.Sink"),
        (None, "sinks is None; use a list"),
        ([5], r"sinks is \[5\]; int has no method begin, write, close; inherit from nasmon.Sink"),
        ([Bare(), Half()], "Half has no method begin, close; inherit from nasmon.Sink"),
        ([Bare], r"pass an object, Bare\(...\), not its class"),
    ],
)
@pytest.mark.parametrize(
    "make", [partial(NASMonitorCallback, log_dir=None), lambda sinks: Monitor(*tiny(), sinks=sinks)]
)
def test_what_is_no_sink_is_refused_before_the_training(make: Any, given: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        make(sinks=given)
    assert "\n" not in str(refused.value)


def test_what_a_sink_takes_is_the_monitors_time() -> None:
    pause = 0.2

    class Slow(nasmon.Sink):
        def begin(self, watched: nasmon.Watched) -> None:
            time.sleep(pause)

        def write(self, reading: nasmon.Reading) -> None:
            time.sleep(pause)

    model, x = tiny()
    plain, slow = Monitor(model, x), Monitor(model, x, sinks=[Slow()])
    assert slow.setup_seconds > pause
    assert plain.read(1).probe_seconds < pause
    written = slow.read(1)
    # the reading itself is no slower; what it cost is in the account
    assert written.probe_seconds < pause < slow.budget.probe_seconds
    time.sleep(2 * pause)
    # room for a reading of a millisecond, and none for one with its writing
    assert plain.launch(2)
    assert not slow.launch(2)
    plain.close()


def test_a_deep_copy_shares_the_sinks_and_a_pickle_has_its_own() -> None:
    bare = Bare()
    callback = unlimited(DATA, log_dir=None, sinks=[bare], on_error="raise")
    trained(callback, epochs=1)
    trained(copy.deepcopy(callback), epochs=1)
    assert bare.steps == [2, 2]
    loaded = pickle.loads(pickle.dumps(callback))
    trained(loaded, epochs=1)
    assert bare.steps == [2, 2]
    (own,) = loaded._given_sinks
    assert own.steps == [2, 2, 2]

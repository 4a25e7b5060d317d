"""Trainings of every way that Keras has: the same weights with the monitor, and right metrics."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from nasmon import NASMonitorCallback
from tests.networks import unlimited
from tests.oracle import assert_metrics
from tests.support import PAGE, with_tables

SAMPLES = 24


def model_of(**optimizer: Any) -> keras.Model:
    """With everything that keeps a state: a norm, noise, dropout."""
    x = inputs = keras.Input((6, 6, 3))
    for number, width in enumerate((4, 5)):
        x = layers.Conv2D(width, 3, padding="same", name=f"conv{number}")(x)
        x = layers.BatchNormalization(name=f"norm{number}")(x)
        x = layers.Dropout(0.2)(layers.ReLU()(x))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(3, dtype="float32", name="head")(x)
    model = keras.Model(inputs, x)
    model.compile(
        keras.optimizers.Adam(0.01, **optimizer.pop("adam", {})),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **optimizer,
    )
    return model


def data_of() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.random((SAMPLES, 6, 6, 3), np.float32), random.integers(0, 3, SAMPLES)


X, Y = data_of()


def monitor() -> NASMonitorCallback:
    return unlimited((X, Y), samples=SAMPLES, layers=LAYERS, log_dir=None, on_error="raise")


DATASET = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        part = slice(8 * index, 8 * index + 8)
        return X[part], Y[part]


@dataclass(frozen=True)
class Way:
    """A way of training."""

    fit: dict[str, Any] = field(default_factory=dict)
    compiled: dict[str, Any] = field(default_factory=dict)
    policy: str = "float32"
    data: Callable[[], tuple[Any, ...]] = lambda: (X, Y)
    callbacks: Callable[[], list[Any]] = list


WAYS = {
    "mixed_float16": Way(policy="mixed_float16"),
    "mixed_bfloat16": Way(policy="mixed_bfloat16"),
    "float64": Way(policy="float64"),
    "jit_compile=True": Way(compiled={"jit_compile": True}),
    "run_eagerly=True": Way(compiled={"run_eagerly": True}),
    "steps_per_execution": Way(compiled={"steps_per_execution": 2}),
    "gradient accumulation": Way(compiled={"adam": {"gradient_accumulation_steps": 2}}),
    "an average of the weights (EMA)": Way(
        compiled={"adam": {"use_ema": True, "ema_overwrite_frequency": 3}}
    ),
    "`SwapEMAWeights`": Way(
        compiled={"adam": {"use_ema": True}},
        callbacks=lambda: [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)],
    ),
    "`TerminateOnNaN`": Way(callbacks=lambda: [keras.callbacks.TerminateOnNaN()]),
    "`EarlyStopping` with the best weights restored": Way(
        callbacks=lambda: [
            keras.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
        ]
    ),
    "`validation_freq`": Way(fit={"validation_freq": 2}),
    "`class_weight`": Way(fit={"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}),
    "`sample_weight`": Way(fit={"sample_weight": np.linspace(0.1, 1, SAMPLES)}),
    "`tf.data` with `repeat` and `steps_per_epoch`": Way(
        fit={"steps_per_epoch": 2}, data=lambda: (DATASET.repeat(),)
    ),
    "`PyDataset` with workers": Way(data=lambda: (Batches(workers=2, max_queue_size=4),)),
}


@contextmanager
def policy(name: str) -> Iterator[None]:
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


LAYERS = ["conv0", "conv1", "head"]


def trainings_table() -> str:
    """A line a way, for the page."""
    return "\n".join(f"- {name}" for name in WAYS)


def test_the_page_lists_them() -> None:
    page = PAGE.read_text("utf-8")
    assert with_tables(page, {"trainings": trainings_table()}) == page


class Witness(keras.callbacks.Callback):
    """Keeps the activations at the end of each epoch, got by Keras alone."""

    def __init__(self) -> None:
        super().__init__()
        self.activations: list[np.ndarray] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        outputs = [self.model.get_layer(name).output for name in LAYERS]
        self.activations = keras.Model(self.model.inputs, outputs).predict(X, verbose=0)


def trained(way: Way, monitors: list[Any]) -> list[np.ndarray]:
    """All variables after two epochs."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model, data = model_of(**way.compiled), way.data()
    settings: dict[str, Any] = {"batch_size": 8} if len(data) == 2 else {}
    settings |= {"epochs": 2, "validation_data": (X, Y), "shuffle": False, "verbose": 0} | way.fit
    model.fit(*data, **settings, callbacks=[*monitors, *way.callbacks()])
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


@pytest.mark.parametrize("name", WAYS)
def test_a_way_of_training_is_watched_and_the_same(name: str) -> None:
    way, witness = WAYS[name], Witness()
    with policy(way.policy):
        callback = monitor()
        plain = trained(way, [])
        watched = trained(way, [witness, callback])
    for one, other in zip(watched, plain, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(callback.readings) == 2
    reading = callback.readings[-1]
    for layer, found in zip(LAYERS, witness.activations, strict=True):
        assert_metrics(reading[layer], np.asarray(found, np.float64).reshape(-1, found.shape[-1]))


def test_two_monitors_at_once_read_the_same() -> None:
    pair = [monitor(), monitor()]
    watched = trained(Way(), pair)
    for one, other in zip(watched, trained(Way(), []), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in LAYERS:
        assert pair[0].readings[-1][name] == pair[1].readings[-1][name]


def test_a_model_that_was_saved_is_trained_on_and_watched(tmp_path: Path) -> None:
    model = model_of()
    model.fit(X, Y, batch_size=8, verbose=0, callbacks=[monitor()])
    model.save(tmp_path / "model.keras")
    states = []
    for watched in (True, False):
        keras.utils.set_random_seed(2)
        loaded, witness = keras.models.load_model(tmp_path / "model.keras"), Witness()
        callback = monitor()
        loaded.fit(X, Y, 8, shuffle=False, verbose=0, callbacks=[witness, callback][: 2 * watched])
        states.append([np.array(v) for v in (*loaded.variables, *loaded.optimizer.variables)])
        if watched:
            found = witness.activations[1]
            rows = found.reshape(-1, found.shape[-1])
            assert_metrics(callback.readings[-1]["conv1"], rows)
    for one, other in zip(*states, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.filterwarnings("ignore:.*retracing.*")
def test_many_models_in_one_process_leave_no_more_behind_than_keras_does() -> None:
    grown, x = [], X[:, 0, 0]
    for watched in (False, True):
        sizes = []
        for number in range(12):
            keras.backend.clear_session()
            model = keras.Sequential([keras.Input((3,)), layers.Dense(8), layers.Dense(1)])
            model.compile("sgd", "mse")
            callbacks = [unlimited((x, Y), log_dir=None, on_error="raise")] if watched else []
            model.fit(x, Y, verbose=0, callbacks=callbacks)
            del model, callbacks
            if number in (1, 11):
                gc.collect()
                sizes.append(len(gc.get_objects()))
        grown.append(sizes[1] - sizes[0])
    # TensorFlow keeps some of what it traces
    assert grown[1] < grown[0] + 500


def test_another_backend_is_told_of_in_a_line() -> None:
    # which one it is, is said by an environment variable, and the others are not installed here
    script = "import keras; keras.backend.backend = lambda: 'jax'; import nasmon; nasmon.Monitor"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=99
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "nasmon.errors.UsageError: nasmon reads models of Keras's TensorFlow backend, and this is "
        "'jax'; set KERAS_BACKEND=tensorflow before Keras is imported"
    )

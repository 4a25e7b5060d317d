"""What tests/test_replicas.py checks, in a process of its own: one with two devices."""

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nasmon import Monitor, Reading
from tests.networks import images, unlimited

SAMPLES = 36


def convolutional() -> keras.Model:
    """A narrow layer, a wide one whose rows are kept, and layers that draw random numbers."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((12, 16, 3))
    x = keras.layers.Conv2D(6, 3, activation="relu", name="conv")(inputs)
    x = keras.layers.Dropout(0.3)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dense(200, name="wide")(keras.layers.Flatten()(x))
    model = keras.Model(inputs, keras.layers.Dense(4, name="head")(x))
    model.compile("adam", "mse")
    return model


def masked() -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((9,), dtype="int32")
    x = keras.layers.Embedding(20, 5, mask_zero=True, name="embedding")(inputs)
    return keras.Model(inputs, keras.layers.Dense(3, name="dense")(x))


def trained(
    scope: AbstractContextManager[Any], validation: Any, callbacks: Sequence[Any] = ()
) -> list[np.ndarray]:
    """Weights and optimizer state after two epochs."""
    keras.backend.clear_session()
    with scope:
        model = convolutional()
    x, _ = images(32)
    y = np.random.default_rng(2).random((32, 4), np.float32)
    fitting = {"batch_size": 16, "epochs": 2, "verbose": 0, "validation_batch_size": 16}
    model.fit(x, y, validation_data=validation(y), callbacks=[*callbacks], **fitting)
    return [variable.numpy() for variable in (*model.variables, *model.optimizer.variables)]


def as_arrays(y: np.ndarray) -> Any:
    return images(32, seed=1)[0], y


def as_shuffled_dataset(y: np.ndarray) -> Any:
    return tf.data.Dataset.from_tensor_slices(as_arrays(y)).shuffle(32).batch(16)


def all_equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def values(reading: Reading) -> list[list[float]]:
    return reading.metrics.tolist()


def main(folder: Path) -> None:
    """Writes what it found as JSON."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, two)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    found: dict[str, Any] = {"equal": {}, "steps": {}, "traced": []}
    unwatched = trained(strategy.scope(), as_arrays)
    for name, validation in {"arrays": as_arrays, "dataset": as_shuffled_dataset}.items():
        log_dir = folder if name == "arrays" else None
        callback = unlimited(log_dir=log_dir, on_error="raise")
        found["equal"][name] = all_equal(
            trained(strategy.scope(), validation, [callback]), unwatched
        )
        found["steps"][name] = [reading.step for reading in callback.readings]
    found["widths"] = [path.name for path in folder.glob("*_widths.npz")]
    of_both: dict[str, Any] = {"one": nullcontext(), "two": strategy.scope()}
    for devices, scope in of_both.items():
        with scope:
            model, padded, eager = convolutional(), masked(), convolutional()
        eager.compile(run_eagerly=True)
        x = images(SAMPLES)[0]
        steps = np.random.default_rng(0).integers(0, 4, (SAMPLES, 9))
        readings = {}
        for chunk in (36, 12):
            monitor = Monitor(model, x, samples=SAMPLES, chunk=chunk, overhead_budget=None)
            traced = monitor.trace_count()
            readings[f"chunks of {chunk}"] = values(monitor.read(0))
            readings[f"chunks of {chunk}, thinned"] = values(monitor.read(1, samples=12))
            with strategy.scope():
                readings[f"chunks of {chunk}, in the scope"] = values(monitor.read(2))
            found["traced"].append(monitor.trace_count() - traced)
        readings["padded"] = values(Monitor(padded, steps, samples=SAMPLES, chunk=4).read(0))
        readings["eager"] = values(Monitor(eager, x, samples=SAMPLES, chunk=4).read(0))
        found[devices] = readings
    monitor = Monitor(model, x, layers=["conv"], samples=2, chunk=1, overhead_budget=None)
    kernel, bias = (variable.value for variable in model.get_layer("conv").variables)
    found["both copies"] = values(monitor.read(0))
    for variable in (kernel, bias):
        variable.values[1].assign(tf.zeros_like(variable.values[1]))
    found["second copy zero"] = values(monitor.read(1))
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

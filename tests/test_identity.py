"""Training with the monitor is bit for bit the training without it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.networks import Subclassed, functional, images, nested, unlimited


def train(
    build: Callable[[], keras.Model], data: Any, callbacks: list[Any], **settings: Any
) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    """Weights, optimizer state and history after two epochs; everything is seeded."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(42)
    model = build()
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), **settings)
    train_data, validation_data = data()
    fitted = model.fit(
        train_data,
        validation_data=validation_data,
        epochs=2,
        callbacks=callbacks,
        shuffle=False,  # the datasets shuffle themselves
        verbose=0,
    )
    state = [np.array(v) for v in (*model.variables, *model.optimizer.variables)]
    return state, {k: v for k, v in fitted.history.items() if not k.startswith("nas_")}


@cache
def unwatched(build: Callable[[], keras.Model]) -> Any:
    """The training without the monitor, once for all that it is held against."""
    return train(build, batches, [])


def batches() -> tuple[tf.data.Dataset, tf.data.Dataset]:
    """Shuffled training and validation data: an extra read of either would show."""
    dataset = tf.data.Dataset.from_tensor_slices(images(48))
    validation = tf.data.Dataset.from_tensor_slices(images(32, seed=1)).shuffle(32)
    return dataset.shuffle(48).batch(8), validation.batch(8)


def one_dataset_for_both() -> tuple[tf.data.Dataset, tf.data.Dataset]:
    dataset = tf.data.Dataset.from_tensor_slices(images(48)).cache().shuffle(48).batch(8)
    return dataset, dataset


@pytest.mark.parametrize("log_freq", ["epoch", "batch"])
@pytest.mark.parametrize("build", [functional, Subclassed, nested])
def test_weights_are_equal_to_the_last_bit(
    build: Callable[[], keras.Model], log_freq: Any, tmp_path: Path
) -> None:
    callback = unlimited(log_dir=tmp_path, log_freq=log_freq, batch_freq=2, on_error="raise")
    watched, watched_history = train(build, batches, [callback])
    plain, plain_history = unwatched(build)
    assert len(callback.readings) == (2 if log_freq == "epoch" else 6)
    for one, other in zip(watched, plain, strict=True):
        np.testing.assert_array_equal(one, other)
    assert watched_history == plain_history


@pytest.mark.parametrize("settings", [{"run_eagerly": True}, {"jit_compile": True}], ids=str)
def test_so_are_they_when_eager_and_under_xla(settings: dict[str, bool], tmp_path: Path) -> None:
    callback = unlimited(log_dir=tmp_path, on_error="raise")
    watched, _ = train(functional, batches, [callback], **settings)
    plain, _ = train(functional, batches, [], **settings)
    assert len(callback.readings) == 2
    for one, other in zip(watched, plain, strict=True):
        np.testing.assert_array_equal(one, other)


def test_so_are_they_when_probing_the_shuffled_training_data(tmp_path: Path) -> None:
    callback = unlimited(log_dir=tmp_path, on_error="raise")
    watched, _ = train(nested, one_dataset_for_both, [callback])
    plain, _ = train(nested, one_dataset_for_both, [])
    for one, other in zip(watched, plain, strict=True):
        np.testing.assert_array_equal(one, other)

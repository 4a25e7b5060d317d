"""A probe leaves no trace: variables, random states, datasets."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from nasmon.isolation import aside, check_unchanging, untouched


class Restless(layers.Layer):
    """Counts its calls and draws random numbers even when it does not train."""

    def build(self, shape: Any) -> None:
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x: Any) -> Any:
        self.calls.assign_add(1.0)
        self.add_loss(keras.ops.sum(x))
        random.random()
        np.random.random()
        return x + keras.random.normal(keras.ops.shape(x), seed=self.seeds)


def random_states() -> str:
    return f"{random.getstate()} {np.random.get_state(legacy=False)}"


@pytest.mark.parametrize("traced", [False, True])
def test_nothing_that_a_call_changes_is_changed(traced: bool) -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, Restless()(inputs))
    model(tf.ones([2, 3]))
    before = [np.array(variable) for variable in model.non_trainable_variables]
    states = random_states()

    def probe(x: tf.Tensor) -> Any:
        with untouched():
            return model(x, training=False)

    run = tf.function(probe, autograph=False) if traced else probe
    for _ in range(2):
        run(tf.ones([2, 3]))
    for variable, value in zip(model.non_trainable_variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    # Keras drops the losses of the call before; those of the probe must not take their place
    assert not model.losses
    assert states == random_states()


def test_a_model_that_writes_behind_kerass_back_is_refused() -> None:
    counter = tf.Variable(0.0)

    def counting(x: tf.Tensor) -> tf.Tensor:
        counter.assign_add(1.0)
        return x

    def looping(x: tf.Tensor) -> tf.Tensor:
        return tf.while_loop(lambda x: x < 3, lambda x: counting(x) + 1, [x])[0]

    def drawing(x: tf.Tensor) -> tf.Tensor:
        return x + tf.random.get_global_generator().normal([])

    for function in (counting, looping, drawing):
        graph = tf.function(function).get_concrete_function(tf.constant(0.0)).graph
        with pytest.raises(ValueError, match="changes a variable even with training=False"):
            check_unchanging(graph)
    clean = tf.function(lambda x: x * counter + tf.random.normal([]))
    check_unchanging(clean.get_concrete_function(tf.constant(0.0)).graph)


def generated() -> Iterator[np.float32]:
    yield from np.arange(10, dtype=np.float32)


DATASETS: dict[str, Callable[[], tf.data.Dataset]] = {
    "shuffled": lambda: tf.data.Dataset.range(20).shuffle(20).batch(4),
    "seeded": lambda: tf.data.Dataset.range(20).shuffle(8, seed=3).batch(4).prefetch(2),
    "cached, then shuffled": lambda: tf.data.Dataset.range(20).cache().shuffle(20).batch(4),
    "shuffled, then cached": lambda: tf.data.Dataset.range(20).shuffle(20).cache().batch(4),
    "repeated": lambda: tf.data.Dataset.range(20).shuffle(20).repeat(2).batch(4),
    "augmented": lambda: (
        tf.data.Dataset.range(20).shuffle(9).map(lambda x: tf.random.uniform([])).batch(4)
    ),
    "zipped": lambda: (
        tf.data.Dataset.zip((tf.data.Dataset.range(9).shuffle(9), tf.data.Dataset.range(9)))
        .map(lambda a, b: a + b)
        .batch(4)
    ),
    "plain": lambda: tf.data.Dataset.range(20).batch(4),
    "generated": lambda: (
        tf.data.Dataset.from_generator(generated, output_signature=tf.TensorSpec([], tf.float32))
        .shuffle(10)
        .batch(4)
    ),
}


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_read_aside_is_left_as_it_was(name: str) -> None:
    def passes(read_aside: bool) -> list[list[list[float]]]:
        tf.random.set_seed(11)
        dataset = DATASETS[name]()
        if read_aside:
            first = [batch.numpy().tolist() for batch in aside(dataset).take(2)]
            assert len(first) == 2
        return [[batch.numpy().tolist() for batch in dataset] for _ in range(3)]

    assert passes(read_aside=True) == passes(read_aside=False)


def test_aside_yields_the_elements_of_the_first_pass() -> None:
    tf.random.set_seed(5)
    dataset = tf.data.Dataset.range(30).shuffle(30).batch(7)
    first = [batch.numpy().tolist() for batch in aside(dataset)]
    assert first == [batch.numpy().tolist() for batch in dataset]


def test_a_file_cache_is_not_begun(tmp_path: Any) -> None:
    dataset = tf.data.Dataset.range(30).cache(str(tmp_path / "cache")).batch(7)
    next(iter(aside(dataset)))
    assert not list(tmp_path.iterdir())

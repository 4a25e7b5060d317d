"""Small networks of each kind that users build, and data to train them on."""

from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from nasmon import NASMonitorCallback

unlimited = partial(NASMonitorCallback, overhead_budget=None)
"""For tests of what a reading does: trainings of milliseconds leave no room for any."""


def images(count: int = 64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Inputs [count, 12, 16, 3] and masks [count, 12, 16, 1], float32."""
    x = np.random.default_rng(seed).random((count, 12, 16, 3), np.float32)
    return x, (x.mean(-1, keepdims=True) > 0.5).astype(np.float32)


def functional(dropout: float = 0.2) -> keras.Model:
    """A sequential segmentation network with everything that keeps state: norms and dropout."""
    x = inputs = keras.Input((12, 16, 3))
    for index, width in enumerate((8, 16)):
        x = layers.DepthwiseConv2D(3, padding="same", name=f"depthwise{index}")(x)
        x = layers.Conv2D(width, 1, name=f"pointwise{index}")(x)
        x = layers.BatchNormalization(name=f"norm{index}")(x)
        x = layers.ReLU(name=f"relu{index}")(x)
        x = layers.Dropout(dropout, name=f"dropout{index}")(x)
    return keras.Model(inputs, layers.Conv2D(1, 1, name="head")(x), name="functional")


def tiny() -> tuple[keras.Model, np.ndarray]:
    """The least that can be monitored, for tests of what happens around it; and inputs for it."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(4, name="dense")], name="tiny")
    return model, np.random.default_rng(0).random((64, 6), np.float32)


class Block(layers.Layer):
    """A convolution inside a layer inside a subclassed model."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.convolution = layers.Conv2D(width, 3, padding="same", name="convolution")
        self.norm = layers.BatchNormalization(name="norm")

    def call(self, x: Any, training: bool | None = None) -> Any:
        return keras.ops.relu(self.norm(self.convolution(x), training=training))


class Subclassed(keras.Model):
    """Layers in attributes and lists, a shared layer, noise, and a loss added in the call."""

    def __init__(self) -> None:
        super().__init__(name="subclassed")
        self.blocks = [Block(8, name="block0"), Block(8, name="block1")]
        self.noise = layers.GaussianNoise(0.1, name="noise")
        self.shared = layers.Conv2D(8, 1, name="shared")
        self.head = layers.Conv2D(1, 1, name="head")

    def call(self, x: Any, training: bool | None = None) -> Any:
        for block in self.blocks:
            x = self.noise(block(x, training=training), training=training)
        self.add_loss(1e-4 * keras.ops.mean(keras.ops.square(x)))
        return self.head(self.shared(self.shared(x)))


def nested() -> keras.Model:
    """A functional model inside another, and one layer name used in both."""
    inner_in = keras.Input((12, 16, 3))
    inner_x = layers.Conv2D(8, 3, padding="same", name="convolution")(inner_in)
    inner = keras.Model(inner_in, layers.Dropout(0.3)(inner_x), name="encoder")
    inputs = keras.Input((12, 16, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="convolution")(inner(inputs))
    return keras.Model(inputs, layers.Conv2D(1, 1, name="head")(x), name="nested")


def compiled(model: keras.Model, **settings: Any) -> keras.Model:
    """The model, ready to train, without an optimizer that its first step has to build.

    Keras traces that step twice; ``tests/test_identity.py`` trains as users do.
    """
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), **settings)
    if model.built:
        model.optimizer.build(model.trainable_variables)
    return model

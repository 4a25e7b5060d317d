"""Models that can become LiteRT files of 8-bit integers, with weights and inputs for them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from bench.tiny_networks import autoencoder, ds_cnn, mobilenet, resnet8
from nasmon.train.models import build_model


def drawn(model: keras.Model, seed: int = 0) -> keras.Model:
    """As if it were trained: no weight is zero, for zeros are stored once."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = 0.1 * random.standard_normal(weight.shape)
        if "kernel" in weight.path:
            # so that activations neither vanish nor explode
            apart = len(weight.shape) == 4 and weight.shape[-1] == 1
            fan = np.prod(weight.shape[: 2 if apart else -1])
            value *= 10 * (2 / fan) ** 0.5
        elif "variance" in weight.path or "gamma" in weight.path:
            value = 1 + abs(value)
        weight.assign(value)
    return model


def inputs_for(model: keras.Model, count: int = 8) -> Any:
    random = np.random.default_rng(1)

    def of(tensor: Any) -> np.ndarray:
        shape = (count, *tensor.shape[1:])
        if tensor.dtype == "int32":
            return random.integers(0, 20, shape).astype(np.int32)
        return random.standard_normal(shape).astype(tensor.dtype)

    structure = model.inputs if isinstance(model, keras.Sequential) else model._inputs_struct
    found = tf.nest.map_structure(of, structure)
    return found[0] if isinstance(model, keras.Sequential) else found


def conv1d() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((32, 4)),
            layers.Conv1D(8, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling1D(2),
            layers.Conv1D(12, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def branches() -> keras.Model:
    x = keras.Input((24, 24, 3))
    a = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    b = layers.Conv2D(12, 5, padding="same", activation="relu")(x)
    c = layers.Concatenate()([a, b])
    d = layers.BatchNormalization()(layers.ReLU()(layers.Conv2D(16, 3, 2, "same")(c)))
    e = layers.Conv2D(16, 1)(d)
    flat = layers.Flatten()(layers.Add()([d, e]))
    return keras.Model(x, [flat, layers.GlobalMaxPooling2D()(e)])


def many_kinds() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((16, 16, 4)),
            layers.SeparableConv2D(8, 3, padding="same"),
            layers.PReLU(shared_axes=(1, 2)),
            layers.ZeroPadding2D(((0, 1), (0, 1))),
            layers.DepthwiseConv2D(3, 2),
            layers.Conv2D(16, 3, groups=4, padding="same", activation="relu6"),
            layers.Conv2D(12, 1, activation="hard_silu"),
            layers.Conv2DTranspose(6, 3, 2, "same"),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.UpSampling2D((2, 3)),
            layers.Dense(5, activation="silu"),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.AveragePooling2D(2),
            layers.Dropout(0.3),
            layers.Conv2D(3, 1, activation="sigmoid"),
        ]
    )


def embedded() -> keras.Model:
    x = keras.Input((20,), dtype="int32")
    y = layers.Conv1D(12, 3, activation="relu")(layers.Embedding(50, 16)(x))
    return keras.Model(x, layers.Dense(2)(layers.GlobalAveragePooling1D()(y)))


def in_float_between() -> keras.Model:
    x = keras.Input((8, 8, 3))
    y = keras.ops.square(layers.Conv2D(8, 3, padding="same")(x))
    y = layers.ReLU()(layers.Conv2DTranspose(6, 3, 2, "same", use_bias=False)(y))
    return keras.Model(x, layers.Conv2D(2, 1)(y))


def shared() -> keras.Model:
    x, conv = keras.Input((8, 8, 16)), layers.Conv2D(16, 3, padding="same", name="again")
    y = layers.ReLU()(conv(layers.ReLU()(conv(x))))
    return keras.Model(x, layers.Dense(3)(layers.GlobalAveragePooling2D()(y)))


def separable() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.SeparableConv2D(16, 3, padding="same", activation="relu"),
            layers.SeparableConv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(1, 1),
        ]
    )


def mobile_v2() -> keras.Model:
    return keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=4)


MODELS: dict[str, Callable[[], keras.Model]] = {
    "nano_u": lambda: build_model("nano_u"),
    "bu_net": lambda: build_model("bu_net"),
    "ds_cnn": ds_cnn,
    "resnet8": resnet8,
    "mobilenet": mobilenet,
    "autoencoder": autoencoder,
    "mobile_v2": mobile_v2,
    "conv1d": conv1d,
    "branches": branches,
    "many_kinds": many_kinds,
    "embedded": embedded,
    "in_float_between": in_float_between,
    "shared": shared,
    "separable": separable,
}

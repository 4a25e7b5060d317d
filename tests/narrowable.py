"""Small models of every kind that can be narrowed, with inputs for them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

layers = keras.layers


def convolutions() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(6, 3, padding="same", use_bias=False, name="first"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(8, 3, padding="valid", activation="relu", name="second"),
            layers.Flatten(),
            layers.Dense(5, activation="tanh", name="hidden"),
            layers.Dense(2, name="head"),
        ],
        name="convolutions",
    )


def residual() -> keras.Model:
    x = keras.Input((8, 8, 3))
    a = layers.Conv2D(6, 3, padding="same", name="stem")(x)
    b = layers.Conv2D(4, 1, activation="relu", name="squeeze")(a)
    b = layers.Conv2D(6, 3, padding="same", name="expand")(b)
    y = layers.ReLU()(layers.Add()([a, b]))
    y = layers.GlobalAveragePooling2D()(y)
    return keras.Model(x, layers.Dense(3, name="head")(y), name="residual")


def concatenated() -> keras.Model:
    x = keras.Input((8, 8, 2))
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="left")(x)
    b = layers.Conv2D(5, 1, activation="relu", name="right")(x)
    y = layers.Concatenate()([a, b])
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="apart")(y)
    y = layers.PReLU(shared_axes=(1, 2))(y)
    z = layers.Conv2D(4, 1, name="mixed")(layers.Concatenate()([y, a]))
    return keras.Model(x, layers.Dense(2, name="head")(layers.Flatten()(z)), name="concatenated")


def transposed() -> keras.Model:
    x = keras.Input((4, 4, 3))
    y = layers.Conv2D(5, 3, padding="same", activation="relu", name="down")(x)
    y = layers.Conv2DTranspose(4, 2, strides=2, name="up")(y)
    y = layers.LayerNormalization()(y)
    y = layers.SeparableConv2D(6, 3, padding="same", activation="relu", name="separable")(y)
    return keras.Model(x, layers.Conv2D(1, 1, name="head")(y), name="transposed")


def sequences() -> keras.Model:
    x = keras.Input((10, 4))
    y = layers.Conv1D(6, 3, padding="causal", activation="relu", name="conv")(x)
    y = layers.DepthwiseConv1D(3, padding="same")(y)
    y = layers.SeparableConv1D(5, 3, padding="same", name="separable")(y)
    y = layers.EinsumDense("abc,cd->abd", (None, 7), bias_axes="d", name="einsum")(y)
    y = layers.Dense(4, activation="gelu", name="dense")(y)
    y = layers.Conv1DTranspose(3, 3, name="back")(y)
    return keras.Model(x, layers.Dense(2, name="head")(y), name="sequences")


def gated() -> keras.Model:
    """Squeeze and excitation, with a reshape that has a width in its settings."""
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(x)
    s = layers.Reshape((1, 1, 8))(layers.GlobalAveragePooling2D()(y))
    s = layers.Conv2D(4, 1, activation="relu", name="squeeze")(s)
    s = layers.Conv2D(8, 1, activation="sigmoid", name="excite")(s)
    y = layers.Multiply()([y, s])
    return keras.Model(x, layers.Conv2D(2, 1, name="head")(y), name="gated")


def nested() -> keras.Model:
    inner_in = keras.Input((6,))
    inner = layers.Dense(7, activation="relu", name="inside")(inner_in)
    inner = keras.Model(inner_in, layers.Dense(6, name="back")(inner), name="block")
    x = keras.Input((4,))
    y = layers.Dense(6, activation="relu", name="before")(x)
    # called twice: one kernel for both
    y = inner(inner(y))
    tail = keras.Sequential([layers.Dense(5, activation="relu", name="last")], name="tail")
    return keras.Model(x, layers.Dense(2, name="head")(tail(y)), name="nested")


def several() -> keras.Model:
    """Two inputs, two outputs, a shared layer."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(6, activation="relu", name="shared")
    y = layers.Concatenate()([shared(a), shared(b)])
    y = layers.Dense(5, activation="relu", name="joined")(y)
    outputs = {"one": layers.Dense(2, name="one")(y), "two": layers.Dense(1, name="two")(shared(a))}
    return keras.Model({"a": a, "b": b}, outputs, name="several")


def volumes() -> keras.Model:
    x = keras.Input((4, 4, 4, 2))
    y = layers.Conv3D(5, 3, padding="same", activation="relu", name="conv")(x)
    y = layers.Conv3DTranspose(4, 2, name="up")(y)
    return keras.Model(x, layers.Conv3D(2, 1, name="head")(y), name="volumes")


def grouped() -> keras.Model:
    """Blocks of ResNeXt's kind, of other numbers of groups, which an add ties to each other."""
    x = keras.Input((6, 6, 3))
    a = layers.Conv2D(12, 3, padding="same", name="stem")(x)
    b = layers.Conv2D(12, 3, groups=2, padding="same", use_bias=False, name="halves")(a)
    b = layers.ReLU()(layers.BatchNormalization()(b))
    b = layers.PReLU(shared_axes=(1, 2, 3))(b)
    b = layers.Conv2D(12, 1, groups=3, name="thirds")(b)
    y = layers.Conv2D(8, 1, groups=2, activation="relu", name="again")(layers.Add()([a, b]))
    return keras.Model(x, layers.Conv2D(2, 1, name="head")(y), name="grouped")


def recurrent() -> keras.Model:
    x = keras.Input((7, 4))
    y = layers.LSTM(6, return_sequences=True, name="lstm")(x)
    y = layers.Dense(8, activation="relu", name="between")(y)
    y = layers.GRU(5, return_sequences=True, name="gru")(y)
    y = layers.GRU(5, reset_after=False, return_sequences=True, name="before")(y)
    y = layers.SimpleRNN(6, name="simple")(y)
    return keras.Model(x, layers.Dense(2, name="head")(y), name="recurrent")


MODELS: tuple[Callable[[], keras.Model], ...] = (
    *(convolutions, residual, concatenated, transposed, sequences, gated, nested, several, volumes),
    *(grouped, recurrent),
)


def inputs_for(model: keras.Model, samples: int = 48, seed: int = 0) -> Any:
    """Random inputs, in the structure of the model's."""
    random = np.random.default_rng(seed)

    def drawn(tensor: Any) -> np.ndarray:
        return random.standard_normal((samples, *tensor.shape[1:])).astype(np.float32)

    single = isinstance(model, keras.Sequential)
    return keras.tree.map_structure(drawn, model.inputs[0] if single else model._inputs_struct)


def unsettled(model: keras.Model, seed: int = 0) -> keras.Model:
    """The model with all weights random, those of normalizations and biases too."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        value = random.standard_normal(weight.shape) * 0.5
        if "variance" in weight.name:
            value = np.abs(value) + 0.5
        weight.assign(value)
    return model

"""The trainings that the monitor's cost is measured on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.train.data.pipelines import build_pipelines
from nasmon.train.data.terrain import load_terrain
from nasmon.train.fitting import compile_model
from nasmon.train.models import build_model

VALIDATION = 256
"""Validation samples, enough for the largest probe set."""


class Training(NamedTuple):
    """A model, ready to train, and what it is trained on."""

    model: keras.Model
    train: tf.data.Dataset  # batches of one epoch
    validation: np.ndarray  # inputs to probe with


def segmentation(name: str) -> Training:
    """``nano_u`` or ``bu_net`` on the data of ``python -m train``, in its batches."""
    data = build_pipelines(load_terrain(512, VALIDATION), 8, seed=0)
    model = build_model(name)
    compile_model(model, 1e-3, 0.004, 100 * len(data.train))
    validation = np.concatenate([batch for batch, _ in data.val])
    return Training(model, data.train, validation)


def mobilenet() -> Training:
    """``keras.applications.MobileNetV2`` for ten classes of 96 x 96 images, random weights."""
    model = keras.applications.MobileNetV2((96, 96, 3), weights=None, classes=10)
    return _classification(model, (96, 96, 3), 10, batch=32, batches=32)


def resnet() -> Training:
    """``keras.applications.ResNet50`` for ten classes of 64 x 64 images, random weights."""
    model = keras.applications.ResNet50(input_shape=(64, 64, 3), weights=None, classes=10)
    return _classification(model, (64, 64, 3), 10, batch=32, batches=32)


APPLICATIONS = {
    "MobileNet": 32,
    "MobileNetV2": 32,
    "MobileNetV3Small": 32,
    "MobileNetV3Large": 32,
    "EfficientNetB0": 32,
    "EfficientNetV2B0": 32,
    "ResNet50": 32,
    "ResNet50V2": 32,
    "DenseNet121": 32,
    "ConvNeXtTiny": 32,
    "VGG16": 32,
    "VGG19": 32,
    "NASNetMobile": 32,
    "Xception": 71,
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
}
"""Networks of ``keras.applications``, one or two of each family, and pixels a side of small images
that they take."""


def network(name: str) -> keras.Model:
    """One of ``APPLICATIONS`` for ten classes, random weights."""
    shape = (APPLICATIONS[name], APPLICATIONS[name], 3)
    return getattr(keras.applications, name)(input_shape=shape, weights=None, classes=10)


def application(name: str) -> Training:
    """One of ``APPLICATIONS``, and a few batches."""
    model = network(name)
    return _classification(model, model.input_shape[1:], 10, batch=8, batches=8)


class Blocks(keras.Model):
    """A subclassed classifier: convolutions in lists, and a shared head."""

    def __init__(self, widths: tuple[int, ...] = (32, 64, 64, 128)) -> None:
        super().__init__(name="subclassed")
        layers = keras.layers
        self.convolutions = [
            layers.Conv2D(width, 3, 2 if index else 1, "same", use_bias=False)
            for index, width in enumerate(widths)
        ]
        self.norms = [layers.BatchNormalization() for _ in widths]
        self.head = layers.Dense(10, name="head")

    def call(self, x: Any, training: bool | None = None) -> Any:
        """Images [B, H, W, 3] to logits [B, 10]."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = keras.ops.relu(norm(convolution(x), training=training))
        return self.head(keras.ops.mean(x, axis=(1, 2)))


def subclassed() -> Training:
    """``Blocks`` for ten classes of 32 x 32 images."""
    return _classification(Blocks(), (32, 32, 3), 10, batch=32, batches=64)


TRAININGS: dict[str, Callable[[], Training]] = {
    "nano_u": lambda: segmentation("nano_u"),
    "bu_net": lambda: segmentation("bu_net"),
    "MobileNetV2": mobilenet,
    "ResNet50": resnet,
    "subclassed": subclassed,
}


def training(name: str) -> Training:
    """One of ``TRAININGS``, or of ``APPLICATIONS`` as "applications.MobileNet"."""
    return application(name.removeprefix("applications.")) if "." in name else TRAININGS[name]()


def with_kernels(model: keras.Model, prefix: str = "") -> dict[str, keras.Layer]:
    """The layers of a classifier that multiply their input, by their paths, in its order."""
    kinds = (
        *(keras.layers.Dense, keras.layers.Conv2D),
        *(keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D),
    )
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found.update(with_kernels(layer, f"{prefix}{layer.name}/"))
        elif isinstance(layer, kinds):
            found[f"{prefix}{layer.name}"] = layer
    return found


def _classification(
    model: keras.Model, shape: tuple[int, int, int], classes: int, batch: int, batches: int
) -> Training:
    rng = np.random.default_rng(0)
    x = rng.random((batch * batches, *shape), np.float32)
    y = rng.integers(0, classes, len(x))
    # those of keras.applications end in a softmax
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=isinstance(model, Blocks))
    model.compile("adam", loss, metrics=["accuracy"], jit_compile=False)
    # without autotuning, as in train/data/pipelines.py: its thread would hold up an epoch, now
    # by nothing, now by as long as the epoch took
    options = tf.data.Options()
    options.autotune.enabled = False
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch, drop_remainder=True).cache()
    data = data.with_options(options)
    return Training(model, data, rng.random((VALIDATION, *shape), np.float32))

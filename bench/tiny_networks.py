"""Small networks by any width: the four of MLPerf Tiny (Banbury et al. 2021, arXiv 2106.07597).

And a small MobileNetV2. Rebuilt from the papers that they are from; all give logits, but the
autoencoder.
"""

from collections.abc import Sequence

import keras
from keras import layers


def ds_cnn(
    width: int = 64, input_shape: tuple[int, int, int] = (49, 40, 1), classes: int = 10
) -> keras.Model:
    """Keyword spotting: a convolution of 10 x 4, then four depthwise-separable ones.

    Zhang et al. 2017 (arXiv 1711.07128).
    """
    image = keras.Input(input_shape, name="spectrogram")
    x = _normed(layers.Conv2D(width, (10, 4), 2, "same", use_bias=False, name="first"), image)
    for number in range(1, 5):
        depthwise = layers.DepthwiseConv2D(
            3, padding="same", use_bias=False, name=f"block{number}_depthwise"
        )
        pointwise = layers.Conv2D(width, 1, use_bias=False, name=f"block{number}_pointwise")
        x = _normed(pointwise, _normed(depthwise, x))
    x = layers.Dropout(0.2, name="dropout")(layers.GlobalAveragePooling2D(name="mean")(x))
    return keras.Model(image, layers.Dense(classes, name="head")(x), name="ds_cnn")


def resnet8(
    widths: Sequence[int] = (16, 32, 64),
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
) -> keras.Model:
    """Image classification: three residual blocks of two convolutions; He et al. 2015."""
    image = keras.Input(input_shape, name="image")
    x = _normed(_conv3(widths[0], 1, "first"), image)
    for number, width in enumerate(widths, start=1):
        name, stride = f"block{number}", 1 if number == 1 else 2
        y = _normed(_conv3(width, stride, f"{name}_first"), x)
        second = _conv3(width, 1, f"{name}_second")
        y = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_second_norm")(second(y))
        if stride > 1:
            x = layers.Conv2D(width, 1, stride, "same", name=f"{name}_shortcut")(x)
        x = layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name="resnet8")


def mobilenet(
    alpha: float = 0.25, input_shape: tuple[int, int, int] = (96, 96, 3), classes: int = 2
) -> keras.Model:
    """Visual wake words: MobileNetV1; Howard et al. 2017 (arXiv 1704.04861)."""
    image = keras.Input(input_shape, name="image")
    x = _normed(_conv3(int(32 * alpha), 2, "first"), image)
    for number, (filters, stride) in enumerate(_MOBILENET, start=1):
        depthwise = layers.DepthwiseConv2D(
            3, stride, "same", use_bias=False, name=f"block{number}_depthwise"
        )
        width = int(filters * alpha)
        pointwise = layers.Conv2D(width, 1, use_bias=False, name=f"block{number}_pointwise")
        x = _normed(pointwise, _normed(depthwise, x))
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name="mobilenet")


def mobilenet_v2(
    widths: Sequence[int] = (16, 24, 32, 64),
    input_shape: tuple[int, int, int] = (32, 32, 3),
    classes: int = 10,
) -> keras.Model:
    """Small images: two inverted residual blocks a width; Sandler et al. (arXiv 1801.04381)."""
    image = keras.Input(input_shape, name="image")
    x = _normed(_conv3(widths[0], 2, "first"), image)
    for number, width in enumerate(widths, start=1):
        for part in (1, 2):
            name, stride = f"block{number}_{part}", 2 if part == 1 and number > 2 else 1
            wide = layers.Conv2D(6 * x.shape[-1], 1, use_bias=False, name=f"{name}_expand")
            depthwise = layers.DepthwiseConv2D(
                3, stride, "same", use_bias=False, name=f"{name}_depthwise"
            )
            y = _normed(depthwise, _normed(wide, x))
            project = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_project")
            y = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_project_norm")(
                project(y)
            )
            x = y if part == 1 else layers.Add(name=f"{name}_add")([x, y])
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(image, layers.Dense(classes, name="head")(x), name="mobilenet_v2")


def autoencoder(inputs: int = 640, width: int = 128, narrowest: int = 8) -> keras.Model:
    """Anomaly detection: dense layers down to eight numbers and back; DCASE 2020, task 2."""
    features = keras.Input((inputs,), name="features")
    x = features
    for number, units in enumerate([*[width] * 4, narrowest, *[width] * 4], start=1):
        x = _normed(layers.Dense(units, name=f"dense{number}"), x)
    return keras.Model(features, layers.Dense(inputs, name="head")(x), name="autoencoder")


MOMENTUM = 0.9
"""Of batch normalizations, which a training of a few hundred steps has to settle."""

_MOBILENET = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *[(512, 1)] * 5,
    *((1024, 2), (1024, 1)),
)


def _conv3(width: int, stride: int, name: str) -> keras.Layer:
    return layers.Conv2D(width, 3, stride, "same", use_bias=False, name=name)


def _normed(layer: keras.Layer, x: keras.KerasTensor) -> keras.KerasTensor:
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{layer.name}_norm")(layer(x))
    return layers.ReLU(name=f"{layer.name}_relu")(x)

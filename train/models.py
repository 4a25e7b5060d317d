"""Segmentation models of depthwise-separable blocks, built from one width per block.

Both models share their stages: two blocks at each resolution, max-pooling of 2x2, 2x2 and 3x2 on
the way down, a bottleneck of two blocks, nearest-neighbour upsampling on the way up, and a 1x1
head that gives one logit per pixel. ``nano_u`` is strictly sequential; ``bu_net`` also hands each
stage's output across to its counterpart (Ronneberger et al. 2015, arXiv 1505.04597).

TensorFlow is imported when a model is built, so the table of models can be read without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nasmon.config_file import shown_value
from nasmon.errors import UsageError

if TYPE_CHECKING:
    import keras

POOLS = ((2, 2), (2, 2), (3, 2))
BLOCKS_PER_STAGE = 2
STAGE_NAMES = ("down1", "down2", "down3", "bottleneck", "up1", "up2", "up3")
BLOCK_NAMES = tuple(
    f"{stage}_block{number}" for stage in STAGE_NAMES for number in range(1, BLOCKS_PER_STAGE + 1)
)
SHORT_COUNT = len(POOLS) + 1
MOST_WIDTH = 4096
"""Of a block: with all 14 so wide the model has 200 million parameters, and takes 4 GB to train."""

INPUT_SHAPE = (60, 80, 3)

# Keras's 0.99 needs some 500 steps to forget its start, ten epochs of a small data set.
BATCH_NORM_MOMENTUM = 0.9


class ModelSpec(NamedTuple):
    """One entry of the table of models."""

    build: Callable[[str, tuple[int, ...], tuple[int, int, int]], keras.Model]
    widths: tuple[int, ...]  # short form: one per stage down, then the bottleneck
    input_shape: tuple[int, int, int]  # height, width, channels


def expand_widths(widths: Sequence[int]) -> tuple[int, ...]:
    """Give one width per block, from the long or the short form.

    Args:
        widths: Either one width per block, in the order of ``BLOCK_NAMES``, or one per stage on
            the way down and one for the bottleneck; the way up then mirrors the way down.

    Returns:
        One width per block, in the order of ``BLOCK_NAMES``.

    Raises:
        UsageError: If the count fits neither form, or a width is below 1 or above ``MOST_WIDTH``.

    Example:
        >>> expand_widths((4, 8, 16, 16))
        (4, 4, 8, 8, 16, 16, 16, 16, 16, 16, 8, 8, 4, 4)
    """
    widths = tuple(widths)
    if len(widths) not in (SHORT_COUNT, len(BLOCK_NAMES)):
        raise UsageError(
            f"widths has {len(widths)} numbers; give {SHORT_COUNT} (one per stage down and the "
            f"bottleneck) or {len(BLOCK_NAMES)} (one per block)"
        )
    wrong = next((width for width in widths if not 1 <= width <= MOST_WIDTH), None)
    if wrong is not None:
        raise UsageError(
            f"widths holds {shown_value(wrong)}; every width is a whole number from 1 to "
            f"{MOST_WIDTH}"
        )
    if len(widths) == len(BLOCK_NAMES):
        return widths
    stages = (*widths, *reversed(widths[:-1]))
    return tuple(width for width in stages for _ in range(BLOCKS_PER_STAGE))


def build_model(
    name: str,
    widths: Sequence[int] | None = None,
    input_shape: tuple[int, int, int] | None = None,
) -> keras.Model:
    """Build an untrained model by name.

    Args:
        name: A key of ``MODELS``.
        widths: Channels of each block, in either form of ``expand_widths``; None for the default.
        input_shape: Height, width and channels of the input; None for the model's own. Height
            must be a multiple of 12 and width of 8, the product of the poolings.

    Returns:
        A functional Keras model: float32 images ``[B, H, W, channels]`` to logits ``[B, H, W, 1]``.

    Raises:
        UsageError: If the name, the widths or the input shape cannot be used.
    """
    if name not in MODELS:
        raise UsageError(f"model {name!r} is not known; use one of {', '.join(MODELS)}")
    spec = MODELS[name]
    shape = spec.input_shape if input_shape is None else input_shape
    _check_input_shape(shape)
    return spec.build(name, expand_widths(spec.widths if widths is None else widths), shape)


def _check_input_shape(shape: tuple[int, int, int]) -> None:
    rows, columns = 1, 1
    for pool in POOLS:
        rows, columns = rows * pool[0], columns * pool[1]
    fits = len(shape) == 3 and min(shape) >= 1
    if not (fits and shape[0] % rows == 0 and shape[1] % columns == 0):
        raise UsageError(
            f"input shape {shape} does not fit the poolings; use (height, width, channels) with "
            f"a height that is a multiple of {rows} and a width that is a multiple of {columns}"
        )


def _nano_u(name: str, widths: tuple[int, ...], input_shape: tuple[int, int, int]) -> keras.Model:
    return _encoder_decoder(name, widths, input_shape, skips=False)


def _bu_net(name: str, widths: tuple[int, ...], input_shape: tuple[int, int, int]) -> keras.Model:
    return _encoder_decoder(name, widths, input_shape, skips=True)


def _encoder_decoder(
    name: str, widths: tuple[int, ...], input_shape: tuple[int, int, int], skips: bool
) -> keras.Model:
    import keras

    width_of = dict(zip(BLOCK_NAMES, widths, strict=True))
    image = keras.Input(input_shape, name="image")
    x, kept = image, []
    for number, pool in enumerate(POOLS, start=1):
        x = _stage(x, f"down{number}", width_of)
        kept.append(x)
        x = keras.layers.MaxPooling2D(pool, name=f"down{number}_pool")(x)
    x = _stage(x, "bottleneck", width_of)
    for number, pool in enumerate(reversed(POOLS), start=1):
        x = keras.layers.UpSampling2D(pool, name=f"up{number}_upsample")(x)
        if skips:
            x = keras.layers.Concatenate(name=f"up{number}_skip")([x, kept.pop()])
        x = _stage(x, f"up{number}", width_of)
    logits = keras.layers.Conv2D(1, 1, name="head")(x)
    return keras.Model(image, logits, name=name)


def _stage(x: keras.KerasTensor, stage: str, width_of: dict[str, int]) -> keras.KerasTensor:
    for number in range(1, BLOCKS_PER_STAGE + 1):
        block = f"{stage}_block{number}"
        x = _block(x, block, width_of[block])
    return x


def _block(x: keras.KerasTensor, block: str, width: int) -> keras.KerasTensor:
    """3x3 depthwise, batch norm, ReLU, 1x1 to ``width`` channels, batch norm, ReLU."""
    from keras import layers

    for role, convolution in (
        ("depthwise", layers.DepthwiseConv2D(3, padding="same", use_bias=False)),
        ("pointwise", layers.Conv2D(width, 1, use_bias=False)),
    ):
        convolution.name = f"{block}_{role}"
        x = convolution(x)
        x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{block}_{role}_norm")(x)
        x = layers.ReLU(name=f"{block}_{role}_relu")(x)
    return x


MODELS: dict[str, ModelSpec] = {
    "nano_u": ModelSpec(_nano_u, (16, 32, 64, 64), INPUT_SHAPE),
    "bu_net": ModelSpec(_bu_net, (24, 48, 128, 192), INPUT_SHAPE),
}

"""What a layer's parameters and multiply-adds grow with: the width of its input, of its output."""

from collections.abc import Mapping
from math import prod

import keras

DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
"""Layers that keep channels apart, so that their width is their input's."""


_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)


MIXING = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    *_SEPARABLE,
    keras.layers.Dense,
    keras.layers.EinsumDense,
)
"""Layers with a kernel over all channels, which own the width of their output."""


PER_CHANNEL = tuple(
    getattr(keras.layers, name)
    for name in ("BatchNormalization", "LayerNormalization", "RMSNormalization", "PReLU")
    # RMSNormalization came after Keras 3.10
    if hasattr(keras.layers, name)
)
"""Layers with some weights for each channel."""


GROWTHS = ("in_out", "in", "out", "fixed")
"""With the product of both widths, the input's width, the output's width, or neither."""


def is_bound(layer: keras.Layer) -> bool:
    """Whether a layer's widths must suit each other, as those of a grouped convolution."""
    if isinstance(layer, keras.layers.EinsumDense):
        return len(layer.kernel.shape) != 2
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    return channels_first or getattr(layer, "groups", 1) > 1


def fan_in(layer: keras.Layer) -> int | None:
    """How many numbers each output is a linear combination of; None if it is none of them."""
    if not isinstance(layer, MIXING) or is_bound(layer):
        return None
    if layer.activation is not None and layer.activation is not keras.activations.linear:
        return None
    if isinstance(layer, _SEPARABLE):
        return int(layer.pointwise_kernel.shape[-2])
    transposed = type(layer).__name__.endswith("Transpose")
    *space, incoming, outgoing = layer.kernel.shape
    positions = 1
    for size in space:
        positions *= int(size)
    return positions * int(outgoing if transposed else incoming)


def params_by_growth(layer: keras.Layer) -> dict[str, int]:
    """A layer's parameters, by GROWTHS."""
    params = dict.fromkeys(GROWTHS, 0)
    for weight in layer.weights:
        params[_growth(layer, weight)] += prod(weight.shape)
    return params


def _growth(layer: keras.Layer, weight: keras.Variable) -> str:
    if isinstance(layer, (*DEPTHWISE, *PER_CHANNEL)):
        return "in"
    if not isinstance(layer, MIXING) or len(layer.weights) > 3:
        return "fixed"
    if weight.name == "bias":
        return "out"
    if isinstance(layer, _SEPARABLE) and weight.name.startswith("depthwise"):
        return "in"
    return "in_out"


def macs_by_growth(layer: keras.Layer, macs: Mapping[str, int], samples: int) -> dict[str, int]:
    """A call's multiply-adds for one input, by GROWTHS.

    Args:
        layer: that was called.
        macs: by type of operation, of all samples.
        samples: how many inputs went in.
    """
    growths = dict.fromkeys(GROWTHS, 0)
    for operation, count in macs.items():
        if isinstance(layer, DEPTHWISE) or operation.startswith("DepthwiseConv"):
            growths["in"] += count // samples
        else:
            growths["in_out" if isinstance(layer, MIXING) else "fixed"] += count // samples
    return growths

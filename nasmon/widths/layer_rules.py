"""What is known of each kind of layer: one table, which all that touches layers iterates.

Which axes of its weights grow with the width of its input and of its output, where its config holds
that width, and what it does to channels. Counting parameters and multiply-adds iterates it; so will
rebuilding a layer with other widths, and carrying its weights over.
"""

import re
from collections.abc import Mapping
from math import prod
from typing import Literal, NamedTuple

import keras

from nasmon.errors import UsageError

SCALINGS = ("in_out", "in", "out", "out_out", "fixed")
"""With the product of both widths, the input's, the output's, its square, or neither."""

Effect = Literal["mixes", "groups", "recurs", "repeats", "keeps", "binds"]
"""What a layer does to channels.

"mixes": each output channel is made of all input channels, and the layer owns its output's width.
"groups": the same within groups of channels, so that both widths are multiples of their number.
"recurs": the same, also of all channels that the layer put out a step before.
"repeats": each input channel becomes as many output channels as the layer's multiplier says.
"keeps": each output channel is made of the input channel in its place. "binds": the widths that go
in and come out must suit each other in a way that is not followed.
"""


class Axes(NamedTuple):
    """The axes of a weight that are as long as a width, or a multiple of it; None for none."""

    input: int | None = None
    output: int | None = None
    own: int | None = None  # of what the layer put out a step before, as long as the output

    @property
    def scaling(self) -> str:
        """What the weight's size grows with, one of SCALINGS."""
        if self.own is not None:
            return "out_out"
        if self.input is None:
            return "fixed" if self.output is None else "out"
        return "in" if self.output is None else "in_out"


class LayerRule(NamedTuple):
    """What is known of a kind of layer."""

    kind: type[keras.Layer]
    effect: Effect
    width: str | None = None  # the key of the config that holds the output's width
    weights: Mapping[str, Axes] = {}  # by the name of the weight
    multiplier: str | None = None  # the key that says how often channels are repeated


_BIAS = {"bias": Axes(output=-1)}
_PRODUCT = {"kernel": Axes(input=-2, output=-1), **_BIAS}
_TRANSPOSED = {"kernel": Axes(input=-1, output=-2), **_BIAS}
_SEPARABLE = {
    "depthwise_kernel": Axes(input=-2),
    "pointwise_kernel": Axes(input=-2, output=-1),
    **_BIAS,
}
_DEPTHWISE = {"kernel": Axes(input=-2), "bias": Axes(input=-1)}
_RECURRENT = {**_PRODUCT, "recurrent_kernel": Axes(output=-1, own=-2)}
_SCALED = {"gamma": Axes(input=-1), "beta": Axes(input=-1)}
_MOMENTS = {"moving_mean": Axes(input=-1), "moving_variance": Axes(input=-1)}

LAYER_RULES: tuple[LayerRule, ...] = (
    LayerRule(keras.layers.Conv1D, "mixes", "filters", _PRODUCT),
    LayerRule(keras.layers.Conv2D, "mixes", "filters", _PRODUCT),
    LayerRule(keras.layers.Conv3D, "mixes", "filters", _PRODUCT),
    LayerRule(keras.layers.Conv1DTranspose, "mixes", "filters", _TRANSPOSED),
    LayerRule(keras.layers.Conv2DTranspose, "mixes", "filters", _TRANSPOSED),
    LayerRule(keras.layers.Conv3DTranspose, "mixes", "filters", _TRANSPOSED),
    LayerRule(keras.layers.SeparableConv1D, "mixes", "filters", _SEPARABLE),
    LayerRule(keras.layers.SeparableConv2D, "mixes", "filters", _SEPARABLE),
    LayerRule(keras.layers.Dense, "mixes", "units", _PRODUCT),
    LayerRule(keras.layers.EinsumDense, "mixes", "output_shape", _PRODUCT),
    LayerRule(keras.layers.DepthwiseConv1D, "repeats", None, _DEPTHWISE, "depth_multiplier"),
    LayerRule(keras.layers.DepthwiseConv2D, "repeats", None, _DEPTHWISE, "depth_multiplier"),
    LayerRule(keras.layers.BatchNormalization, "keeps", None, {**_SCALED, **_MOMENTS}),
    LayerRule(keras.layers.LayerNormalization, "keeps", None, _SCALED),
    LayerRule(keras.layers.GroupNormalization, "keeps", None, _SCALED),
    *(
        LayerRule(kind, "keeps", None, {"scale": Axes(input=-1)})
        # it came after Keras 3.10
        for kind in [getattr(keras.layers, "RMSNormalization", None)]
        if kind is not None
    ),
    LayerRule(keras.layers.PReLU, "keeps", None, {"alpha": Axes(input=-1)}),
    LayerRule(keras.layers.LSTM, "recurs", "units", _RECURRENT),
    LayerRule(keras.layers.GRU, "recurs", "units", _RECURRENT),
    LayerRule(keras.layers.SimpleRNN, "recurs", "units", _RECURRENT),
    LayerRule(keras.layers.ConvLSTM1D, "binds", "filters"),
    LayerRule(keras.layers.ConvLSTM2D, "binds", "filters"),
    LayerRule(keras.layers.ConvLSTM3D, "binds", "filters"),
    LayerRule(keras.layers.Permute, "binds"),
    LayerRule(keras.layers.Dot, "binds"),
    LayerRule(keras.layers.Attention, "binds"),
    LayerRule(keras.layers.AdditiveAttention, "binds"),
)


_APART = tuple(
    LayerRule(kind, "repeats", "filters", {"kernel": Axes(output=-1), **_BIAS})
    for kind in (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
)
"""Of convolutions with a group for each channel: depthwise ones by another name."""

_DECLARED: list[LayerRule] = []


def declare_per_channel(
    kind: type[keras.Layer], weights: Mapping[str, int], width: str | None = None
) -> None:
    """Says of layers of your own that each of their output channels is made of one input channel.

    Their widths then follow those of their inputs; else they hold up what goes into them. A layer
    without weights needs no declaration.

    Args:
        kind: the class; those derived from it are declared with it.
        weights: by name, the attribute's or the weight's own, the axis that is as long as there are
            channels.
        width: the key of ``get_config()`` that holds the number of channels, if one does.

    Raises:
        UsageError: the class is none of Keras's layers, or an axis is no whole number.

    Example:
        >>> class Scaled(keras.layers.Layer):
        ...     def build(self, shape):
        ...         self.scale = self.add_weight(shape=shape[-1:], name="scale")
        ...
        ...     def call(self, x):
        ...         return x * self.scale
        >>> declare_per_channel(Scaled, {"scale": 0})
    """
    if not (isinstance(kind, type) and issubclass(kind, keras.Layer)):
        raise UsageError(f"kind is {kind!r}; pass a class of layers")
    axes = {}
    for name, axis in weights.items():
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise UsageError(f"the axis of {name!r} is {axis!r}; use a whole number, such as -1")
        axes[name] = Axes(input=axis)
    # the latest declaration of a class is the one that holds
    _DECLARED.insert(0, LayerRule(kind, "keeps", width, axes))


def rule_of(layer: keras.Layer) -> LayerRule | None:
    """The rule of a layer's kind, or of the kind that it is derived from; None if there is none.

    Example:
        >>> rule = rule_of(keras.layers.Conv2D(8, 3))
        >>> rule.width, rule.weights["kernel"]
        ('filters', Axes(input=-2, output=-1, own=None))
    """
    rules = (*_DECLARED, *(_APART if keeps_apart(layer) else ()), *LAYER_RULES)
    return next((rule for rule in rules if isinstance(layer, rule.kind)), None)


def axes_of(layer: keras.Layer, weight: keras.Variable) -> Axes:
    """The axes of one of a layer's weights that are as long as a width; none if no rule says it."""
    rule = rule_of(layer)
    for name, axes in (rule.weights if rule else {}).items():
        if weight.name == name or weight_called(layer, name) is weight:
            # one for all channels, of a PReLU
            shared = axes.scaling == "in" and weight.shape[axes.input] == 1
            return Axes() if shared else axes
    return Axes()


def weight_called(layer: keras.Layer, name: str) -> keras.Variable | None:
    """A layer's weight by its attribute, of a recurrent one its cell's; None if it has none."""
    return getattr(getattr(layer, "cell", layer), name, None)


def blocks_of(layer: keras.Layer) -> int:
    """How many blocks of channels a layer mixes or normalizes each by itself; 1 of most.

    Where each channel is one by itself, it need not be told of blocks: also 1.
    """
    if isinstance(layer, keras.layers.GroupNormalization):
        return 1 if normalizes_apart(layer) else int(layer.groups)
    return int(layer.groups) if effect_of(layer) == "groups" else 1


def normalizes_apart(layer: keras.Layer) -> bool:
    """Whether it is a group normalization of each channel by itself, and is built."""
    if not isinstance(layer, keras.layers.GroupNormalization) or layer.input_spec is None:
        return False
    return layer.groups in layer.input_spec.axes.values()


def keeps_apart(layer: keras.Layer) -> bool:
    """Whether it is a convolution with a group for each channel that goes in, and is built."""
    kinds = tuple(rule.kind for rule in _APART)
    if not isinstance(layer, kinds) or layer.groups == 1 or not layer.built:
        return False
    return int(layer.kernel.shape[-2]) == 1


def effect_of(layer: keras.Layer) -> Effect | None:
    """What a layer does to channels; None where no rule says it.

    A layer with weights and no rule binds its widths; one without weights is followed by the
    shapes of what goes in and comes out.
    """
    rule = rule_of(layer)
    if rule is None:
        return "binds" if layer.weights else None
    grouped = rule.effect == "mixes" and getattr(layer, "groups", 1) > 1
    return "groups" if grouped else rule.effect


def repeats_of(layer: keras.Layer) -> int:
    """How many output channels a layer makes of each input channel; 1 of most."""
    if keeps_apart(layer):
        return int(layer.filters) // int(layer.groups)
    rule = rule_of(layer)
    return int(getattr(layer, rule.multiplier)) if rule and rule.multiplier else 1


def is_bound(layer: keras.Layer) -> bool:
    """Whether the widths of a layer that mixes must suit each other, and so stay."""
    return bool(bound_because(layer))


def bound_because(layer: keras.Layer) -> str:
    """Why the widths of a layer that mixes stay, for the end of a sentence; "" if they may change.

    Example:
        >>> bound_because(keras.layers.Conv2D(4, 3, data_format="channels_first"))
        'its channels are not on the last axis'
    """
    if isinstance(layer, keras.layers.EinsumDense) and not _mixes_last(layer.equation):
        return "its equation mixes other axes than the last"
    if getattr(layer, "lora_enabled", False):
        return "LoRA is enabled on it"
    if quantization_of(layer):
        return f"its weights are quantized ({quantization_of(layer)})"
    if has_channels_first(layer):
        return "its channels are not on the last axis"
    # as long as the layer is wide
    return "its state is carried on" if getattr(layer, "stateful", False) else ""


def quantization_of(layer: keras.Layer) -> str:
    """What ``layer.quantize`` made of it, such as "int8"; "" of most."""
    return getattr(layer, "quantization_mode", None) or ""


def has_channels_first(layer: keras.Layer) -> bool:
    """Whether a layer's channels are on the axis behind the batch's, and not on the last."""
    return getattr(layer, "data_format", None) == "channels_first"


def channel_axis(layer: keras.Layer) -> int:
    """The axis of a layer's output that holds its channels; a normalization may say another one.

    Example:
        >>> channel_axis(keras.layers.Conv2D(2, 3, data_format="channels_first"))
        1
    """
    if has_channels_first(layer):
        return 1
    axis = getattr(layer, "axis", -1) if effect_of(layer) == "keeps" and layer.weights else -1
    return axis if isinstance(axis, int) else -1


def _mixes_last(equation: str) -> bool:
    """Whether an EinsumDense does with the last axis what a Dense does.

    Example:
        >>> [_mixes_last(one) for one in ("abc,cd->abd", "abc,dc->abd", "abc,bd->adc")]
        [True, False, False]
    """
    inputs, kernel, outputs = re.split(",|->", equation.replace(" ", ""))
    if len(kernel) != 2:
        return False
    mixed, made = kernel[0], kernel[1]
    return inputs[-1] == mixed and outputs == inputs[:-1] + made and mixed not in inputs[:-1]


def configured_width(layer: keras.Layer) -> int:
    """The width of a layer's output as far as its settings and weights tell it, else 0."""
    rule = rule_of(layer)
    if rule is None:
        return 0
    if rule.multiplier:
        kernel = getattr(layer, "kernel", None)
        axis = rule.weights["kernel"].input
        return int(kernel.shape[axis]) * repeats_of(layer) if kernel is not None else 0
    if isinstance(layer, keras.layers.EinsumDense):
        return int(layer.partial_output_shape[-1] or 0)
    return int(getattr(layer, rule.width, None) or 0) if rule.width else 0


def fan_in(layer: keras.Layer) -> int | None:
    """How many numbers each output is a linear combination of; None if it is none of them."""
    rule = rule_of(layer)
    if rule is None or rule.effect != "mixes" or is_bound(layer):
        return None
    if layer.activation is not None and layer.activation is not keras.activations.linear:
        return None
    weight, _, output = mixing_of(layer)
    return prod(weight.shape) // int(weight.shape[output])


class Mixing(NamedTuple):
    """How a layer makes outputs of channels."""

    weight: keras.Variable
    axis: int  # of the channels that are mixed
    output: int  # the axis of what is made of them


def mixing_of(layer: keras.Layer, recurrent: bool = False) -> Mixing:
    """How a layer mixes what it receives, or what it put out a step before.

    Args:
        layer: of effect "mixes", "groups" or "recurs".
        recurrent: of one that recurs.
    """
    rule = rule_of(layer)
    scaling = "out_out" if recurrent else "in_out"
    ((name, axes),) = (
        (name, axes)
        for name, axes in (rule.weights if rule else {}).items()
        if axes.scaling == scaling
    )
    axis = axes.own if recurrent else axes.input
    assert axis is not None
    assert axes.output is not None
    weight = weight_called(layer, name)
    assert weight is not None
    return Mixing(weight, axis, axes.output)

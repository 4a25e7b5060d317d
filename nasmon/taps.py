"""Which layers are monitored, and what of a forward pass is theirs."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf

from nasmon.capture import (
    INPUT,
    OUTPUT,
    Captured,
    holds_activations,
    named_layers,
    output_names,
)
from nasmon.errors import UsageError
from nasmon.reading import LayerInfo
from nasmon.selectors import matches
from nasmon.widths.layer_rules import (
    channel_axis,
    configured_width,
    effect_of,
    rule_of,
)

WHOLES = (
    keras.layers.RNN,
    keras.layers.Bidirectional,
    keras.layers.MultiHeadAttention,
    keras.layers.GroupQueryAttention,
)
"""Layers that own the width of what they put out, whatever is inside of them."""


class Activations(NamedTuple):
    """What passed a tap once."""

    tensor: tf.Tensor  # [B, ..., C], with C on the tap's axis
    mask: tf.Tensor | None  # Keras's, which of its leading positions are no padding; None for all


class Tap(NamedTuple):
    """A point of the model: a layer and which side of it, or an output of the model."""

    name: str  # path of the layer in the model, or of the output
    layer: keras.Layer | None  # None for an output of the model
    position: int = 0  # which of the model's outputs
    axis: int = -1  # the axis that holds the channels
    required: bool = False  # whether the user asked for it by name
    side: Literal["input", "output"] = "output"  # what goes into the layer, or comes out of it

    @property
    def info(self) -> LayerInfo:
        """The tap as a reading names it, with the width that the layer's settings tell."""
        if self.layer is None:
            return LayerInfo(self.name, "Output", 0, False)
        layer = self.layer
        kind, tied = type(layer).__name__, effect_of(layer) == "repeats"
        params = layer.count_params() if layer.built else 0
        return LayerInfo(self.name, kind, _width(layer), tied, params)

    def activations(self, captured: Captured) -> tuple[Activations, ...]:
        """What passed the tap in a forward pass, in the order of its calls; () if nothing did.

        Of a layer with several inputs the first; of one with several outputs the main one.
        """
        if self.layer is None:
            tensors = captured.outputs[self.position : self.position + 1]
            masks = captured.output_masks[self.position : self.position + 1] or [None]
            return tuple(map(Activations, tensors, masks))
        calls = [call for call in captured.calls if call.name == self.name]
        if self.side == INPUT:
            return tuple(Activations(c.inputs[0], c.input_mask) for c in calls if c.inputs)
        return tuple(Activations(call.output, call.output_mask) for call in calls)

    def tensors(self, captured: Captured) -> tuple[tf.Tensor, ...]:
        """The same without the masks."""
        return tuple(passed.tensor for passed in self.activations(captured))


def list_layers(model: keras.Model) -> list[LayerInfo]:
    """The layers that ``layers="auto"`` monitors, in the model's order.

    Args:
        model: a Keras model, functional or subclassed; built, or the widths of depthwise layers
            read 0.

    Example:
        >>> inputs = keras.Input((4,))
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(inputs))
        >>> [(layer.name, layer.channels) for layer in list_layers(model)]
        [('head', 2)]
    """
    return [tap.info for tap in choose_taps(model, "auto")]


def is_built(model: keras.Model) -> bool:
    """Whether all layers have their weights; a subclassed model may get them in its first call."""
    return all(layer.built for layer in model._flatten_layers())


def choose_taps(model: keras.Model, layers: str | Sequence[str]) -> list[Tap]:
    """The taps that a selection means, in the model's order, each once.

    Args:
        model: a Keras model.
        layers: "auto" for every layer that owns a width, or the model's output where none does;
            "output" for the model's output; else a name, glob or /regular expression/, or a list of
            them. A nested layer is found by its path ("encoder/conv1") or its own name.

    Raises:
        ValueError: a selector matches nothing; the message lists what there is.
    """
    named = list(named_layers(model))
    if layers == "auto":
        inside = tuple(f"{name}/" for name, layer in named if isinstance(layer, WHOLES))
        owners = [(n, a) for n, a in named if _owns_width(a) and not n.startswith(inside)]
        return [_tap(name, layer) for name, layer in owners] or [Tap(OUTPUT, None)]
    selectors = [layers] if isinstance(layers, str) else list(layers)
    if not selectors:
        _refuse([], named)
    chosen: dict[str, Tap] = {}
    for selector in selectors:
        if selector == OUTPUT:
            found = [Tap(OUTPUT, None, required=True)]
        else:
            found = [_tap(n, layer, True) for n, layer in named if matches(selector, n)]
        if not found:
            _refuse(selector, named)
        chosen |= {tap.name: tap for tap in found}
    order = [name for name, _ in named]
    return sorted(chosen.values(), key=lambda t: order.index(t.name) if t.layer else len(order))


def layers_of(taps: Sequence[Tap]) -> list[tuple[str, keras.Layer]]:
    """The layers to capture for some taps, with their names."""
    return [(tap.name, tap.layer) for tap in taps if tap.layer is not None]


def measurable_taps(taps: Sequence[Tap], captured: Captured) -> list[Tap]:
    """The taps that yielded activations; a model's several outputs become a tap each.

    Where none did and none was asked for by name, the model's outputs stand in.

    Raises:
        ValueError: a layer that the user named yielded none, or the outputs did not.
    """
    reasons = unmeasured(taps, captured)
    for tap in taps:
        if tap.required and tap.name in reasons:
            raise UsageError(
                f"layers has {tap.name!r}, which cannot be measured: {reasons[tap.name]}"
            )
    for candidates in (taps, [Tap(OUTPUT, None)]):
        missing = unmeasured(candidates, captured)
        chosen = [t for t in _one_an_output(candidates, captured) if t.name not in missing]
        if chosen:
            return chosen
    listed = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    raise UsageError(
        "nothing of the model can be measured in model(x, training=False); pass layers= with a "
        f"layer that puts out activations ({listed})"
    )


def unmeasured(taps: Sequence[Tap], captured: Captured) -> dict[str, str]:
    """Of the taps that yielded no activations the names, and why."""
    all_taps = list(_one_an_output(taps, captured))
    reasons = {tap.name: _unmeasurable(tap.tensors(captured), tap.axis) for tap in all_taps}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _one_an_output(taps: Sequence[Tap], captured: Captured) -> Iterator[Tap]:
    for tap in taps:
        if tap.layer is not None:
            yield tap
            continue
        # beside activations a model may put out a loss
        some = any(map(holds_activations, captured.outputs))
        for position, name in enumerate(output_names(len(captured.outputs))):
            if holds_activations(captured.outputs[position]) or not some:
                yield tap._replace(name=name, position=position)


def _unmeasurable(tensors: Sequence[tf.Tensor], axis: int) -> str | None:
    if not tensors:
        return "it is not called by model(x, training=False), or only inside a loop or a condition"
    for tensor in tensors:
        if not holds_activations(tensor):
            return (
                f"it puts out {tensor.dtype.name} of shape {tensor.shape}, not floating-point "
                "activations [batch, ..., channels]"
            )
    widths = {tensor.shape[axis] for tensor in tensors}
    return f"it puts out different widths: {widths}" if len(widths) > 1 or None in widths else None


def _tap(name: str, layer: keras.Layer, required: bool = False) -> Tap:
    return Tap(name, layer, axis=channel_axis(layer), required=required)


def _owns_width(layer: keras.Layer) -> bool:
    if isinstance(layer, keras.layers.TimeDistributed):
        return _owns_width(layer.layer)
    if isinstance(layer, WHOLES) or effect_of(layer) in ("mixes", "groups", "repeats"):
        return True
    # a user's own layer; what it is made of has widths of its own
    ours = type(layer).__module__.startswith("keras.")
    made_of_layers = any(layer._flatten_layers(include_self=False))
    return not ours and rule_of(layer) is None and bool(layer.weights) and not made_of_layers


def _width(layer: keras.Layer) -> int:
    """C as far as the layer's settings tell it, else 0."""
    inner = layer.layer if isinstance(layer, keras.layers.TimeDistributed) else layer
    return configured_width(inner)


def _refuse(selector: Any, named: Sequence[tuple[str, keras.Layer]]) -> None:
    there = ", ".join(name for name, _ in named) or "no layers at all"
    raise UsageError(f"layers has {selector!r}, which matches no layer. There are: {there}")

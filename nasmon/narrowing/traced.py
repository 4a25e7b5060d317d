"""A model as it is narrowed: its widths, followed through a forward pass, and its groups."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras.src.models.functional import Functional

from nasmon.capture import LOOPS, Call, Captured, capture, named_layers
from nasmon.errors import UsageError
from nasmon.taps import is_built
from nasmon.widths.follow import read_widths
from nasmon.widths.graph import Cost, ModelWidths, Owner, WidthGroup, groups_of
from nasmon.widths.int8 import Int8Program
from nasmon.widths.layer_rules import effect_of, is_bound, weight_called


class Inlet(NamedTuple):
    """Where channels come into a layer that mixes them."""

    layer: str
    recurrent: bool = False  # those that the layer put out itself, a step before


class Traced(NamedTuple):
    """A model with what its forward pass told."""

    model: keras.Model
    layers: dict[str, keras.Layer]  # by path, parents before children, each once
    widths: ModelWidths
    # by layer the batch normalization that its output goes to, and nothing was done with it before
    normalized: dict[str, str]
    params: int  # of the whole model

    @property
    def macs(self) -> int | None:
        """Multiply-adds for one input; None if not known."""
        return self.widths.macs

    @property
    def owners(self) -> tuple[Owner, ...]:
        """The owners of widths."""
        return self.widths.structure.owners

    @property
    def costs(self) -> tuple[Cost, ...]:
        """What layers cost, by what it grows with."""
        return self.widths.structure.costs

    @property
    def int8(self) -> Int8Program | None:
        """The model as a small device runs it; None where that is not known."""
        return self.widths.structure.int8

    @property
    def groups(self) -> tuple[WidthGroup, ...]:
        """Owners that share a width; the model's inputs among them."""
        return groups_of(self.owners)

    def numbers(self, group: WidthGroup) -> np.ndarray:
        """The numbers of a group's channels, [owners, C] int64: each column is one channel."""
        first = self.widths.first_channel
        return np.stack([first[owner] + np.arange(group.channels) for owner in group.owners])

    def alive(self, kept: Mapping[str, np.ndarray]) -> np.ndarray:
        """Which channels there are if these are kept, [numbers] bool.

        Args:
            kept: by leader the channels to keep of a group; groups that are left out stay.
        """
        alive = np.ones(sum(owner.channels for owner in self.owners), bool)
        for group in self.groups:
            if group.leader in kept:
                numbers = self.numbers(group)
                alive[numbers] = False
                alive[numbers[:, kept[group.leader]]] = True
        return alive

    def adds_constants(self, inlet: Inlet) -> bool:
        """Whether a constant can be added to what a layer makes of what comes in there."""
        has_bias = weight_called(self.layers[inlet.layer], "bias") is not None
        return not inlet.recurrent and (has_bias or inlet.layer in self.normalized)

    def consumers(self) -> dict[Inlet, np.ndarray]:
        """Where channels are mixed, with the numbers of those that are."""
        found: dict[Inlet, np.ndarray] = {}
        for name, outputs in self.widths.outputs.items():
            layer = self.layers.get(name)
            effect = None if layer is None else effect_of(layer)
            if effect not in ("mixes", "groups", "recurs") or is_bound(layer):
                continue
            inputs = self.widths.first_input(name)
            if inputs is not None:
                # a separable convolution makes several of each before it mixes them
                found[Inlet(name)] = np.repeat(inputs, getattr(layer, "depth_multiplier", 1))
            if effect == "recurs" and outputs is not None:
                found[Inlet(name, recurrent=True)] = outputs
        return found


def follow_model(model: keras.Model, x: Any = None) -> Traced:
    """Follows a model's widths.

    Args:
        model: built.
        x: a few inputs, as the model is called with; zeros of its own input shapes if None.

    Raises:
        UsageError: the model is not built, its widths cannot be followed, or its input shapes are
            not known and no inputs are given.
    """
    check_built(model)
    given = zeros_for(model) if x is None else x
    found: list[Traced] = []

    def tapped(inputs: Any) -> tf.Tensor:
        found.append(traced_of(model, captured_pass(model, inputs), inputs))
        return tf.constant(0)

    tf.function(tapped, autograph=False).get_concrete_function(given)
    return found[-1]


def check_built(model: keras.Model) -> None:
    """Refuses a model that is not built.

    Raises:
        UsageError: it is not.
    """
    if not is_built(model):
        raise UsageError(f"the model {model.name!r} is not built; call it on data once before")


def traced_of(model: keras.Model, captured: Captured, inputs: Any) -> Traced:
    """A model by a traced pass.

    Raises:
        UsageError: its widths could not be followed.
    """
    if not captured.calls:
        raise UsageError("the model has no layers whose widths could be followed")
    (samples, *_) = (int(tensor.shape[0]) for tensor in tf.nest.flatten(inputs))
    layers, widths = dict(named_layers(model)), read_widths(captured, samples)
    if isinstance(model, keras.Sequential | Functional):
        widths = _held_inside(layers, widths)
    return Traced(model, layers, widths, _normalized(captured), int(model.count_params()))


def _held_inside(layers: Mapping[str, keras.Layer], widths: ModelWidths) -> ModelWidths:
    """The widths of a model that is made anew from its config: what is inside of a layer that is no
    such model itself, its config does not tell, and so it stays.
    """
    fixed: dict[str, str] = {}
    for name, layer in layers.items():
        if isinstance(layer, (keras.Sequential, Functional, *LOOPS)):
            continue
        inside = [owner for owner in widths.first_channel if owner.startswith(f"{name}/")]
        # one of Keras's wrappers also keeps the shape that the layer inside was built for
        if isinstance(layer, keras.layers.Wrapper):
            given = [one for one in widths.inputs.get(name, ()) if one is not None]
            inside += [widths.owner_of(number) for one in given for number in one]
        for owner in inside:
            fixed.setdefault(owner, name)
    owners = tuple(
        owner._replace(fixed_by=owner.fixed_by or fixed.get(owner.name, ""))
        for owner in widths.structure.owners
    )
    return widths._replace(structure=widths.structure._replace(owners=owners))


def captured_pass(model: keras.Model, inputs: Any) -> Captured:
    """All calls of all layers, while tracing."""
    return capture(model, list(named_layers(model)), inputs)


def calls_of(captured: Captured, name: str) -> Sequence[Call]:
    """The calls of one layer."""
    return [call for call in captured.calls if call.name == name]


def _normalized(captured: Captured) -> dict[str, str]:
    norms = {
        call.inputs[0].name: call.name
        for call in captured.calls
        if isinstance(call.layer, keras.layers.BatchNormalization) and call.inputs
    }
    return {
        call.name: norms[call.output.name]
        for call in captured.calls
        if call.leaf
        and call.output.name in norms
        and effect_of(call.layer) != "recurs"
        and getattr(call.layer, "activation", None) in (None, keras.activations.linear)
    }


def zeros_for(model: keras.Model) -> Any:
    """Zeros, in the structure of a functional model's inputs: a batch of one, or of its own size.

    Raises:
        UsageError: an axis but the batch's has no fixed length, or the model has no inputs of its
            own.
    """
    inputs = getattr(model, "_inputs_struct", None)
    if inputs is None and getattr(model, "_functional", None) is not None:
        inputs = model._functional._inputs_struct
    if inputs is None:
        raise UsageError(f"the input shapes of {model.name!r} are not known; pass data")

    def zeros(tensor: Any) -> tf.Tensor:
        if None in tensor.shape[1:]:
            raise UsageError(
                f"the input {tensor.name!r} has the shape {tuple(tensor.shape)}; pass "
                "data, so that the other lengths are known"
            )
        return tf.zeros([tensor.shape[0] or 1, *tensor.shape[1:]], tensor.dtype)

    return tf.nest.map_structure(zeros, inputs)

"""The weights of a model, layer by layer, and which of their places belong to which channels."""

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from nasmon.capture import LOOPS, named_layers
from nasmon.errors import UsageError
from nasmon.narrowing.grouped import as_whole, in_groups, whole_shape
from nasmon.narrowing.traced import Traced
from nasmon.widths.layer_rules import axes_of, blocks_of, effect_of, mixing_of


class LayerWeight:
    """One weight of a model.

    Attributes:
        layer: whose it is; the model itself, if none of its layers'.
        name: the layer's path; the model's name.
        weight: the variable.
    """

    def __init__(self, layer: keras.Layer, name: str, weight: keras.Variable) -> None:
        self.layer, self.name, self.weight = layer, name, weight
        grouped = effect_of(layer) == "groups" and weight is mixing_of(layer).weight
        self._groups = blocks_of(layer) if grouped else 1

    @property
    def value(self) -> np.ndarray:
        """As if convolutions in groups had one, zeros from one group to another."""
        return self.whole(self.weight)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of ``value``."""
        return whole_shape(tuple(self.weight.shape), self._groups)

    def whole(self, other: keras.Variable) -> np.ndarray:
        """Another variable's value, of the same kind, in that form."""
        return as_whole(value_of(other), self._groups)

    def own_form(self, whole: np.ndarray) -> np.ndarray:
        """What is in that form as the layer has it."""
        return in_groups(whole, self._groups)

    def kept(self, traced: Traced, alive: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """The axes of ``value`` on which something is gone, with what to keep of them.

        Args:
            traced: the model.
            alive: [numbers] bool, which of its channels are left.
        """
        own, shape = axes_of(self.layer, self.weight), self.shape
        inputs = traced.widths.first_input(self.name)
        outputs = traced.widths.outputs.get(self.name)
        return [
            (axis, one_a_place(self.layer, alive[channels], shape[axis]))
            for axis, channels in ((own.input, inputs), (own.output, outputs), (own.own, outputs))
            if axis is not None and channels is not None and not alive[channels].all()
        ]


def value_of(weight: keras.Variable) -> np.ndarray:
    """A weight's value, fetched from its device."""
    return np.asarray(weight.value.numpy())


def weights_of(traced: Traced) -> Iterator[LayerWeight]:
    """All weights of a model, each once."""
    for name, layer in traced.layers.items():
        for weight in _own(layer):
            yield LayerWeight(layer, name, weight)
    for weight in _own(traced.model):
        yield LayerWeight(traced.model, traced.model.name, weight)


def with_those_of(
    traced: Traced, other: keras.Model
) -> Iterator[tuple[LayerWeight, keras.Variable]]:
    """All weights of a model, with those of one that was made anew of it.

    Raises:
        UsageError: the other model has others of its own.
    """
    layers = counterparts(traced.layers, other)
    targets = [weight for name in traced.layers for weight in _own(layers[name])]
    own, found = _own(traced.model), _own(other)
    if len(own) != len(found):
        raise UsageError(
            f"{traced.model.name!r} has {len(own)} weights that are of none of its layers, and "
            f"{len(found)} when it is made anew; make them in a layer, or pass build="
        )
    yield from zip(weights_of(traced), [*targets, *found], strict=True)


def counterparts(layers: Mapping[str, keras.Layer], other: keras.Model) -> dict[str, keras.Layer]:
    """The layers of a model that was made anew, by the names of those that they stand for.

    They are told by their names; where Keras made some up, counting, by their order.

    Raises:
        UsageError: the other model has other layers.
    """
    found = dict(named_layers(other))
    if found.keys() == layers.keys():
        return found
    if [*map(type, found.values())] == [*map(type, layers.values())]:
        return dict(zip(layers, found.values(), strict=True))
    differing = sorted(found.keys() ^ layers.keys())[0]
    raise UsageError(
        f"the model that was made anew has other layers: {differing!r} is in one of both only; "
        "have build= return the same layers in the same order"
    )


def one_a_place(layer: keras.Layer, each: np.ndarray, length: int) -> np.ndarray:
    """One entry a channel as one a place of an axis of a layer's weight."""
    times = length // len(each)
    # the gates of a recurrent layer are side by side; behind the first half of a separable one each
    # channel is several times
    return np.tile(each, times) if effect_of(layer) == "recurs" else np.repeat(each, times)


def sums_by_channel(layer: keras.Layer, value: np.ndarray, axis: int, channels: int) -> np.ndarray:
    """The sums of a weight's entries that belong to each channel along an axis, [channels]."""
    places = np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1).sum(axis=1)
    return np.bincount(one_a_place(layer, np.arange(channels), len(places)), places)


def _own(layer: keras.Layer) -> list[keras.Variable]:
    """A layer's weights, without those of named layers inside."""
    if isinstance(layer, LOOPS):
        return list(layer.weights)
    inside = {id(w) for below in layer._flatten_layers(include_self=False) for w in below.weights}
    return [weight for weight in layer.weights if id(weight) not in inside]

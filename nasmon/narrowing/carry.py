"""Weights from a model to a narrower one: those of kept channels, and what stands in for others."""

from collections.abc import Iterator, Mapping
from math import prod

import keras
import numpy as np

from nasmon.capture import LOOPS, named_layers
from nasmon.errors import UsageError
from nasmon.kernels.compensation import stand_in
from nasmon.narrowing.evidence import Received, kernel_of
from nasmon.narrowing.grouped import as_whole, in_groups
from nasmon.narrowing.traced import Inlet, Traced
from nasmon.widths.layer_rules import (
    axes_of,
    blocks_of,
    effect_of,
    mixing_of,
    weight_called,
)


def carry(
    traced: Traced,
    small: keras.Model,
    alive: np.ndarray,
    received: Mapping[Inlet, Received] | None = None,
) -> None:
    """Sets all weights of a narrower model.

    Args:
        traced: the model that they come from, which is only read.
        small: of the same layers, see ``rebuild``.
        alive: [numbers] bool, which of the model's channels the other has.
        received: what consumers receive, by layer; None if nothing is to stand in for what is gone.

    Raises:
        UsageError: a weight of the narrower model has another shape than was foretold.
    """
    for name, weight, target, whole in _carried(traced, small, alive, received):
        value = in_groups(whole, _groups(traced.layers[name], weight))
        if value.shape != tuple(target.shape):
            raise UsageError(
                f"the weight {weight.name!r} of the layer {name!r} is {tuple(target.shape)} in "
                f"the narrower model, where {value.shape} was foretold: a width there is fixed "
                f'by the model\'s own code; leave it alone with keep=["{name}"]'
            )
        target.assign(value)


def carry_as_zeros(
    traced: Traced, same: keras.Model, alive: np.ndarray, received: Mapping[Inlet, Received] | None
) -> None:
    """As ``carry``, to a model of the same widths: what is not alive is zeros there.

    Where a channel of zeros is made zero by what is behind it, training leaves the zeros alone: no
    gradient comes to what makes the channel through weights that are 0, nor to those from what is
    0. The model is then trained as the narrower one would be.
    """
    for name, weight, target, value in _carried(traced, same, alive, received):
        whole = np.zeros_like(_value(traced.layers[name], weight))
        kept = [np.arange(length) for length in whole.shape]
        for axis, keep in _axes(traced, name, weight, alive):
            kept[axis] = np.flatnonzero(keep)
        whole[np.ix_(*kept)] = value
        target.assign(in_groups(whole, _groups(traced.layers[name], weight)))


def zeros_are_left(traced: Traced, same: keras.Model, alive: np.ndarray) -> bool:
    """Whether all that ``carry_as_zeros`` set to zeros is so still."""
    layers = dict(named_layers(same))
    for name, layer in traced.layers.items():
        for weight, target in zip(_own_weights(layer), _own_weights(layers[name]), strict=True):
            if weight.name == "moving_variance":
                continue  # nobody reads it there, and it tends to the variance of zeros
            value = as_whole(_numpy(target), _groups(layer, weight))
            for axis, keep in _axes(traced, name, weight, alive):
                if np.compress(~keep, value, axis).any():
                    return False
    return True


def _carried(
    traced: Traced, other: keras.Model, alive: np.ndarray, received: Mapping[Inlet, Received] | None
) -> Iterator[tuple[str, keras.Variable, keras.Variable, np.ndarray]]:
    """Layers by path, their weights, those of the other model, and what is carried over to them: of
    convolutions in groups as if they had one.
    """
    values = _kept(traced, alive)
    for inlet, own in (received or {}).items():
        keep = alive[own.channels]
        if not keep.all() and keep.any():
            _stand_in(traced, inlet, own, alive, values)
    layers = dict(named_layers(other))
    for name, layer in traced.layers.items():
        for weight, target in zip(_own_weights(layer), _own_weights(layers[name]), strict=True):
            yield name, weight, target, values[id(weight)]


def _own_weights(layer: keras.Layer) -> list[keras.Variable]:
    """A layer's weights, without those of named layers inside."""
    if isinstance(layer, LOOPS):
        return list(layer.weights)
    inside = {id(w) for below in layer._flatten_layers(include_self=False) for w in below.weights}
    return [weight for weight in layer.weights if id(weight) not in inside]


def _kept(traced: Traced, alive: np.ndarray) -> dict[int, np.ndarray]:
    """By weight what is left of it if nothing stands in for anything."""
    values = {}
    for name, layer in traced.layers.items():
        for weight in _own_weights(layer):
            value = _value(layer, weight)
            for axis, keep in _axes(traced, name, weight, alive):
                value = np.compress(keep, value, axis)
            values[id(weight)] = value
    return values


def _numpy(weight: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(weight))


def _groups(layer: keras.Layer, weight: keras.Variable) -> int:
    """In how many groups a weight is: 1 of most, as of the bias of a convolution in groups."""
    grouped = effect_of(layer) == "groups" and weight is mixing_of(layer).weight
    return blocks_of(layer) if grouped else 1


def _value(layer: keras.Layer, weight: keras.Variable) -> np.ndarray:
    """A weight's value, of a convolution in groups as if it had one."""
    return as_whole(_numpy(weight), _groups(layer, weight))


def _axes(
    traced: Traced, name: str, weight: keras.Variable, alive: np.ndarray
) -> list[tuple[int, np.ndarray]]:
    """The axes of a weight that are as long as a width, with what to keep of them."""
    layer = traced.layers[name]
    own, groups = axes_of(layer, weight), _groups(layer, weight)
    inputs, outputs = traced.widths.channels.get(name, (None, None))
    found = []
    for axis, channels in ((own.input, inputs), (own.output, outputs), (own.own, outputs)):
        if axis is None or channels is None or alive[channels].all():
            continue
        length = weight.shape[axis] * (groups if axis == own.input else 1)
        found.append((axis, _repeated(layer, alive[channels], length)))
    return found


def _repeated(layer: keras.Layer, each: np.ndarray, length: int) -> np.ndarray:
    """One entry a channel as one a place of an axis of a layer's weight."""
    times = length // len(each)
    # the gates of a recurrent layer are side by side; behind the first half of a separable one each
    # channel is several times
    return np.tile(each, times) if effect_of(layer) == "recurs" else np.repeat(each, times)


def _stand_in(
    traced: Traced, inlet: Inlet, own: Received, alive: np.ndarray, values: dict[int, np.ndarray]
) -> None:
    """Changes a consumer's kernel and bias, so that what is kept stands in for what is gone."""
    layer, keep = traced.layers[inlet.layer], alive[own.channels]
    kept, blocks = np.flatnonzero(keep), blocks_of(layer)
    stood = stand_in(own.covariance, own.mean, own.gram, kept, own.rows, blocks)
    kernel = kernel_of(layer, own.times, inlet.recurrent)
    # a transposed convolution's output is made of one position of its kernel in each stride
    strides = prod(layer.strides) if isinstance(layer, _TRANSPOSED) else 1
    shift = stood.offset @ kernel.sum(axis=1) / strides
    weight = mixing_of(layer, inlet.recurrent).weight
    values[id(weight)] = _mixed(values[id(weight)], traced, inlet, own, stood.matrix, alive)
    # what a recurrent layer receives of itself is taken as about 0
    if not inlet.recurrent:
        _add(traced, inlet.layer, shift, alive, values)


_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


def _mixed(
    kept: np.ndarray,
    traced: Traced,
    inlet: Inlet,
    own: Received,
    matrix: np.ndarray,
    alive: np.ndarray,
) -> np.ndarray:
    """A kernel with rows for what is kept, of its shape and dtype, made of all its rows."""
    layer = traced.layers[inlet.layer]
    weight, mixing, _ = mixing_of(layer, inlet.recurrent)
    kernel = _value(layer, weight).astype(np.float64)
    for axis, keep in _axes(traced, inlet.layer, weight, alive):
        if axis != mixing:
            kernel = np.compress(keep, kernel, axis)
    kernel = np.moveaxis(kernel, mixing, 0)
    pieces = kernel.reshape(own.times, -1, *kernel.shape[1:])
    mixed = np.einsum("kn,tn...->tk...", matrix, pieces).reshape(-1, *kernel.shape[1:])
    return np.moveaxis(mixed, 0, mixing).astype(kept.dtype)


def _add(
    traced: Traced, name: str, shift: np.ndarray, alive: np.ndarray, values: dict[int, np.ndarray]
) -> None:
    """Adds a constant to what a layer puts out before its activation: to its bias, or else to what
    a batch normalization right behind it subtracts.
    """
    layer, outputs = traced.layers[name], traced.widths.channels[name][1]
    if outputs is not None:
        shift = shift[_repeated(layer, alive[outputs], len(shift))]
    bias = weight_called(layer, "bias")
    if bias is not None:
        value = values[id(bias)].copy()
        # one bias for what goes in and another for what recurs, of a GRU
        (value[0] if value.ndim > 1 else value)[...] += shift.astype(value.dtype)
        values[id(bias)] = value
    elif name in traced.normalized:
        mean = traced.layers[traced.normalized[name]].moving_mean
        values[id(mean)] = (values[id(mean)] - shift).astype(values[id(mean)].dtype)

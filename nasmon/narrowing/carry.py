"""Weights from a model to a narrower one: those of kept channels, and what stands in for others."""

from collections.abc import Iterator, Mapping
from math import prod

import keras
import numpy as np

from nasmon.capture import LOOPS, named_layers
from nasmon.errors import UsageError
from nasmon.kernels.selection import stand_in
from nasmon.narrowing.evidence import Received, kernel_of
from nasmon.narrowing.traced import Traced
from nasmon.widths.layer_rules import axes_of, mixes_at_once, mixing_weight


def carry(
    traced: Traced,
    small: keras.Model,
    alive: np.ndarray,
    received: Mapping[str, Received] | None = None,
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
    for name, weight, target, value in _carried(traced, small, alive, received):
        if value.shape != tuple(target.shape):
            raise UsageError(
                f"the weight {weight.name!r} of the layer {name!r} is {tuple(target.shape)} in "
                f"the narrower model, where {value.shape} was foretold: a width there is fixed "
                f'by the model\'s own code; leave it alone with keep=["{name}"]'
            )
        target.assign(value)


def carry_as_zeros(
    traced: Traced, same: keras.Model, alive: np.ndarray, received: Mapping[str, Received] | None
) -> None:
    """As ``carry``, to a model of the same widths: what is not alive is zeros there.

    Where a channel of zeros is made zero by what is behind it, training leaves the zeros alone: no
    gradient comes to what makes the channel through weights that are 0, nor to those from what is
    0. The model is then trained as the narrower one would be.
    """
    for name, weight, target, value in _carried(traced, same, alive, received):
        whole = np.zeros(target.shape, value.dtype)
        kept = [np.arange(length) for length in target.shape]
        for axis, keep in _axes(traced, name, weight, alive):
            kept[axis] = np.flatnonzero(keep)
        whole[np.ix_(*kept)] = value
        target.assign(whole)


def zeros_are_left(traced: Traced, same: keras.Model, alive: np.ndarray) -> bool:
    """Whether all that ``carry_as_zeros`` set to zeros is so still."""
    layers = dict(named_layers(same))
    for name, layer in traced.layers.items():
        for weight, target in zip(_own_weights(layer), _own_weights(layers[name]), strict=True):
            if weight.name == "moving_variance":
                continue  # nobody reads it there, and it tends to the variance of zeros
            value = np.asarray(keras.ops.convert_to_numpy(target))
            for axis, keep in _axes(traced, name, weight, alive):
                if np.compress(~keep, value, axis).any():
                    return False
    return True


def _carried(
    traced: Traced, other: keras.Model, alive: np.ndarray, received: Mapping[str, Received] | None
) -> Iterator[tuple[str, keras.Variable, keras.Variable, np.ndarray]]:
    """Layers by path, their weights, those of the other model, and what is carried over to them."""
    values = _kept(traced, alive)
    for name, own in (received or {}).items():
        keep = alive[own.channels]
        if not keep.all() and keep.any():
            _stand_in(traced, name, own, alive, values)
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
            value = np.asarray(keras.ops.convert_to_numpy(weight))
            values[id(weight)] = value
            for axis, keep in _axes(traced, name, weight, alive):
                values[id(weight)] = np.compress(keep, values[id(weight)], axis)
    return values


def _axes(
    traced: Traced, name: str, weight: keras.Variable, alive: np.ndarray
) -> list[tuple[int, np.ndarray]]:
    """The axes of a weight that are as long as a width, with what to keep of them."""
    own = axes_of(traced.layers[name], weight)
    found = []
    pairs = zip(
        (own.input, own.output), traced.widths.channels.get(name, (None, None)), strict=True
    )
    for axis, channels in pairs:
        if axis is not None and channels is not None and not alive[channels].all():
            # several for each where channels are repeated: behind the first half of a separable one
            times = weight.shape[axis] // len(channels)
            found.append((axis, np.repeat(alive[channels], times)))
    return found


def _stand_in(
    traced: Traced, name: str, own: Received, alive: np.ndarray, values: dict[int, np.ndarray]
) -> None:
    """Changes a consumer's kernel and bias, so that what is kept stands in for what is gone."""
    layer, keep = traced.layers[name], alive[own.channels]
    stood = stand_in(own.covariance, own.mean, own.gram, np.flatnonzero(keep), own.rows)
    # of what it filters before it mixes, what is gone can only be its mean from now on
    offset = stood.offset if mixes_at_once(layer) else np.where(keep, 0, own.mean)
    kernel = kernel_of(layer, own.times)
    # a transposed convolution's output is made of one position of its kernel in each stride
    strides = prod(layer.strides) if isinstance(layer, _TRANSPOSED) else 1
    shift = offset @ kernel.sum(axis=1) / strides
    if mixes_at_once(layer):
        weight, _ = mixing_weight(layer)
        values[id(weight)] = _mixed(values[id(weight)], traced, name, own, stood.matrix, alive)
    _add(traced, name, shift, alive, values)


_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)


def _mixed(
    kept: np.ndarray,
    traced: Traced,
    name: str,
    own: Received,
    matrix: np.ndarray,
    alive: np.ndarray,
) -> np.ndarray:
    """A kernel with rows for what is kept, of its shape and dtype, made of all its rows."""
    weight, axes = mixing_weight(traced.layers[name])
    assert axes.input is not None
    kernel = np.asarray(keras.ops.convert_to_numpy(weight), np.float64)
    for axis, keep in _axes(traced, name, weight, alive):
        if axis != axes.input:
            kernel = np.compress(keep, kernel, axis)
    kernel = np.moveaxis(kernel, axes.input, 0)
    pieces = kernel.reshape(own.times, -1, *kernel.shape[1:])
    mixed = np.einsum("kn,tn...->tk...", matrix, pieces).reshape(-1, *kernel.shape[1:])
    return np.moveaxis(mixed, 0, axes.input).astype(kept.dtype)


def _add(
    traced: Traced, name: str, shift: np.ndarray, alive: np.ndarray, values: dict[int, np.ndarray]
) -> None:
    """Adds a constant to what a layer puts out before its activation: to its bias, or else to what
    a batch normalization right behind it subtracts.
    """
    layer, outputs = traced.layers[name], traced.widths.channels[name][1]
    shift = shift if outputs is None else shift[alive[outputs]]
    bias = getattr(layer, "bias", None)
    if bias is not None:
        values[id(bias)] = (values[id(bias)] + shift).astype(values[id(bias)].dtype)
    elif name in traced.normalized:
        mean = traced.layers[traced.normalized[name]].moving_mean
        values[id(mean)] = (values[id(mean)] - shift).astype(values[id(mean)].dtype)

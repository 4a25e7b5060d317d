"""Weights from a model to a narrower one: those of kept channels, and what stands in for others."""

from collections.abc import Iterator, Mapping
from math import prod

import keras
import numpy as np

from nasmon.errors import UsageError
from nasmon.kernels.compensation import stand_in
from nasmon.narrowing.evidence import Received, kernel_of
from nasmon.narrowing.layer_weights import LayerWeight, one_a_place, weights_of, with_those_of
from nasmon.narrowing.traced import Inlet, Traced
from nasmon.widths.layer_rules import (
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
    for one, target, whole in _carried(traced, small, alive, received):
        value = one.own_form(whole)
        if value.shape != tuple(target.shape):
            raise UsageError(
                f"the weight {one.weight.name!r} of {one.name!r} is {tuple(target.shape)} in the "
                f"narrower model, where {value.shape} was foretold: a width there is fixed by the "
                f'model\'s own code; leave it alone with keep=["{_to_keep(traced, one, alive)}"]'
            )
        target.assign(value)


def _to_keep(traced: Traced, one: LayerWeight, alive: np.ndarray) -> str:
    """A layer whose width a weight suits no longer, that of its input before its own."""
    inputs = traced.widths.first_input(one.name)
    if inputs is not None and not alive[inputs].all():
        (gone, *_) = inputs[~alive[inputs]]
        return traced.widths.owner_of(gone)
    return one.name


def carry_as_zeros(
    traced: Traced, same: keras.Model, alive: np.ndarray, received: Mapping[Inlet, Received] | None
) -> None:
    """As ``carry``, to a model of the same widths: what is not alive is zeros there.

    Where a channel of zeros is made zero by what is behind it, training leaves the zeros alone: no
    gradient comes to what makes the channel through weights that are 0, nor to those from what is
    0. The model is then trained as the narrower one would be.
    """
    for one, target, value in _carried(traced, same, alive, received):
        whole = np.zeros_like(one.value)
        kept = [np.arange(length) for length in whole.shape]
        for axis, keep in one.kept(traced, alive):
            kept[axis] = np.flatnonzero(keep)
        whole[np.ix_(*kept)] = value
        target.assign(one.own_form(whole))


def zeros_are_left(traced: Traced, same: keras.Model, alive: np.ndarray) -> bool:
    """Whether all that ``carry_as_zeros`` set to zeros is so still."""
    for one, target in with_those_of(traced, same):
        if one.weight.name == "moving_variance":
            continue  # nobody reads it there, and it tends to the variance of zeros
        for axis, keep in one.kept(traced, alive):
            if np.compress(~keep, one.whole(target), axis).any():
                return False
    return True


def _carried(
    traced: Traced, other: keras.Model, alive: np.ndarray, received: Mapping[Inlet, Received] | None
) -> Iterator[tuple[LayerWeight, keras.Variable, np.ndarray]]:
    """Weights, those of the other model, and what is carried over to them, in the form of
    ``LayerWeight.value``.
    """
    values = _kept(traced, alive)
    for inlet, own in (received or {}).items():
        keep = alive[own.channels]
        if not keep.all() and keep.any():
            _stand_in(traced, inlet, own, alive, values)
    for one, target in with_those_of(traced, other):
        yield one, target, values[id(one.weight)]


def _kept(traced: Traced, alive: np.ndarray) -> dict[int, np.ndarray]:
    """By weight what is left of it if nothing stands in for anything."""
    values = {}
    for one in weights_of(traced):
        value = one.value
        for axis, keep in one.kept(traced, alive):
            value = np.compress(keep, value, axis)
        values[id(one.weight)] = value
    return values


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
    if traced.adds_constants(inlet):
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
    one = LayerWeight(layer, inlet.layer, weight)
    kernel = one.value.astype(np.float64)
    for axis, keep in one.kept(traced, alive):
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
    layer, outputs = traced.layers[name], traced.widths.outputs[name]
    if outputs is not None:
        shift = shift[one_a_place(layer, alive[outputs], len(shift))]
    bias = weight_called(layer, "bias")
    if bias is not None:
        value = values[id(bias)].copy()
        # one bias for what goes in and another for what recurs, of a GRU
        two = value.ndim > 1 and effect_of(layer) == "recurs"
        (value[0] if two else value)[...] += shift.astype(value.dtype)
        values[id(bias)] = value
    elif name in traced.normalized:
        mean = traced.layers[traced.normalized[name]].moving_mean
        values[id(mean)] = (values[id(mean)] - shift).astype(values[id(mean)].dtype)

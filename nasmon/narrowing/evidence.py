"""What the consumers of each group receive: mean and covariance, over samples of the data.

A consumer's kernel is a matrix with a row for each of its input's channels, and a column for each
output at each position of the kernel: space is left to the channels alone. Where a flattening puts
the positions of an image side by side, each position is taken as a row of its own if there are too
few samples to tell the columns apart; the kernel is then looked at as if it were a convolution's.

Of a separable convolution it is what is filtered already that is mixed. Of a convolution in groups
the kernel is taken as a whole one, zeros between the groups, and what goes into different groups as
independent: nothing in one can stand in for what is in another. What a recurrent layer receives of
itself is taken as what it puts out, about 0, where its state begins. So is what goes into a layer
without a bias or the like, where nothing can stand in for a mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nasmon.capture import Call, Captured
from nasmon.kernels.compensation import stand_in
from nasmon.kernels.compiled import CompiledKernels, Rows
from nasmon.kernels.rows import ROWS_PER_CHANNEL, CallRows, rows_of
from nasmon.kernels.selection import Consumer, inverse_of
from nasmon.narrowing.grouped import as_whole, blocks_apart
from nasmon.narrowing.layer_weights import value_of
from nasmon.narrowing.traced import (
    Inlet,
    Traced,
    calls_of,
    captured_pass,
    check_built,
    traced_of,
)
from nasmon.probe_set import ProbeSet
from nasmon.widths.graph import WidthGroup
from nasmon.widths.layer_rules import blocks_of, mixing_of

MOST_ROWS = 16384
"""Rows of a consumer, as of a layer that is monitored."""


@dataclass(frozen=True, eq=False)
class Received:
    """What a consumer receives, with its kernel as a matrix over that."""

    channels: np.ndarray  # [N] int64: the number of each column's channel
    rows: int
    mean: np.ndarray  # [N] float64
    covariance: np.ndarray  # [N, N] float64
    gram: np.ndarray  # [N, N] float64: the kernel's, over outputs and positions
    times: int  # how often the columns come again, one position after the other, in the input

    def consumer(self, numbers: np.ndarray) -> Consumer | None:
        """As a group's consumer; None if it receives nothing of it.

        Args:
            numbers: of the group's channels, as ``Traced.numbers``.
        """
        own = np.flatnonzero(np.isin(self.channels, numbers))
        if not len(own):
            return None
        # the group's channel that each of these columns is of
        flat = np.argsort(numbers, axis=None)
        nth = flat[np.searchsorted(numbers.ravel()[flat], self.channels[own])] % numbers.shape[1]
        columns = own[np.argsort(nth, kind="stable")].reshape(numbers.shape[1], -1)
        return Consumer(self.covariance, self.gram, columns, self.rows, self._inverse)

    @cached_property
    def _inverse(self) -> np.ndarray:
        return inverse_of(self.covariance)

    def narrowed(self, alive: np.ndarray, blocks: int) -> "Received":
        """What is left of it, with a kernel in which that stands in for what is gone.

        Args:
            alive: [numbers] bool, which of the model's channels are left.
            blocks: of its columns, as for ``stand_in``.
        """
        kept = np.flatnonzero(alive[self.channels])
        stood = stand_in(self.covariance, self.mean, self.gram, kept, self.rows, blocks)
        return replace(
            self,
            channels=self.channels[kept],
            mean=self.mean[kept],
            covariance=self.covariance[np.ix_(kept, kept)],
            gram=stood.matrix @ self.gram @ stood.matrix.T,
        )


def kernel_of(layer: keras.Layer, times: int = 1, recurrent: bool = False) -> np.ndarray:
    """A mixing layer's kernel, [N, positions, outputs] float64.

    Args:
        layer: as for ``mixing_of``.
        times: how often its input's columns come again, as ``Received.times``.
        recurrent: as for ``mixing_of``.
    """
    weight, axis, output = mixing_of(layer, recurrent)
    kernel = as_whole(value_of(weight).astype(np.float64), blocks_of(layer))
    kernel = np.moveaxis(kernel, (axis, output), (0, -1))
    kernel = kernel.reshape(len(kernel), -1, kernel.shape[-1])
    count, _, outputs = kernel.shape
    apart = kernel.reshape(times, count // times, -1, outputs)
    return apart.transpose(1, 0, 2, 3).reshape(count // times, -1, outputs)


class Gathering:
    """The program that tells what every consumer receives, traced once.

    Args:
        model: built.
        data: samples to run it on, all of them each time.

    Attributes:
        traced: the model, followed.
    """

    def __init__(self, model: keras.Model, data: ProbeSet) -> None:
        check_built(model)
        self._data = data
        self._inlets: list[Inlet] = []
        self._times: dict[Inlet, int] = {}

        def tapped(inputs: Any) -> Rows:
            captured = captured_pass(model, inputs)
            self.traced = traced_of(model, captured, inputs)
            return self._rows(captured)

        # kept as its concrete function alone would let go of the graph
        self._tapped = tf.function(tapped, autograph=False)
        self._forward = self._tapped.get_concrete_function(data.chunks[0])
        received = self.traced.consumers()
        self._kernels = CompiledKernels([len(received[i]) // self._times[i] for i in self._inlets])

    def received(self) -> dict[Inlet, Received]:
        """What every consumer receives, over all samples, with the model's weights as they are."""
        states = self._kernels.empty()
        for chunk in self._data.chunks:
            states = self._kernels.absorb(states, self._forward(chunk))
        channels = self.traced.consumers()
        return {
            inlet: _received(self.traced, inlet, channels[inlet], self._times[inlet], *moments)
            for inlet, moments in zip(self._inlets, self._kernels.moments(states), strict=True)
            if moments[0] > 1  # of a single row nothing can be told
        }

    def _rows(self, captured: Captured) -> Rows:
        """What goes into consumers in a traced pass, as rows."""
        rows: list[tuple[CallRows, ...]] = []
        self._inlets.clear()
        for inlet, channels in self.traced.consumers().items():
            passed = [_passed(call, inlet.recurrent) for call in calls_of(captured, inlet.layer)]
            if not all(tensor.dtype.is_floating for tensor, _ in passed):
                continue
            grouped = blocks_of(self.traced.layers[inlet.layer]) > 1
            times = 1 if grouped else _repetitions(channels, self._data.samples)
            parts = len(self._data.chunks) * len(passed)
            rows.append(
                tuple(
                    rows_of(_apart(tensor, times), -1, MOST_ROWS, parts, mask)
                    for tensor, mask in passed
                )
            )
            self._inlets.append(inlet)
            self._times[inlet] = times
        return tuple(rows)


def consumers_of(
    traced: Traced, group: WidthGroup, received: Mapping[Inlet, Received]
) -> list[Consumer]:
    """A group's consumers."""
    numbers = traced.numbers(group)
    found = [one.consumer(numbers) for one in received.values()]
    return [one for one in found if one is not None]


def _passed(call: Call, recurrent: bool) -> tuple[tf.Tensor, tf.Tensor | None]:
    """What a call mixes, and Keras's mask of it."""
    if recurrent:
        return call.output, call.output_mask
    if isinstance(call.layer, _SEPARABLE):
        return _filtered(call.layer, call.inputs[0]), None
    return call.inputs[0], call.input_mask


_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)


def _filtered(layer: keras.Layer, x: tf.Tensor) -> tf.Tensor:
    """What a separable convolution makes of each channel by itself, before it mixes them."""
    return keras.ops.depthwise_conv(
        *(x, keras.ops.cast(layer.depthwise_kernel, x.dtype), layer.strides, layer.padding),
        dilation_rate=layer.dilation_rate,
    )


def _received(
    traced: Traced,
    inlet: Inlet,
    channels: np.ndarray,
    times: int,
    rows: int,
    mean: np.ndarray,
    covariance: np.ndarray,
) -> Received:
    layer = traced.layers[inlet.layer]
    matrix = kernel_of(layer, times, inlet.recurrent).reshape(len(mean), -1)
    own = channels[: len(channels) // times]
    if not traced.adds_constants(inlet):
        mean, covariance = np.zeros_like(mean), covariance + np.outer(mean, mean)
    covariance = blocks_apart(covariance, blocks_of(layer))
    return Received(own, rows, mean, covariance, matrix @ matrix.T, times)


def _repetitions(channels: np.ndarray, samples: int) -> int:
    """How often channels come again as a whole, if they are too many for the samples; else 1."""
    if samples >= ROWS_PER_CHANNEL * len(channels):
        return 1
    return next(
        len(channels) // period
        for period in range(1, len(channels) + 1)
        if len(channels) % period == 0
        and np.array_equal(np.tile(channels[:period], len(channels) // period), channels)
    )


def _apart(tensor: tf.Tensor, times: int) -> tf.Tensor:
    """[..., times * N] -> [..., times, N]."""
    if times == 1:
        return tensor
    *others, length = tensor.shape
    return tf.reshape(tensor, [*others, times, length // times])

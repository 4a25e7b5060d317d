"""What the consumers of each group receive: mean and covariance, over samples of the data.

A consumer's kernel is a matrix with a row for each of its input's channels, and a column for each
output at each position of the kernel: space is left to the channels alone. Where a flattening puts
the positions of an image side by side, each position is taken as a row of its own if there are too
few samples to tell the columns apart; the kernel is then looked at as if it were a convolution's.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.kernels.compiled import CompiledKernels, Rows
from nasmon.kernels.rows import ROWS_PER_CHANNEL, CallRows, rows_of
from nasmon.kernels.selection import Consumer
from nasmon.narrowing.traced import Traced, calls_of, captured_pass, consumers_among, follow
from nasmon.probe_set import ProbeSet
from nasmon.widths.graph import WidthGroup
from nasmon.widths.layer_rules import mixes_at_once, mixing_weight

MOST_ROWS = 16384
"""Rows of a consumer, as of a layer that is monitored."""


class Received(NamedTuple):
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
        place = {int(n): c for row in numbers for c, n in enumerate(row)}
        columns: list[list[int]] = [[] for _ in range(numbers.shape[1])]
        for position, number in enumerate(self.channels):
            if int(number) in place:
                columns[place[int(number)]].append(position)
        if not columns[0]:
            return None
        return Consumer(self.covariance, self.gram, np.array(columns))


def kernel_of(layer: keras.Layer, times: int = 1) -> np.ndarray:
    """A mixing layer's kernel, [N, positions, outputs] float64.

    Args:
        layer: of effect "mixes"; of a separable convolution both its kernels together.
        times: how often its input's columns come again, as ``Received.times``.
    """
    weight, axes = mixing_weight(layer)
    assert axes.input is not None
    assert axes.output is not None
    kernel = _numpy(weight)
    kernel = np.moveaxis(kernel, (axes.input, axes.output), (0, -1))
    kernel = kernel.reshape(len(kernel), -1, kernel.shape[-1])
    if not mixes_at_once(layer):
        depthwise = _numpy(layer.depthwise_kernel)
        depthwise = depthwise.reshape(-1, *depthwise.shape[-2:])
        pointwise = kernel.reshape(*depthwise.shape[1:], -1)
        kernel = np.einsum("pnm,nmo->npo", depthwise, pointwise)
    count, _, outputs = kernel.shape
    apart = kernel.reshape(times, count // times, -1, outputs)
    return apart.transpose(1, 0, 2, 3).reshape(count // times, -1, outputs)


def _numpy(weight: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(weight), np.float64)


def gather(traced: Traced, data: ProbeSet) -> dict[str, Received]:
    """What every consumer receives, over all samples.

    Args:
        traced: the model.
        data: samples to run it on.
    """
    model, names, times = traced.model, list[str](), dict[str, int]()

    def tapped(inputs: Any) -> Rows:
        names.clear()
        captured = captured_pass(model, inputs)
        received = consumers_among(traced.layers, follow(captured, inputs))
        rows: list[tuple[CallRows, ...]] = []
        for name, channels in received.items():
            calls = calls_of(captured, name)
            if not all(call.inputs[0].dtype.is_floating for call in calls):
                continue
            times[name] = _repetitions(channels, data.samples)
            most, parts = MOST_ROWS, len(data.chunks) * len(calls)
            rows.append(
                tuple(
                    rows_of(_apart(call.inputs[0], times[name]), -1, most, parts, call.input_mask)
                    for call in calls
                )
            )
            names.append(name)
        return tuple(rows)

    forward = tf.function(tapped, autograph=False).get_concrete_function(data.chunks[0])
    received = traced.consumers()
    widths = [len(received[name]) // times[name] for name in names]
    kernels = CompiledKernels(widths)
    states = kernels.empty()
    for chunk in data.chunks:
        states = kernels.absorb(states, forward(chunk))
    found = kernels.moments(states)
    return {
        name: _received(received[name], times[name], traced.layers[name], *moments)
        for name, moments in zip(names, found, strict=True)
    }


def consumers_of(
    traced: Traced, group: WidthGroup, received: Mapping[str, Received]
) -> dict[str, Consumer]:
    """A group's consumers by layer."""
    numbers = traced.numbers(group)
    found = {name: one.consumer(numbers) for name, one in received.items()}
    return {name: one for name, one in found.items() if one is not None}


def _received(
    channels: np.ndarray,
    times: int,
    layer: keras.Layer,
    rows: int,
    mean: np.ndarray,
    covariance: np.ndarray,
) -> Received:
    matrix = kernel_of(layer, times).reshape(len(mean), -1)
    own = channels[: len(channels) // times]
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

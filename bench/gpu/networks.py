"""Networks whose readings are exported: the tapped forward pass of a chunk, traced and not run."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nasmon.capture import capture
from nasmon.kernels.rows import rows_of
from nasmon.monitor import DEFAULT_MAX_ROWS, Monitor
from nasmon.probe_set import DEFAULT_CHUNK
from nasmon.taps import choose_taps, layers_of
from nasmon.train.models import build_model

CHUNKS = inspect.signature(Monitor).parameters["samples"].default // DEFAULT_CHUNK
"""Chunks of a reading at the defaults."""

NETWORKS: dict[str, Callable[[], keras.Model]] = {
    "nano_u": lambda: build_model("nano_u"),
    "mobilenetv2": lambda: keras.applications.MobileNetV2(weights=None),
    "resnet50": lambda: keras.applications.ResNet50(weights=None),
}


class Forward(NamedTuple):
    """The forward pass of one chunk, up to the rows of each layer that a reading takes."""

    function: Any  # a tf.function of the inputs and then all weights
    arguments: tuple[tf.TensorSpec, ...]
    rows: list[tuple[int, int]]  # of each layer, rows x channels


def forward_of(model: keras.Model) -> Forward:
    """The tapped forward pass of a built model with one input, as a function of its weights too.

    TensorFlow lowers nothing for another machine that reads variables.
    """
    taps = choose_taps(model, "auto")
    variables = model.variables

    def forward(x: tf.Tensor, *weights: tf.Tensor) -> list[tf.Tensor]:
        with _standing_in(variables, weights):
            captured = capture(model, layers_of(taps), x)
        return [
            rows_of(passed.tensor, tap.axis, DEFAULT_MAX_ROWS, CHUNKS, passed.mask)
            for tap in taps
            for passed in tap.activations(captured)
        ]

    function = tf.function(forward, jit_compile=True, autograph=False)
    of_weights = (tf.TensorSpec(variable.shape, variable.dtype) for variable in variables)
    arguments = (tf.TensorSpec((DEFAULT_CHUNK, *model.input_shape[1:])), *of_weights)
    rows = function.get_concrete_function(*arguments).structured_outputs
    return Forward(function, arguments, [tuple(matrix.shape) for matrix in rows])


@contextmanager
def _standing_in(variables: Sequence[Any], weights: Sequence[tf.Tensor]) -> Iterator[None]:
    """Has a model compute with tensors in place of its variables.

    Keras's own StatelessScope would do, but ``capture`` opens another inside of it.
    """
    before = [variable._value for variable in variables]
    try:
        for variable, weight in zip(variables, weights, strict=True):
            variable._value = weight
        yield
    finally:
        for variable, own in zip(variables, before, strict=True):
            variable._value = own

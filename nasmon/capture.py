"""What goes into and comes out of every call of a layer in a forward pass.

A call is recorded by wrapping ``layer.call`` on the instance, only while a forward pass runs or is
traced; that works in functional, nested and subclassed models alike.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nasmon.isolation import untouched

INPUT, OUTPUT = "input", "output"
"""What the model's own ends are called where no layer's name says it; and the sides of a call."""


class Call(NamedTuple):
    """One call of a layer in a traced forward pass."""

    name: str
    layer: keras.Layer
    leaf: bool  # whether the layer has no layers inside
    inputs: tuple[tf.Tensor, ...]
    outputs: tuple[tf.Tensor, ...]


def output_names(count: int) -> list[str]:
    """What the model's outputs are called among its layers."""
    return [OUTPUT] if count == 1 else [f"{OUTPUT}_{position}" for position in range(count)]


# these call their parts in a loop, out of reach, but put out what their parts did
LOOPS = (keras.layers.TimeDistributed, keras.layers.RNN)


class Captured(NamedTuple):
    """What a forward pass put out."""

    calls: list[Call]  # of the recorded layers, in the order in which they ended
    outputs: list[tf.Tensor]  # of the model
    operations: Sequence[tf.Operation] = ()  # of a traced pass, as they were made


def capture(
    model: keras.Model, layers: Sequence[tuple[str, keras.Layer]], x: Any, chunk: Any = 0
) -> Captured:
    """Runs ``model(x, training=False)`` and returns what went into and came out of layers.

    The model is left as it was: see ``isolation.untouched``. A layer that is not called, or only
    in the body of a loop, has no entry.

    Args:
        model: a built Keras model.
        layers: whose calls to record, with the names to record them under.
        x: a batch of inputs.
        chunk: a number, or a tensor of one, for the noise that random layers draw.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name="dense")])
        >>> (call,) = capture(model, list(named_layers(model)), tf.ones([3, 4])).calls
        >>> call.name, call.inputs[0].shape[-1], call.outputs[0].shape[-1]
        ('dense', 4, 2)
    """
    calls: list[Call] = []
    with untouched(model, chunk), _functions_inlined(), _wrapped(layers, calls):
        outputs = model(x, training=False)
    traced = not tf.executing_eagerly()
    operations = tf.compat.v1.get_default_graph().get_operations() if traced else ()
    return Captured(calls, tf.nest.flatten(outputs), operations)


@contextmanager
def _wrapped(layers: Sequence[tuple[str, keras.Layer]], calls: list[Call]) -> Iterator[None]:
    own = [vars(layer).get("call") for _, layer in layers]
    try:
        for name, layer in layers:
            vars(layer)["call"] = _recording(name, layer, calls)
        yield
    finally:
        for (_, layer), call in zip(layers, own, strict=True):
            vars(layer).pop("call", None)
            if call is not None:
                vars(layer)["call"] = call


def _recording(name: str, layer: keras.Layer, calls: list[Call]) -> Callable[..., Any]:
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    call = layer.call
    leaf = isinstance(layer, LOOPS) or not any(layer._flatten_layers(include_self=False))

    def of_this_pass(tensors: Any) -> tuple[tf.Tensor, ...]:
        # what is made in the body of a loop cannot leave it
        return tuple(
            t
            for t in tf.nest.flatten(tensors)
            if isinstance(t, tf.Tensor)
            and getattr(t, "graph", None) is graph
            and not (graph is not None and _in_vectorized_map(t))
        )

    @wraps(call)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        outputs = call(*args, **kwargs)
        own = of_this_pass(outputs)
        if own:
            calls.append(Call(name, layer, leaf, of_this_pass((args, kwargs)), own))
        return outputs

    return recorded


def _in_vectorized_map(tensor: tf.Tensor) -> bool:
    """Whether a tensor is of the one example that ``tf.vectorized_map`` traces its function with.

    That lies in the same graph; all examples are computed elsewhere.
    """
    scope = re.match(r"(?:.*/)?loop_body(?:_\d+)?(?=/)", tensor.op.name)
    if scope is None:
        return False
    # what counts the examples; else it is a scope of the user's that is called so
    counter = f"{scope[0]}/PlaceholderWithDefault"
    return any(operation.name == counter for operation in tensor.graph.get_operations())


@contextmanager
def _functions_inlined() -> Iterator[None]:
    """Traces a ``@tf.function`` inside the model as part of the forward pass.

    Its layers' outputs could not leave a function of its own.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def named_layers(model: keras.Layer, prefix: str = "") -> Iterator[tuple[str, keras.Layer]]:
    """Every layer below ``model`` with its path, parents before children, each once."""
    seen: set[int] = set()
    names: dict[str, int] = {}

    def below(parent: keras.Layer, prefix: str) -> Iterator[tuple[str, keras.Layer]]:
        for layer in parent._flatten_layers(include_self=False, recursive=False):
            if id(layer) in seen or isinstance(layer, keras.layers.InputLayer):
                continue
            seen.add(id(layer))
            name = prefix + layer.name
            names[name] = names.get(name, 0) + 1
            # two layers of one name in one place: Keras allows it in subclassed models
            unique = name if names[name] == 1 else f"{name}#{names[name]}"
            yield unique, layer
            if not isinstance(layer, LOOPS):
                yield from below(layer, f"{unique}/")

    yield from below(model, prefix)

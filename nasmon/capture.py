"""What goes into and comes out of every call of a layer in a forward pass.

A call is recorded by wrapping ``layer.call`` on the instance, or of a quantized layer what Keras
calls in its place, only while a forward pass runs or is traced; that works in functional, nested
and subclassed models alike.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras.src.layers.convolutional.base_conv import BaseConv

from nasmon.errors import UsageError
from nasmon.isolation import untouched
from nasmon.widths.layer_rules import quantization_of

if keras.backend.backend() != "tensorflow":
    raise UsageError(
        f"nasmon reads models of Keras's TensorFlow backend, and this is "
        f"{keras.backend.backend()!r}; set KERAS_BACKEND=tensorflow before Keras is imported"
    )

INPUT, OUTPUT = "input", "output"
"""What the model's own ends are called where no layer's name says it; and the sides of a call."""


class Call(NamedTuple):
    """One call of a layer in a traced forward pass."""

    name: str
    layer: keras.Layer
    leaf: bool  # whether the layer has no layers inside
    inputs: tuple[tf.Tensor, ...]
    outputs: tuple[tf.Tensor, ...]
    # Keras's masks of the first input and of the main output, [B, ...] bool; None for none
    input_mask: tf.Tensor | None = None
    output_mask: tf.Tensor | None = None

    @property
    def output(self) -> tf.Tensor:
        """The main output: the first that holds activations; the first of all if none does.

        What a layer puts out besides, such as its last states or a loss, is not the layer's width.
        """
        return next(filter(holds_activations, self.outputs), self.outputs[0])


def holds_activations(tensor: tf.Tensor) -> bool:
    """Whether a tensor is floating-point and [batch, ..., channels], with a known rank."""
    rank = tensor.shape.rank
    return bool(tensor.dtype.is_floating and rank is not None and rank >= 2)


def output_names(count: int) -> list[str]:
    """What the model's outputs are called among its layers."""
    return [OUTPUT] if count == 1 else [f"{OUTPUT}_{position}" for position in range(count)]


# these call their parts in a loop, out of reach, but put out what their parts did
LOOPS = (keras.layers.TimeDistributed, keras.layers.RNN)


class Captured(NamedTuple):
    """What a forward pass put out."""

    calls: list[Call]  # of the recorded layers, in the order in which they ended
    outputs: list[tf.Tensor]  # of the model; what else it puts out, such as None, is left out
    operations: Sequence[tf.Operation] = ()  # of a traced pass, as they were made
    output_masks: Sequence[tf.Tensor | None] = ()  # Keras's, one for each of the model's outputs


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
    recorder = _Recorder(layers)
    # also of those that are not recorded: see ``note_mask``
    wrapped = wrapped_calls([layer for _, layer in named_layers(model)], recorder.wrapper)
    with untouched(model, chunk), _functions_inlined(), wrapped:
        outputs = recorder.of_this_pass(model(x, training=False))
        recorder.note_mask()
    traced = not tf.executing_eagerly()
    operations = tf.compat.v1.get_default_graph().get_operations() if traced else ()
    masks = [recorder.mask_of(tensor) for tensor in outputs]
    return Captured(recorder.calls, list(outputs), operations, masks)


class _Recorder:
    """The calls of some layers, as they end in the forward pass that runs now."""

    def __init__(self, layers: Sequence[tuple[str, keras.Layer]]) -> None:
        self.calls: list[Call] = []
        self._names = {id(layer): name for name, layer in layers}
        self._graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
        self._noted = 0  # of how many calls the mask was looked for

    def wrapper(self, layer: keras.Layer) -> Callable[..., Any]:
        """What stands in for ``layer.call`` while the pass runs."""
        call = getattr(layer, _called(layer))
        name = self._names.get(id(layer))
        leaf = isinstance(layer, LOOPS) or not any(layer._flatten_layers(include_self=False))

        @wraps(call)
        def recorded(*args: Any, **kwargs: Any) -> Any:
            self.note_mask()
            inputs = self.of_this_pass((args, kwargs)) if name is not None else ()
            mask = self.mask_of(inputs[0]) if inputs else None
            with _functions_inlined(not isinstance(layer, BaseConv)):
                outputs = call(*args, **kwargs)
            self.note_mask()
            own = self.of_this_pass(outputs)
            if own and name is not None:
                self.calls.append(Call(name, layer, leaf, inputs, own, input_mask=mask))
            return outputs

        return recorded

    def of_this_pass(self, tensors: Any) -> tuple[tf.Tensor, ...]:
        """The tensors in a nest; but what is made in the body of a loop cannot leave it."""
        return tuple(
            t
            for t in tf.nest.flatten(tensors)
            if isinstance(t, tf.Tensor)
            and getattr(t, "graph", None) is self._graph
            and not (self._graph is not None and _in_vectorized_map(t))
        )

    def note_mask(self) -> None:
        """Looks for the mask of the latest call, once.

        Keras puts it on the output when ``call`` is over, and attention layers take it off their
        inputs again: so before the next call begins.
        """
        if self._noted < len(self.calls):
            latest = self.calls[-1]
            self.calls[-1] = latest._replace(output_mask=self.mask_of(latest.output))
            self._noted = len(self.calls)

    def mask_of(self, tensor: tf.Tensor) -> tf.Tensor | None:
        """Keras's mask of a tensor, where its guide to masking says that it is."""
        mask = getattr(tensor, "_keras_mask", None)
        if mask is None:
            return None
        return next(iter(self.of_this_pass(tf.convert_to_tensor(mask))), None)


@contextmanager
def wrapped_calls(
    layers: Sequence[keras.Layer], wrapper: Callable[[keras.Layer], Callable[..., Any]]
) -> Iterator[None]:
    """Has something else stand in for ``call`` of some layers, on the instances alone.

    Args:
        layers: each once.
        wrapper: gives what stands in for a layer's ``call``.
    """
    names = [_called(layer) for layer in layers]
    own = [vars(layer).get(name) for layer, name in zip(layers, names, strict=True)]
    try:
        for layer, name in zip(layers, names, strict=True):
            vars(layer)[name] = wrapper(layer)
        yield
    finally:
        for layer, name, call in zip(layers, names, own, strict=True):
            vars(layer).pop(name, None)
            if call is not None:
                vars(layer)[name] = call


def _called(layer: keras.Layer) -> str:
    """The method in which Keras runs a layer."""
    return "quantized_call" if quantization_of(layer) else "call"


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
def _functions_inlined(inlined: bool = True) -> Iterator[None]:
    """Traces a ``@tf.function`` inside the model as part of the forward pass.

    Its layers' outputs could not leave a function of its own. But Keras has convolutions in groups
    compiled by XLA, without which some CPUs cannot do them.
    """
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(inlined)
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

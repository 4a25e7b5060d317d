"""Which layers are monitored, and how their outputs are captured.

A layer's output is captured by wrapping ``layer.call`` on the instance, only while a forward pass
runs or is traced; that works in functional, nested and subclassed models alike.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import wraps
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nasmon.errors import UsageError
from nasmon.growth import DEPTHWISE, MIXING
from nasmon.isolation import untouched
from nasmon.reading import LayerInfo
from nasmon.structure import OUTPUT, Call, output_names

_OWNS_WIDTH = (*MIXING, *DEPTHWISE)

# these call their parts in a loop, out of reach, but put out what their parts did
_LOOPS = (keras.layers.TimeDistributed, keras.layers.RNN)


class Captured(NamedTuple):
    """What a forward pass put out."""

    calls: list[Call]  # of the recorded layers, in the order in which they ended
    outputs: list[tf.Tensor]  # of the model
    operations: Sequence[tf.Operation] = ()  # of a traced pass, as they were made


class Tap(NamedTuple):
    """A point of the model whose output is captured."""

    name: str  # path of the layer in the model, or of the output
    layer: keras.Layer | None  # None for an output of the model
    position: int = 0  # which of the model's outputs
    axis: int = -1  # the axis that holds the channels
    required: bool = False  # whether the user asked for it by name

    @property
    def info(self) -> LayerInfo:
        """The tap as a reading names it, with the width that the layer's settings tell."""
        if self.layer is None:
            return LayerInfo(self.name, "Output", 0, False)
        layer = self.layer
        kind, tied = type(layer).__name__, isinstance(layer, DEPTHWISE)
        params = layer.count_params() if layer.built else 0
        return LayerInfo(self.name, kind, _width(layer), tied, params)

    def tensors(self, captured: Captured) -> tuple[tf.Tensor, ...]:
        """What the tap put out in a forward pass, in the order of its calls; () if nothing."""
        if self.layer is None:
            return tuple(captured.outputs[self.position : self.position + 1])
        return tuple(t for call in captured.calls if call.name == self.name for t in call.outputs)


def list_layers(model: keras.Model) -> list[LayerInfo]:
    """The layers that ``layers="auto"`` monitors, in the model's order.

    Args:
        model: a Keras model, functional or subclassed; built, or the widths of depthwise layers
            read 0.
    """
    return [tap.info for tap in choose_taps(model, "auto")]


def is_built(model: keras.Model) -> bool:
    """Whether all layers have their weights; a subclassed model may get them in its first call."""
    return all(layer.built for layer in model._flatten_layers())


def choose_taps(model: keras.Model, layers: str | Sequence[str]) -> list[Tap]:
    """The taps that a selection means, in the model's order, each once.

    Args:
        model: a Keras model.
        layers: "auto" for every layer that owns a width; "output" for the model's output; else a
            name, glob or /regular expression/, or a list of them. A nested layer is found by its
            path ("encoder/conv1") or its own name.

    Raises:
        ValueError: a selector matches nothing; the message lists what there is.
    """
    named = list(_named_layers(model))
    if layers == "auto":
        taps = [_tap(name, layer) for name, layer in named if _owns_width(layer)]
        if not taps:
            _refuse("auto", named)
        return taps
    selectors = [layers] if isinstance(layers, str) else list(layers)
    if not selectors:
        _refuse([], named)
    chosen: dict[str, Tap] = {}
    for selector in selectors:
        if selector == OUTPUT:
            found = [Tap(OUTPUT, None, required=True)]
        else:
            found = [_tap(n, layer, True) for n, layer in named if _matches(selector, n)]
        if not found:
            _refuse(selector, named)
        chosen |= {tap.name: tap for tap in found}
    order = [name for name, _ in named]
    return sorted(chosen.values(), key=lambda t: order.index(t.name) if t.layer else len(order))


def capture(model: keras.Model, taps: Sequence[Tap], x: Any, everything: bool = False) -> Captured:
    """Runs ``model(x, training=False)`` and returns what the taps' layers put out.

    The model is left as it was: see ``isolation.untouched``. A layer that is not called, or only
    in the body of a loop, has no entry.

    Args:
        model: a built Keras model.
        taps: whose layers' calls to record.
        x: a batch of inputs.
        everything: whether to record the calls of all other layers, too.
    """
    calls: list[Call] = []
    layers = [(tap.name, tap.layer) for tap in taps if tap.layer is not None]
    if everything:
        layers = list(_named_layers(model))
    with untouched(), _functions_inlined(), _wrapped(layers, calls):
        outputs = model(x, training=False)
    traced = not tf.executing_eagerly()
    operations = tf.compat.v1.get_default_graph().get_operations() if traced else ()
    return Captured(calls, tf.nest.flatten(outputs), operations)


def measurable_taps(taps: Sequence[Tap], captured: Captured) -> list[Tap]:
    """The taps that yielded activations; a model's several outputs become a tap each.

    Raises:
        ValueError: a layer that the user named yielded none, or none of the taps did.
    """
    chosen = []
    for tap in _one_an_output(taps, captured):
        reason = _unmeasurable(tap.tensors(captured), tap.axis)
        if reason is None:
            chosen.append(tap)
        elif tap.required:
            raise UsageError(f"layers has {tap.name!r}, which cannot be measured: {reason}")
    if not chosen:
        raise UsageError(
            f"none of the layers {', '.join(tap.name for tap in taps)} puts out activations in "
            'model(x, training=False); pass layers="output" to measure the model\'s output'
        )
    return chosen


def _one_an_output(taps: Sequence[Tap], captured: Captured) -> Iterator[Tap]:
    for tap in taps:
        if tap.layer is not None:
            yield tap
            continue
        for position, name in enumerate(output_names(len(captured.outputs))):
            yield tap._replace(name=name, position=position)


def _unmeasurable(tensors: Sequence[tf.Tensor], axis: int) -> str | None:
    if not tensors:
        return "it is not called by model(x, training=False), or only inside a loop"
    for tensor in tensors:
        if not tensor.dtype.is_floating or tensor.shape.rank < 2:
            return (
                f"it puts out {tensor.dtype.name} of shape {tensor.shape}, not floating-point "
                "activations [batch, ..., channels]"
            )
    widths = {tensor.shape[axis] for tensor in tensors}
    return f"it puts out different widths: {widths}" if len(widths) > 1 or None in widths else None


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
    leaf = isinstance(layer, _LOOPS) or not any(layer._flatten_layers(include_self=False))

    def of_this_pass(tensors: Any) -> tuple[tf.Tensor, ...]:
        # what is made in the body of a loop cannot leave it
        return tuple(
            t
            for t in tf.nest.flatten(tensors)
            if isinstance(t, tf.Tensor) and getattr(t, "graph", None) is graph
        )

    @wraps(call)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        outputs = call(*args, **kwargs)
        own = of_this_pass(outputs)
        if own:
            calls.append(Call(name, layer, leaf, of_this_pass((args, kwargs)), own))
        return outputs

    return recorded


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


def _named_layers(model: keras.Layer, prefix: str = "") -> Iterator[tuple[str, keras.Layer]]:
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
            if not isinstance(layer, _LOOPS):
                yield from below(layer, f"{unique}/")

    yield from below(model, prefix)


def _tap(name: str, layer: keras.Layer, required: bool = False) -> Tap:
    first = getattr(layer, "data_format", None) == "channels_first"
    return Tap(name, layer, axis=1 if first else -1, required=required)


def _matches(selector: str, name: str) -> bool:
    own_name = name.rpartition("/")[2]
    if len(selector) > 1 and selector.startswith("/") and selector.endswith("/"):
        try:
            return re.search(selector[1:-1], name) is not None
        except re.error as error:
            raise UsageError(
                f"layers has {selector!r}, not a regular expression: {error}"
            ) from None
    return fnmatchcase(name, selector) or fnmatchcase(own_name, selector)


def _owns_width(layer: keras.Layer) -> bool:
    if isinstance(layer, keras.layers.TimeDistributed):
        return _owns_width(layer.layer)
    return isinstance(layer, _OWNS_WIDTH)


def _width(layer: keras.Layer) -> int:
    """C as far as the layer's settings tell it, else 0."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return _width(layer.layer)
    if isinstance(layer, DEPTHWISE):
        kernel = getattr(layer, "kernel", None)
        return int(kernel.shape[-2]) * layer.depth_multiplier if kernel is not None else 0
    if isinstance(layer, keras.layers.EinsumDense):
        return int(layer.partial_output_shape[-1] or 0)
    return int(getattr(layer, "filters", None) or getattr(layer, "units", None) or 0)


def _refuse(selector: Any, named: Sequence[tuple[str, keras.Layer]]) -> None:
    there = ", ".join(name for name, _ in named) or "no layers at all"
    if selector == "auto":
        raise UsageError(
            'layers="auto" finds no convolution or dense layer in the model; pass layers= with '
            f'names, or "output". There are: {there}'
        )
    raise UsageError(f"layers has {selector!r}, which matches no layer. There are: {there}")

"""A model of the same layers with other widths, not trained."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional, functional_like_constructor
from keras.src.ops.numpy import Reshape

from nasmon.capture import named_layers
from nasmon.errors import UsageError, first_line
from nasmon.isolation import seeds_kept
from nasmon.narrowing.layer_weights import counterparts
from nasmon.narrowing.traced import Traced
from nasmon.widths.layer_rules import keeps_apart, normalizes_apart, repeats_of, rule_of

Build = Callable[[], keras.Model]
"""Makes a model anew, of the same layers in the same order; its layers must not be built yet."""


def rebuilt(
    traced: Traced, alive: np.ndarray, build: Build | None = None, x: Any = None
) -> keras.Model:
    """A model with the channels that are alive; its weights are those of a new one.

    Layer names, connections, settings and dtype policies are kept. If the model is compiled, so is
    this one, with a new optimizer of the same settings.

    Args:
        traced: the model, which is left as it is; random numbers are drawn later as if this had
            never been.
        alive: [numbers] bool, which of its channels to keep.
        build: for a subclassed model.
        x: a batch to call that on, once.

    Raises:
        UsageError: the model cannot be made anew.
    """
    with seeds_kept():
        try:
            small = _made(traced, alive, build, x)
        except UsageError:
            raise
        except Exception as error:
            # of Keras's, or of the model's own code
            raise UsageError(
                f"{traced.model.name!r} cannot be made with these widths ({type(error).__name__}: "
                f"{first_line(error)}); something in it fixes one: leave the layers before that "
                "alone with keep="
            ) from error
    compile_alike(traced.model, small)
    return small


def _made(traced: Traced, alive: np.ndarray, build: Build | None, x: Any) -> keras.Model:
    if build is not None:
        return _built(traced, alive, build, x)
    if isinstance(traced.model, keras.Sequential | Functional):
        return _Cloning(traced, alive).model(traced.model)
    raise UsageError(
        f"{traced.model.name!r} is a subclassed model, which cannot be made anew from a config; "
        "pass build=, a function that makes it"
    )


def compile_alike(model: keras.Model, small: keras.Model) -> None:
    """Compiles a model as another one is, with an optimizer and metrics of its own."""
    if not model.compiled:
        return
    settings = dict(model._compile_config.config)
    optimizer = model.optimizer
    settings["optimizer"] = type(optimizer).from_config(optimizer.get_config())
    for name in ("metrics", "weighted_metrics"):
        settings[name] = keras.tree.map_structure(_own_metric, settings[name])
    small.compile(**settings)


def _own_metric(metric: Any) -> Any:
    if isinstance(metric, keras.metrics.Metric):
        return type(metric).from_config(metric.get_config())
    return metric


def _width(alive: np.ndarray, channels: np.ndarray) -> int:
    return int(alive[channels].sum())


class _Cloning:
    """Layers made anew from their configs, each once, however often it is called."""

    def __init__(self, traced: Traced, alive: np.ndarray) -> None:
        self._traced, self._alive = traced, alive
        self._paths = {id(layer): name for name, layer in traced.layers.items()}
        self._made: dict[int, keras.Layer] = {}

    def model(self, model: keras.Model) -> keras.Model:
        """A functional or sequential model, on its own or inside of another."""
        if isinstance(model, keras.Sequential):
            layers = [self._input(tensor, model) for tensor in model.inputs]
            kind = _kind(model, keras.Sequential)
            made = kind([*layers, *map(self.layer, model.layers)], name=model.name)
        else:
            inputs = keras.tree.map_structure(
                lambda tensor: self._input(tensor, model), model._inputs_struct
            )
            outputs = model._run_through_graph(inputs, operation_fn=self.layer)
            made = _kind(model, Functional)(inputs, outputs, name=model.name)
        made.trainable = model.trainable
        for layer, other in zip(_below(model), _below(made), strict=True):
            other.trainable = layer.trainable
        return made

    def layer(self, layer: Any) -> Any:
        """A layer made anew; of an operation itself, as it holds no weights."""
        if not isinstance(layer, keras.Layer):
            return _reshaping(layer) if isinstance(layer, Reshape) else layer
        if id(layer) not in self._made:
            nested = isinstance(layer, keras.Sequential | Functional)
            self._made[id(layer)] = self.model(layer) if nested else self._from_config(layer)
        return self._made[id(layer)]

    def _from_config(self, layer: keras.Layer) -> keras.Layer:
        name = self._paths.get(id(layer), layer.name)
        outputs = self._traced.widths.outputs.get(name)
        try:
            config = layer.get_config()
            if outputs is not None:
                config |= _of_width(layer, config, _width(self._alive, outputs), len(outputs))
            if isinstance(layer, keras.layers.Lambda):
                return _lambda_of(layer, config)
            return layer.__class__.from_config(config)
        except Exception as error:
            raise UsageError(
                f"the layer {name!r} cannot be made anew from its get_config() "
                f"({type(error).__name__}: {first_line(error)}); give {type(layer).__name__} one "
                "that its from_config takes"
            ) from error

    def _input(self, tensor: Any, model: keras.Model) -> Any:
        """An input of a model; of a nested one as wide as what it is called on has become."""
        given = self._traced.widths.inputs.get(self._paths.get(id(model), ""), ())
        place = next(n for n, one in enumerate(model.inputs) if one is tensor)
        inputs = given[place] if len(given) == len(model.inputs) else None
        shape = list(tensor.shape)
        if inputs is not None and shape[-1] == len(inputs):
            shape[-1] = _width(self._alive, inputs)
        own = tensor._keras_history.operation
        name = own.name if isinstance(own, keras.layers.InputLayer) else tensor.name
        return keras.Input(batch_shape=shape, dtype=tensor.dtype, name=name)


def _lambda_of(layer: keras.layers.Lambda, config: dict[str, Any]) -> keras.layers.Lambda:
    """A lambda with the very function: what Keras restores one to lacks the names around it."""
    # it is the user's own, in memory: nothing is read from a file
    made = layer.__class__.from_config(config | {"output_shape": None}, safe_mode=False)
    made.function = layer.function
    return made


def _kind(model: keras.Model, plain: type[keras.Model]) -> type[keras.Model]:
    """The class to make a model anew of: its own if that takes what the plain one does."""
    kind = model.__class__
    if kind is plain or functional_like_constructor(kind):
        return kind
    if issubclass(kind, plain) and kind.__init__ is plain.__init__:
        return kind
    steps = [name for name in _STEPS if name in vars(kind)]
    if steps:
        warnings.warn(
            f"nasmon: the narrower model is a {plain.__name__}, without {kind.__name__}'s own "
            f"{', '.join(steps)}, as {kind.__name__} has a constructor of its own",
            RuntimeWarning,
            stacklevel=2,
        )
    return plain


_STEPS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics", "call")


def _reshaping(operation: Reshape) -> Callable[[Any], Any]:
    """A reshape whose last length is as much longer or shorter as what goes in has become."""
    (before,) = keras.tree.flatten(operation._inbound_nodes[0].input_tensors)
    *others, last = operation.newshape

    def reshaped(x: Any) -> Any:
        now = last if last == -1 else last * x.shape[-1] // before.shape[-1]
        return keras.ops.reshape(x, (*others, now))

    return reshaped


def _below(model: keras.Model) -> Iterable[keras.Layer]:
    return (layer for _, layer in named_layers(model))


def _of_width(
    layer: keras.Layer, config: dict[str, Any], width: int, before: int
) -> dict[str, Any]:
    """What changes in a layer's config with its output's width."""
    if isinstance(layer, keras.layers.Reshape):
        *others, last = config["target_shape"]
        return {"target_shape": (*others, width)} if last == before else {}
    if normalizes_apart(layer):
        return {"groups": width}
    rule = rule_of(layer)
    if rule is None or rule.width is None or width == before:
        return {}
    if isinstance(layer, keras.layers.EinsumDense):
        shape = config["output_shape"]
        return {"output_shape": (*shape[:-1], width) if isinstance(shape, list | tuple) else width}
    groups = {"groups": width // repeats_of(layer)} if keeps_apart(layer) else {}
    return {rule.width: width, **groups}


def _set_width(layer: keras.Layer, setting: str, width: int) -> None:
    """Sets the width of a layer that is not built."""
    if isinstance(layer, keras.layers.EinsumDense):
        layer.partial_output_shape = (*layer.partial_output_shape[:-1], width)
        return
    cell = getattr(layer, "cell", None)
    if cell is None:
        setattr(layer, setting, width)
        return
    # a recurrent layer has its own from its cell, which keeps it as the sizes of its states, too
    setattr(cell, setting, width)
    cell.output_size = width
    cell.state_size = keras.tree.map_structure(lambda _: width, cell.state_size)
    layer.state_size = keras.tree.map_structure(lambda _: width, layer.state_size)


def _built(traced: Traced, alive: np.ndarray, build: Build, x: Any) -> keras.Model:
    """What ``build`` makes, with widths set before its layers are built."""
    small = build()
    for name, layer in counterparts(traced.layers, small).items():
        outputs = traced.widths.outputs.get(name)
        # of one that is built: what it does to channels is known by its kernel
        trained = traced.layers[name]
        rule = rule_of(trained)
        if outputs is not None and normalizes_apart(trained):
            layer.groups = _width(alive, outputs)
        if outputs is None or rule is None or rule.width is None:
            continue
        if layer.built:
            raise UsageError(
                f"the layer {name!r} of the model from build() is built already; return a model "
                "that has not been called"
            )
        _set_width(layer, rule.width, _width(alive, outputs))
        if keeps_apart(trained):
            layer.groups = _width(alive, outputs) // repeats_of(trained)
    small(x)
    return small

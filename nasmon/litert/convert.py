"""Converts a model into a LiteRT file of 8-bit integers, by Keras's own export."""

import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nasmon.capture import named_layers, wrapped_calls
from nasmon.errors import UsageError, first_line
from nasmon.litert.extra import flatbuffer_utils
from nasmon.narrowing.traced import check_built
from nasmon.native_output import held_back
from nasmon.widths.inputs_graph import is_one_resizing
from nasmon.widths.operations import WHILE_LOOPS


def int8_file(model: keras.Model, samples: Any) -> bytes:
    """A model as a LiteRT file with weights, activations, input and output in 8-bit integers.

    The file takes one input at a time, as a microcontroller does, and holds no names. Layers that
    repeat rows and columns become one operation, where Keras would make five of them that hold
    twice as much.

    Args:
        model: built and trained; it is left as it is.
        samples: inputs as the model takes them, arrays of [B, ...]: what the ranges of activations
            are found with. A hundred will do.

    Raises:
        UsageError: the model is not built, has layers that recur, or cannot be converted.
    """
    check_built(model)
    _refuse_half(model)
    samples = _as_taken(model, samples)
    spec = tf.nest.map_structure(
        lambda array: tf.TensorSpec((1, *array.shape[1:]), array.dtype), samples
    )
    _refuse_loops(model, spec)
    resized = [layer for _, layer in named_layers(model) if is_one_resizing(layer)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.tflite")
        try:
            with wrapped_calls(resized, _as_resizing), held_back(), warnings.catch_warnings():
                # of the converter's own interpreter, for several inputs
                warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated")
                model.export(
                    path,
                    format="litert",
                    verbose=False,
                    input_signature=[spec],
                    optimizations=[tf.lite.Optimize.DEFAULT],
                    representative_dataset=lambda: _one_by_one(samples),
                    target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
                    inference_input_type=tf.int8,
                    inference_output_type=tf.int8,
                )
        except Exception as error:
            # a converter may refuse anything, in words of its own, and at length
            raise UsageError(
                f"the model {model.name!r} cannot be converted to 8-bit integers "
                f"({type(error).__name__}: {first_line(error)[:160]})"
            ) from error
        file = flatbuffer_utils().read_model(str(path))
    _put_in_order(file)
    flatbuffer_utils().strip_strings(file)
    return bytes(flatbuffer_utils().convert_object_to_bytearray(file))


def _as_taken(model: keras.Model, samples: Any) -> Any:
    """Samples in the type that a model takes, if it has one input; else of single precision."""
    inputs = tf.nest.flatten(getattr(model, "inputs", None) or [])

    def taken(array: Any) -> np.ndarray:
        found = np.asarray(array)
        if len(inputs) == 1:
            return found.astype(inputs[0].dtype)
        return found.astype("float32") if np.issubdtype(found.dtype, np.floating) else found

    return tf.nest.map_structure(taken, samples)


def _one_by_one(samples: Any) -> Iterator[dict[str, np.ndarray]]:
    arrays = [np.asarray(array) for array in tf.nest.flatten(samples)]
    names = ["args_0", *(f"args_0_{number}" for number in range(1, len(arrays)))]
    for index in range(len(arrays[0])):
        yield {name: array[index : index + 1] for name, array in zip(names, arrays, strict=True)}


def _put_in_order(file: Any) -> None:
    """Inputs and outputs as the model has them: by their names, which are then dropped."""
    (graph,), (signature,) = file.subgraphs, file.signatureDefs
    graph.inputs, graph.outputs = _ordered(signature.inputs), _ordered(signature.outputs)


def _ordered(ends: Sequence[Any]) -> list[int]:
    """Numbers of tensors: numbered ones as they are in a list, others as in a dictionary."""
    names = {one.name.decode(): int(one.tensorIndex) for one in ends}
    matches = {name: re.fullmatch(r"(?:args_0|output)(?:_(\d+))?", name) for name in names}
    places = {name: int(match[1] or 0) for name, match in matches.items() if match}
    if set(places.values()) == set(range(len(ends))):
        return [names[name] for name in sorted(names, key=lambda name: places[name])]
    return [names[name] for name in sorted(names)]


def _refuse_half(model: keras.Model) -> None:
    """Refuses what is not computed in single precision.

    Raises:
        UsageError: a layer is not.
    """
    for layer in model._flatten_layers(include_self=False):
        if layer.compute_dtype != "float32" and layer.weights:
            raise UsageError(
                f"{layer.name} computes in {layer.compute_dtype}, which LiteRT's converter does "
                "not take; build the model in float32 and give it the weights"
            )


def _refuse_loops(model: keras.Model, spec: Any) -> None:
    """The converter ends the whole process over loops.

    Raises:
        UsageError: the model has one.
    """
    graph = (
        tf.function(lambda x: model(x, training=False), autograph=False)
        .get_concrete_function(spec)
        .graph
    )
    loops = [one.name for one in graph.get_operations() if one.type in WHILE_LOOPS]
    if loops:
        raise UsageError(
            f"{loops[0].partition('/while')[0]} computes in a loop, which LiteRT's converter "
            "cannot turn into 8-bit integers; use unroll=True for a layer that recurs"
        )


def _as_resizing(layer: keras.layers.UpSampling2D) -> Callable[[tf.Tensor], tf.Tensor]:
    rows, columns = layer.size

    def call(x: tf.Tensor) -> tf.Tensor:
        _, height, width, _ = x.shape
        # with half_pixel_centers a rounded scale cannot take the neighbour
        return tf.raw_ops.ResizeNearestNeighbor(
            images=x, size=(height * rows, width * columns), half_pixel_centers=True
        )

    return call

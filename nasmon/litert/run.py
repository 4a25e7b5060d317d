"""Runs a LiteRT file as a microcontroller would: input by input, in 8-bit integers."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nasmon.litert.convert import int8_file
from nasmon.litert.extra import interpreter
from nasmon.litert.planned import planned_file
from nasmon.record.files import whole_file


def to_int8(model: keras.Model, samples: Any) -> "Int8Model":
    """A model as LiteRT runs it on a microcontroller: all of it in 8-bit integers.

    It needs the extra ``mcu``: ``pip install 'nasmon[mcu]'``.

    Args:
        model: built and trained; it is left as it is.
        samples: inputs as the model takes them, arrays of [B, ...]: what the ranges of activations
            are found with. A hundred will do.

    Raises:
        UsageError: the model cannot be converted, or LiteRT is not installed.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4)])
        >>> x = np.random.default_rng(0).normal(size=(50, 8)).astype("float32")
        >>> small = to_int8(model, x)
        >>> small.flash < 2000, small.ram, small.predict(x).shape
        (True, 32, (50, 4))
    """
    return Int8Model(int8_file(model, samples))


class Int8Model:
    """A LiteRT file whose input and output are 8-bit integers, with floating-point ends.

    Args:
        file: as from ``int8_file``.

    Attributes:
        file: the bytes.
        flash: how many there are.
        ram: bytes of the tensors that are needed at once, where these are most; an interpreter
            needs its own structures besides.
        busiest: the operation at which they are, such as "CONV_2D".
        operations: all of them, in order.

    Raises:
        UsageError: LiteRT is not installed.
    """

    def __init__(self, file: bytes) -> None:
        self.file = file
        self.flash, self.ram, self.busiest, self.operations = planned_file(file)
        module = interpreter()
        # the delegates for desktops round otherwise than the kernels for microcontrollers
        kinds = module.OpResolverType
        self._interpreter = module.Interpreter(
            model_content=file,
            experimental_op_resolver_type=kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._interpreter.allocate_tensors()
        self._inputs = self._interpreter.get_input_details()
        self._outputs = self._interpreter.get_output_details()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file; one that is there is replaced only when the new one is whole."""
        with whole_file(Path(path)) as unfinished:
            unfinished.write_bytes(self.file)

    def predict(self, inputs: Any) -> Any:
        """Outputs for inputs, as ``keras.Model.predict`` gives them.

        Args:
            inputs: an array of [B, ...], or a list of them in the order of the file's inputs.

        Returns:
            An array of [B, ...] float32, or a list of them.
        """
        arrays = inputs if isinstance(inputs, list | tuple) else [inputs]
        found: list[list[np.ndarray]] = [[] for _ in self._outputs]
        for one in zip(*arrays, strict=True):
            for place, array in zip(self._inputs, one, strict=True):
                self._interpreter.set_tensor(place["index"], _quantized(array[None], place))
            self._interpreter.invoke()
            for place, outputs in zip(self._outputs, found, strict=True):
                outputs.append(_real(self._interpreter.get_tensor(place["index"]), place))
        joined = [np.concatenate(outputs) for outputs in found]
        return joined[0] if len(joined) == 1 else joined


def _quantized(array: np.ndarray, place: Any) -> np.ndarray:
    scale, zero = place["quantization"]
    if not scale:
        return np.asarray(array, place["dtype"])
    limits = np.iinfo(place["dtype"])
    whole = np.round(np.asarray(array, np.float64) / scale) + zero
    return np.clip(whole, limits.min, limits.max).astype(place["dtype"])


def _real(array: np.ndarray, place: Any) -> np.ndarray:
    scale, zero = place["quantization"]
    if not scale:
        return np.asarray(array, np.float32)
    return (scale * (array.astype(np.float64) - zero)).astype(np.float32)

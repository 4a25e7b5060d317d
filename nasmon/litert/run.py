"""Runs a LiteRT file as a microcontroller would: input by input, in 8-bit integers."""

from typing import Any

import numpy as np

from nasmon.litert.extra import interpreter


class Int8Model:
    """A LiteRT file whose input and output are 8-bit integers, with floating-point ends.

    Args:
        file: as from ``int8_file``.

    Raises:
        UsageError: LiteRT is not installed.
    """

    def __init__(self, file: bytes) -> None:
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

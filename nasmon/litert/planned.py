"""What a LiteRT file takes on a device: its bytes, and the memory that its tensors need."""

from math import prod
from typing import Any, NamedTuple

import numpy as np

from nasmon.litert.extra import flatbuffer_utils, schema
from nasmon.widths.int8 import Step, in_memory, peak_of


class PlannedFile(NamedTuple):
    """What a file takes."""

    flash: int  # its own bytes
    ram: int  # bytes of the tensors that are needed at once, where these are most
    operation: str  # the one at which they are, such as "CONV_2D"
    operations: tuple[str, ...]  # all, in order


def planned_file(file: bytes) -> PlannedFile:
    """Reads what a file takes.

    A tensor that is no constant is in memory from the operation that writes it to the last one that
    reads it. An interpreter needs its own structures besides.

    Args:
        file: with one subgraph, and shapes that are known.

    Raises:
        UsageError: LiteRT is not installed.
    """
    model = flatbuffer_utils().read_model_from_bytearray(bytearray(file))
    (graph,) = model.subgraphs
    names = {code: name for name, code in vars(schema().BuiltinOperator).items() if name.isupper()}
    sizes = [
        0 if _is_constant(model, tensor) else in_memory(prod(tensor.shape) * _width(tensor.type))
        for tensor in graph.tensors
    ]
    steps = [
        Step(
            names[_code(model.operatorCodes[operation.opcodeIndex])],
            tuple(int(number) for number in operation.inputs if number >= 0),
            tuple(int(number) for number in operation.outputs),
        )
        for operation in graph.operators
    ]
    peak = peak_of(sizes, steps, [int(number) for number in graph.outputs])
    return PlannedFile(len(file), peak.size, peak.layer, tuple(step.layer for step in steps))


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _code(operator: Any) -> int:
    """Files of before there were 128 operations have it in another place."""
    return int(max(operator.builtinCode, operator.deprecatedBuiltinCode))


def _width(kind: int) -> int:
    """Bytes of a number of a tensor's type."""
    name = next(name for name, code in vars(schema().TensorType).items() if code == kind)
    return 1 if name == "BOOL" else np.dtype(name.lower()).itemsize

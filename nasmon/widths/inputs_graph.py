"""The operations of a traced graph that compute with the model's inputs, and which are one."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.widths.followed_calls import behind
from nasmon.widths.int8_operations import CONVOLUTIONS, FACTORS, KNOWN_BEFORE, LEFT_OUT, SUMS
from nasmon.widths.operations import FUNCTION_CALLS, body_of


def is_one_resizing(layer: keras.Layer) -> bool:
    """Whether a layer repeats rows and columns: as its export has it, that is one operation."""
    return (
        isinstance(layer, keras.layers.UpSampling2D)
        and layer.interpolation == "nearest"
        and layer.data_format == "channels_last"
    )


class InSeveral(NamedTuple):
    """What a LiteRT interpreter has as one operation and TensorFlow in several."""

    x: tf.Tensor  # what it computes with
    has: Literal["", "slopes", "size"] = ""  # besides: a number a channel, or its output's size


class InputsGraph:
    """The operations between a model's inputs and its outputs that are not of weights alone.

    Args:
        outputs: of the model, traced.
        upsampled: of layers that are one operation each, a resizing, their output and input, and
            the names of the operations that they are of.

    Attributes:
        operations: in the order in which they were made.
        in_several: by the name of the last of several operations what they are together.
        parts: the names of the others.
    """

    def __init__(
        self,
        outputs: Sequence[tf.Tensor],
        upsampled: Iterable[tuple[tf.Tensor, tf.Tensor, Set[str]]] = (),
    ) -> None:
        graph, needed = outputs[0].graph, behind(outputs)
        self.operations = _depending([op for op in graph.get_operations() if op.name in needed])
        self._names = {operation.name for operation in self.operations}
        read = [tensor for operation in self.operations for tensor in operation.inputs]
        self._readers = Counter(tensor.name for tensor in [*read, *outputs])
        self.in_several, self.parts = self._find()
        for output, x, inside in upsampled:
            self.in_several[output.op.name] = InSeveral(x, "size")
            self.parts |= inside - {output.op.name}

    def depends(self, tensor: tf.Tensor) -> bool:
        """Whether a tensor depends on the model's inputs."""
        return tensor.op.name in self._names

    def given(self, operation: tf.Operation) -> list[tf.Tensor]:
        """An operation's inputs that depend on the model's."""
        return [tensor for tensor in operation.inputs if self.depends(tensor)]

    def read_once(self, tensor: tf.Tensor) -> bool:
        """Whether one operation alone reads a tensor, and the model does not put it out."""
        return self._readers[tensor.name] == 1

    def is_same_padding(self, operation: tf.Operation) -> bool:
        """Whether a padding is what the convolution after it can do itself."""
        readers = operation.outputs[0].consumers()
        amounts = tf.get_static_value(operation.inputs[1])
        if len(readers) != 1 or readers[0].type not in CONVOLUTIONS or amounts is None:
            return False
        (reader,) = readers
        if reader.type == "Conv2DBackpropInput" or reader.get_attr("padding") != b"VALID":
            return False
        before, kernel = operation.inputs[0].shape[1:3], reader.inputs[1].shape[:2]
        strides = reader.get_attr("strides")[1:3]
        wanted = [_same(*sizes) for sizes in zip(before, kernel, strides, strict=True)]
        return np.array_equal(amounts, [(0, 0), *wanted, (0, 0)])

    def _find(self) -> tuple[dict[str, InSeveral], set[str]]:
        known: dict[str, InSeveral] = {}
        found: set[str] = set()
        for operation in self.operations:
            given = self.given(operation)
            if operation.type not in ("Mul", *SUMS) or len(given) != 2:
                continue
            find = _hard_swish if operation.type == "Mul" else _prelu
            for one, other in (given, given[::-1]):
                parts = find(self, one, other)
                if parts:
                    x = self.given(parts[-1])[0]
                    known[operation.name] = InSeveral(x, "slopes" if find is _prelu else "")
                    found |= {part.name for part in parts}
        return known, found

    def chain(self, tensor: tf.Tensor, kinds: Iterable[Iterable[str]]) -> list[tf.Operation]:
        """The operations that make a tensor, one out of the other, the last one first.

        Args:
            tensor: that depends on the model's inputs.
            kinds: types that they must be of, in that order; else there are none.
        """
        chain: list[tf.Operation] = []
        for wanted in kinds:
            operation = tensor.op
            if operation.type not in wanted or not self.read_once(tensor):
                return []
            chain.append(operation)
            tensor = self.given(operation)[0]
        return chain


def _hard_swish(graph: InputsGraph, one: tf.Tensor, other: tf.Tensor) -> list[tf.Operation]:
    """The parts of x * relu6(x + 3) / 6 that make its second factor."""
    parts = graph.chain(other, (FACTORS, {"Relu6"}, SUMS))
    return parts if parts and graph.given(parts[-1])[0] is one else []


def _prelu(graph: InputsGraph, one: tf.Tensor, other: tf.Tensor) -> list[tf.Operation]:
    """The parts of relu(x) + a * relu(-x) that are added."""
    positive = graph.chain(one, ({"Relu"},))
    negative = graph.chain(other, ({"Mul"}, {"Relu"}, {"Neg"}))
    if not positive or not negative:
        return []
    same = negative[-1].inputs[0] is positive[0].inputs[0]
    return [*positive, *negative] if same else []


def _depending(operations: Iterable[tf.Operation]) -> list[tf.Operation]:
    """Those that compute with the model's inputs, and not only with weights or shapes."""
    found: dict[str, tf.Operation] = {}
    for operation in operations:
        if operation.type == "Placeholder":
            captured = getattr(operation.graph, "internal_captures", ())
            depends = all(operation.outputs[0] is not tensor for tensor in captured)
        else:
            depends = any(tensor.op.name in found for tensor in operation.inputs)
        if depends and operation.type not in KNOWN_BEFORE:
            found[operation.name] = operation
    return list(found.values())


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """What "same" padding puts before and behind an axis."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


def convolution_in(operation: tf.Operation) -> tf.Operation | None:
    """The convolution of a function around one alone, such as Keras makes for one in groups."""
    if operation.type not in FUNCTION_CALLS:
        return None
    body = body_of(operation).graph
    beside = {*LEFT_OUT, "Placeholder", "ReadVariableOp", "NoOp"}
    inside = [one for one in body.get_operations() if one.type not in beside]
    return inside[0] if [one.type for one in inside] == ["Conv2D"] else None

"""A traced forward pass as LiteRT's interpreter runs it in 8-bit integers.

The converter folds a normalization into the convolution before it and an activation into what it
follows, drops what only names or reshapes a tensor, and gives each convolution a bias, each channel
of its weights and of its bias a scale. The same is done here with the operations of the traced
graph, so that it is known what a converted model takes, with today's widths and with any others,
before anything is converted. The rules are those seen in the converter's files, against which
``tests/test_int8.py`` holds them.
"""

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.widths.followed_calls import FollowedCalls
from nasmon.widths.inputs_graph import InputsGraph
from nasmon.widths.int8 import Block, Int8Program, Step
from nasmon.widths.int8_operations import (
    ACTIVATIONS,
    ALONE,
    ARITHMETIC,
    IN_FLOAT,
    LEFT_OUT,
    PRODUCTS,
    RESHAPES,
)
from nasmon.widths.operations import FUNCTION_CALLS, body_of
from nasmon.widths.segments import Segments

BIAS, SCALE = 4, 12
"""Bytes of a bias, and of a scale with its zero point (float32 and int64)."""

MODEL, TENSOR, OPERATION = 450, 91, 32
"""Bytes of the file for itself, for each tensor and for each operation, besides what they hold:
fitted to fifteen converted networks without names."""

Shape = tuple[int, ...]


def lowered(
    outputs: Sequence[tf.Tensor],
    samples: int,
    made_of: Callable[[tf.Tensor], Segments],
    calls: FollowedCalls,
) -> Int8Program | None:
    """A model as the interpreter runs it.

    Args:
        outputs: of the model, traced.
        samples: how many inputs the pass was traced with.
        made_of: what the last axis of a tensor is made of; () if not known.
        calls: of layers, that operations are inside of.

    Returns:
        None where it is not known what becomes of an operation, or a shape is not.
    """
    if any(isinstance(call.layer, keras.layers.RNN) for call in calls.calls):
        return None
    try:
        lowering = _Lowering(outputs, samples, made_of, calls)
        lowering.follow()
        return lowering.program()
    except Exception:
        # of operations that are not known, or of a graph that nobody has thought of: then just this
        # is not known, and the widths are
        return None


def is_one_resizing(layer: keras.Layer) -> bool:
    """Whether a layer repeats rows and columns: as its export has it, that is one operation."""
    return (
        isinstance(layer, keras.layers.UpSampling2D)
        and layer.interpolation == "nearest"
        and layer.data_format == "channels_last"
    )


class _UnknownError(Exception):
    """What becomes of an operation is not known."""


class _Made(NamedTuple):
    """A tensor of the graph, in the program."""

    number: int
    product: bool = False  # made by a product, with nothing but constants added and multiplied
    open: bool = False  # an activation can become a part of what makes it
    shape: Shape = ()  # that it is to be given before it is read; () if it has it


class _Lowering:
    """The state of going through a graph."""

    def __init__(
        self,
        outputs: Sequence[tf.Tensor],
        samples: int,
        made_of: Callable[[tf.Tensor], Segments],
        calls: FollowedCalls,
    ) -> None:
        self._outputs, self._samples = outputs, samples
        self._made_of, self._layer_of = made_of, calls.layer_of
        upsampled = [call for call in calls.calls if is_one_resizing(call.layer)]
        self._graph = InputsGraph(
            outputs, [(call.output, call.inputs[0], calls.inside_of(call)) for call in upsampled]
        )
        self._made: dict[str, _Made] = {}
        self._tensors: list[Block] = []
        self._shapes: list[Shape] = []  # of those
        self._steps: list[Step] = []
        self._constants: list[Block] = []
        # axes, sizes and shapes that steps are given, by what they are of: equal ones are one
        self._numbers: dict[object, Shape] = {}
        self._held: set[str] = set()  # variables
        self._reshaped: dict[tuple[int, Shape], int] = {}

    def follow(self) -> None:
        """Goes through the operations in the order in which they were made."""
        for operation in self._graph.operations:
            if operation.name in self._graph.in_several:
                self._whole(operation, *self._graph.in_several[operation.name])
            elif operation.name not in self._graph.parts:
                self._lower(operation, self._graph.given(operation))

    def program(self) -> Int8Program:
        """What was found."""
        outputs = tuple(self._shaped(tensor) for tensor in self._outputs)
        numbers = set(self._numbers.values())
        tensors = len(self._tensors) + len(self._constants) + len(numbers)
        held = SCALE * len(self._tensors) + sum(4 * len(one) for one in numbers)
        return Int8Program(
            tensors=tuple(self._tensors),
            steps=tuple(self._steps),
            outputs=outputs,
            constants=tuple(self._constants),
            overhead=MODEL + TENSOR * tensors + OPERATION * len(self._steps) + held,
        )

    def _lower(self, operation: tf.Operation, given: Sequence[tf.Tensor]) -> None:
        """Notes what becomes of an operation, by its inputs that depend on the model's."""
        kind, output = operation.type, operation.outputs[0]
        if kind == "Placeholder":
            self._write(output)
        elif kind in LEFT_OUT or self._changes_nothing(operation):
            self._pass_on(operation)
        elif kind in RESHAPES:
            self._reshape(output, given[0])
        elif kind in ACTIVATIONS and self._alone(given[0]).open:
            self._made[output.name] = self._made[given[0].name]._replace(product=False, open=False)
        elif kind in ARITHMETIC and len(given) == 1 and self._alone(given[0]).product:
            self._made[output.name] = self._made[given[0].name]._replace(open=True)
        elif kind in PRODUCTS or _convolution_in(operation) is not None:
            self._product(operation, given)
        elif kind in ARITHMETIC:
            self._arithmetic(operation, given)
        elif kind in ALONE and not _in_parts(operation):
            self._hold_constants(operation)
            self._step(operation, given)
        elif kind in IN_FLOAT:
            self._in_float(operation, given[0])
        else:
            raise _UnknownError(kind)

    def _alone(self, tensor: tf.Tensor) -> _Made:
        """What a tensor is; if others read it too, nothing can become a part of what makes it."""
        made = self._made[tensor.name]
        return made if self._graph.read_once(tensor) else _Made(made.number, shape=made.shape)

    def _changes_nothing(self, operation: tf.Operation) -> bool:
        if operation.type == "Pad":
            return self._graph.is_same_padding(operation)
        values = (tf.get_static_value(tensor) for tensor in operation.inputs)
        return operation.type == "Mul" and any(v is not None and np.all(v == 1) for v in values)

    def _pass_on(self, operation: tf.Operation) -> None:
        """The outputs are the inputs."""
        in_order = operation.type == "IdentityN"
        given = operation.inputs if in_order else self._graph.given(operation)
        for before, after in zip(given, operation.outputs, strict=False):
            if self._graph.depends(before):
                self._made[after.name] = self._alone(before)

    def _reshape(self, output: tf.Tensor, tensor: tf.Tensor) -> None:
        """Notes the shape, and leaves it to those who read the tensor."""
        made, shape = self._alone(tensor), self._shape_of_one(output)
        has_it = shape == self._shapes[made.number]
        self._made[output.name] = made._replace(shape=() if has_it else shape)

    def _shaped(self, tensor: tf.Tensor) -> int:
        """The number of a tensor in the shape that it is read in."""
        number, *_, shape = self._made[tensor.name]
        if not shape:
            return number
        if (number, shape) not in self._reshaped:
            self._reshaped[number, shape] = self._number_of(self._tensors[number], shape)
            step = Step(self._layer_of(tensor.op), (number,), (self._reshaped[number, shape],))
            self._steps.append(step)
            self._numbers[step] = shape
        return self._reshaped[number, shape]

    def _product(self, operation: tf.Operation, given: Sequence[tf.Tensor]) -> None:
        output, apart = operation.outputs[0], operation.type == "DepthwiseConv2dNative"
        outputs = self._made_of(output)
        inside = _convolution_in(operation)
        others = inside.inputs[1:] if inside is not None else operation.inputs
        weights = [t for t in others if t.dtype.is_floating and not self._graph.depends(t)]
        for kernel in weights:
            grows_with = [outputs] if apart else [self._made_of(given[0]), outputs]
            each, variable = BIAS + 2 * SCALE, _variable_of(kernel)
            if variable in self._held:
                # a layer that is called again has another bias: it depends on the input's scale
                each -= SCALE
            else:
                self._held.add(variable)
                self._constants.append(_block(prod(_shape(kernel)), *grows_with))
            self._constants.append(_block(each * _shape(output)[-1], outputs))
        if operation.type == "Conv2DBackpropInput":
            self._numbers[operation.name] = self._shape_of_one(output)
        made, shape = self._made[given[0].name], self._shape_of_one(output)
        before = self._shapes[made.number]
        if operation.type != "MatMul" or made.shape[-1:] != before[-1:]:
            # a transposed convolution takes an activation only together with a bias
            takes = operation.type != "Conv2DBackpropInput"
            self._step(operation, given, product=bool(weights), open=takes)
            return
        # a dense layer on more axes does not need them as one
        number = self._number_of(self._sized(output), (*before[:-1], shape[-1]))
        self._made[output.name] = _Made(number, bool(weights), True, shape)
        self._steps.append(Step(self._layer_of(operation), (made.number,), (number,)))

    def _whole(self, operation: tf.Operation, x: tf.Tensor, has: str) -> None:
        """Several operations that are one."""
        output = operation.outputs[0]
        if has == "slopes":
            self._constants.append(_block(_shape(output)[-1], self._made_of(output)))
        elif has == "size":
            self._numbers[operation.name] = _shape(output)[1:-1]
        self._step(operation, [x])

    def _arithmetic(self, operation: tf.Operation, given: Sequence[tf.Tensor]) -> None:
        self._hold_constants(operation)
        made = self._made[given[0].name]
        if len(given) > 1 or not made.shape:
            self._step(operation, given, open=True)
            return
        # a number a channel suits the shape that there is, too
        number = self._number_of(self._tensors[made.number], self._shapes[made.number])
        self._made[operation.outputs[0].name] = _Made(number, open=True, shape=made.shape)
        self._steps.append(Step(self._layer_of(operation), (made.number,), (number,)))

    def _in_float(self, operation: tf.Operation, tensor: tf.Tensor) -> None:
        """As float32, computed, and as integers again: three steps."""
        (output,), layer, reads = operation.outputs, self._layer_of(operation), self._shaped(tensor)
        size, widths = self._tensors[reads]
        for block in (Block(4 * size, widths), Block(4 * size, widths)):
            number = self._number_of(block, self._shapes[reads])
            self._steps.append(Step(layer, (reads,), (number,)))
            reads = number
        self._steps.append(Step(layer, (reads,), (self._write(output),)))

    def _hold_constants(self, operation: tf.Operation) -> None:
        """What an operation has beside what is computed: a number a channel, or axes and sizes."""
        for tensor in operation.inputs:
            if self._graph.depends(tensor):
                continue
            if tensor.dtype.is_floating:
                count, output = prod(_shape(tensor)), operation.outputs[0]
                grows_with = [self._made_of(output)] if count > 1 else []
                self._constants.append(_block(count, *grows_with))
            else:
                value = tf.get_static_value(tensor)
                if value is None:
                    value = self._shape_of_one(operation.outputs[0])
                self._numbers[tensor.name] = tuple(np.ravel(value).tolist())

    def _step(
        self,
        operation: tf.Operation,
        given: Iterable[tf.Tensor],
        product: bool = False,
        open: bool = False,
    ) -> None:
        reads = tuple(dict.fromkeys(self._shaped(tensor) for tensor in given))
        writes = tuple(self._write(tensor, product, open) for tensor in operation.outputs)
        self._steps.append(Step(self._layer_of(operation), reads, writes))

    def _write(self, tensor: tf.Tensor, product: bool = False, open: bool = False) -> int:
        """Gives a tensor of the graph a number."""
        number = self._number_of(self._sized(tensor), self._shape_of_one(tensor))
        self._made[tensor.name] = _Made(number, product, open)
        return number

    def _sized(self, tensor: tf.Tensor) -> Block:
        """The bytes of a tensor; numbers that were floating-point take one each."""
        each = 1 if tensor.dtype.is_floating else tensor.dtype.size
        return _block(each * prod(self._shape_of_one(tensor)), self._made_of(tensor))

    def _number_of(self, block: Block, shape: Shape) -> int:
        self._tensors.append(block)
        self._shapes.append(shape)
        return len(self._tensors) - 1

    def _shape_of_one(self, tensor: tf.Tensor) -> Shape:
        """A tensor's shape for one input of the model."""
        shape = _shape(tensor)
        if not shape or shape[0] % self._samples:
            return shape
        return (shape[0] // self._samples, *shape[1:])


def _in_parts(operation: tf.Operation) -> bool:
    """Whether the converter makes several of an operation, as of a group normalization's."""
    return operation.type == "SquaredDifference" and len(_shape(operation.outputs[0])) > 4


def _variable_of(kernel: tf.Tensor) -> str:
    """What a kernel is read from: the same for each call of a layer."""
    operation = kernel.op
    while operation.type in (*LEFT_OUT, *RESHAPES, "ReadVariableOp") and operation.inputs:
        operation = operation.inputs[0].op
    return str(operation.name)


def _convolution_in(operation: tf.Operation) -> tf.Operation | None:
    """The convolution of a function around one alone, such as Keras makes for one in groups."""
    if operation.type not in FUNCTION_CALLS:
        return None
    body = body_of(operation).graph
    beside = {*LEFT_OUT, "Placeholder", "ReadVariableOp", "NoOp"}
    inside = [one for one in body.get_operations() if one.type not in beside]
    return inside[0] if [one.type for one in inside] == ["Conv2D"] else None


def _block(size: int, *widths: Segments) -> Block:
    return Block(size, tuple(filter(None, widths)))


def _shape(tensor: tf.Tensor) -> Shape:
    shape = tensor.shape.as_list() if tensor.shape.rank is not None else [None]
    if None in shape:
        raise _UnknownError(tensor.name)
    return tuple(shape)

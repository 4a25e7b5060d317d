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
from nasmon.widths.inputs_graph import InputsGraph, convolution_in, is_one_resizing
from nasmon.widths.int8 import Block, Int8Program
from nasmon.widths.int8_builder import SCALE, Int8Builder, Shape, grows
from nasmon.widths.int8_operations import (
    ACTIVATIONS,
    ALONE,
    ARITHMETIC,
    IN_FLOAT,
    LEFT_OUT,
    PRODUCTS,
    RESHAPES,
)
from nasmon.widths.segments import Segments

BIAS = 4
"""Bytes of a bias."""


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
        self._built = Int8Builder()
        self._made: dict[str, _Made] = {}
        self._held: set[str] = set()  # variables

    def follow(self) -> None:
        """Goes through the operations in the order in which they were made."""
        for operation in self._graph.operations:
            if operation.name in self._graph.in_several:
                self._whole(operation, *self._graph.in_several[operation.name])
            elif operation.name not in self._graph.parts:
                self._lower(operation, self._graph.given(operation))

    def program(self) -> Int8Program:
        """What was found."""
        return self._built.program([self._shaped(tensor) for tensor in self._outputs])

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
        elif kind in PRODUCTS or convolution_in(operation) is not None:
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
        has_it = shape == self._built.shapes[made.number]
        self._made[output.name] = made._replace(shape=() if has_it else shape)

    def _shaped(self, tensor: tf.Tensor) -> int:
        """The number of a tensor in the shape that it is read in."""
        number, *_, shape = self._made[tensor.name]
        if not shape:
            return number
        return self._built.reshaped(number, shape, self._layer_of(tensor.op))

    def _product(self, operation: tf.Operation, given: Sequence[tf.Tensor]) -> None:
        output, apart = operation.outputs[0], operation.type == "DepthwiseConv2dNative"
        outputs = self._made_of(output)
        inside = convolution_in(operation)
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
                self._built.constant(prod(_shape(kernel)), *grows_with)
            self._built.constant(each * _shape(output)[-1], outputs)
        if operation.type == "Conv2DBackpropInput":
            self._built.numbers[operation.name] = self._shape_of_one(output)
        made, shape = self._made[given[0].name], self._shape_of_one(output)
        before = self._built.shapes[made.number]
        if operation.type != "MatMul" or made.shape[-1:] != before[-1:]:
            # a transposed convolution takes an activation only together with a bias
            takes = operation.type != "Conv2DBackpropInput"
            self._step(operation, given, product=bool(weights), open=takes)
            return
        # a dense layer on more axes does not need them as one
        number = self._built.tensor(self._sized(output), (*before[:-1], shape[-1]))
        self._made[output.name] = _Made(number, bool(weights), True, shape)
        self._built.step(self._layer_of(operation), [made.number], [number])

    def _whole(self, operation: tf.Operation, x: tf.Tensor, has: str) -> None:
        """Several operations that are one."""
        output = operation.outputs[0]
        if has == "slopes":
            self._built.constant(_shape(output)[-1], self._made_of(output))
        elif has == "size":
            self._built.numbers[operation.name] = _shape(output)[1:-1]
        self._step(operation, [x])

    def _arithmetic(self, operation: tf.Operation, given: Sequence[tf.Tensor]) -> None:
        self._hold_constants(operation)
        made = self._made[given[0].name]
        if len(given) > 1 or not made.shape:
            self._step(operation, given, open=True)
            return
        # a number a channel suits the shape that there is, too
        number = self._built.tensor(self._built.block(made.number), self._built.shapes[made.number])
        self._made[operation.outputs[0].name] = _Made(number, open=True, shape=made.shape)
        self._built.step(self._layer_of(operation), [made.number], [number])

    def _in_float(self, operation: tf.Operation, tensor: tf.Tensor) -> None:
        """As float32, computed, and as integers again: three steps."""
        (output,), layer, reads = operation.outputs, self._layer_of(operation), self._shaped(tensor)
        size, widths = self._built.block(reads)
        for _ in range(2):
            number = self._built.tensor(Block(4 * size, widths), self._built.shapes[reads])
            self._built.step(layer, [reads], [number])
            reads = number
        self._built.step(layer, [reads], [self._write(output)])

    def _hold_constants(self, operation: tf.Operation) -> None:
        """What an operation has beside what is computed: a number a channel, or axes and sizes."""
        for tensor in operation.inputs:
            if self._graph.depends(tensor):
                continue
            if tensor.dtype.is_floating:
                count, output = prod(_shape(tensor)), operation.outputs[0]
                grows_with = [self._made_of(output)] if count > 1 else []
                self._built.constant(count, *grows_with)
            else:
                value = tf.get_static_value(tensor)
                if value is None:
                    value = self._shape_of_one(operation.outputs[0])
                self._built.numbers[tensor.name] = tuple(np.ravel(value).tolist())

    def _step(
        self,
        operation: tf.Operation,
        given: Iterable[tf.Tensor],
        product: bool = False,
        open: bool = False,
    ) -> None:
        reads = list(dict.fromkeys(self._shaped(tensor) for tensor in given))
        writes = [self._write(tensor, product, open) for tensor in operation.outputs]
        self._built.step(self._layer_of(operation), reads, writes)

    def _write(self, tensor: tf.Tensor, product: bool = False, open: bool = False) -> int:
        """Gives a tensor of the graph a number."""
        number = self._built.tensor(self._sized(tensor), self._shape_of_one(tensor))
        self._made[tensor.name] = _Made(number, product, open)
        return number

    def _sized(self, tensor: tf.Tensor) -> Block:
        """The bytes of a tensor; numbers that were floating-point take one each."""
        each = 1 if tensor.dtype.is_floating else tensor.dtype.size
        return grows(each * prod(self._shape_of_one(tensor)), self._made_of(tensor))

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


def _shape(tensor: tf.Tensor) -> Shape:
    shape = tensor.shape.as_list() if tensor.shape.rank is not None else [None]
    if None in shape:
        raise _UnknownError(tensor.name)
    return tuple(shape)

"""Multiply-adds of the operations of a traced graph, from their shapes."""

from collections import Counter
from collections.abc import Iterable
from math import prod

import tensorflow as tf

from nasmon.widths.operations import FUNCTION_CALLS, WHILE_LOOPS, body_of


def macs_of(operations: Iterable[tf.Operation]) -> dict[str, int] | None:
    """Multiply-adds of products and convolutions by type of operation, for the whole batch.

    Returns:
        Only types that were found; None if one has a shape that is not known while tracing, or is
        in a loop, of which it is not known how often it runs.
    """
    counted = Counter[str]()
    for operation in operations:
        if operation.type in WHILE_LOOPS and _multiplies(operation):
            return None
        if operation.type in FUNCTION_CALLS:
            inside = macs_of(body_of(operation, "f").graph.get_operations())
            if inside is None:
                return None
            counted.update(inside)
        count = _COUNTS.get(operation.type)
        if count is None:
            continue
        try:
            counted[operation.type] += count(operation)
        except (TypeError, ValueError):
            # the size of an axis is None
            return None
    return dict(counted)


def _multiplies(loop: tf.Operation) -> bool:
    """Whether there is something to count in the body of a loop."""
    return any(node.op in _COUNTS for node in body_of(loop, "body").cached_definition.node_def)


def _shape(tensor: tf.Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape.as_list())


def _convolution(operation: tf.Operation) -> int:
    kernel = _shape(operation.inputs[1])
    return prod(_shape(operation.outputs[0])) * prod(kernel[:-1])


def _depthwise(operation: tf.Operation) -> int:
    height, width, *_ = _shape(operation.inputs[1])
    return prod(_shape(operation.outputs[0])) * height * width


def _transposed(operation: tf.Operation) -> int:
    # inputs: the output's shape, the kernel [..., out, in], and what goes in
    kernel = _shape(operation.inputs[1])
    return prod(_shape(operation.inputs[2])) * prod(kernel[:-1])


def _product(operation: tf.Operation) -> int:
    return (
        prod(_shape(operation.outputs[0]))
        * _shape(operation.inputs[0])[-2 if _transposes(operation) else -1]
    )


def _transposes(operation: tf.Operation) -> bool:
    name = "transpose_a" if operation.type == "MatMul" else "adj_x"
    return bool(operation.get_attr(name))


def _einsum(operation: tf.Operation) -> int:
    equation = operation.get_attr("equation").decode()
    sizes: dict[str, int] = {}
    for labels, tensor in zip(
        equation.partition("->")[0].split(","), operation.inputs, strict=True
    ):
        shape = _shape(tensor)
        before, dots, after = labels.partition("...")
        sizes |= dict(zip(before, shape, strict=False))
        if after:
            sizes |= dict(zip(after, shape[-len(after) :], strict=True))
        if dots:
            hidden = shape[len(before) : len(shape) - len(after)]
            sizes["..."] = max(sizes.get("...", 1), prod(hidden))
    return prod(sizes.values())


_COUNTS = {
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "Conv3DBackpropInputV2": _transposed,
    "MatMul": _product,
    "BatchMatMul": _product,
    "BatchMatMulV2": _product,
    "BatchMatMulV3": _product,
    "Einsum": _einsum,
}

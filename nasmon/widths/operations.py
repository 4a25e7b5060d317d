"""What TensorFlow's operations do to channels, on the last axis: those of which it is known."""

from typing import Any

import numpy as np
import tensorflow as tf

WHILE_LOOPS, FUNCTION_CALLS = (
    frozenset(("While", "StatelessWhile")),
    frozenset(("PartitionedCall", "StatefulPartitionedCall")),
)
"""Types of operations that have others inside of them."""


def body_of(operation: tf.Operation, attribute: str = "f") -> Any:
    """What is inside of a call of a function or of a loop, by the attribute that names it."""
    return operation.graph._get_function(operation.get_attr(attribute).name)


ELEMENTWISE = frozenset(
    (
        *("Add", "AddV2", "AddN", "Sub", "Mul", "MulNoNan", "Div", "RealDiv", "DivNoNan", "Xdivy"),
        *("FloorDiv", "FloorMod", "Maximum", "Minimum", "Pow", "SquaredDifference", "Atan2"),
        *("BiasAdd", "ClipByValue", "Select", "SelectV2", "LeakyRelu", "Relu", "Relu6", "Elu"),
        *("Selu", "Softplus", "Softsign", "Sigmoid", "Tanh", "Erf", "Erfc", "Exp", "Expm1", "Log"),
        *("Log1p", "Sqrt", "Rsqrt", "Square", "Neg", "Abs", "Sign", "Floor", "Ceil", "Round"),
        *("Rint", "Reciprocal", "Inv", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh"),
        *("Asinh", "Acosh", "Atanh", "Lgamma", "Digamma", "Cast", "Identity", "IdentityN"),
        *("StopGradient", "PreventGradient", "CheckNumerics", "Print", "Snapshot", "EnsureShape"),
        *("ZerosLike", "OnesLike", "IsNan", "IsInf", "IsFinite"),
        *("Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual"),
        *("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxArgs", "QuantizeAndDequantizeV4"),
    )
)
"""Each number is made of those in its place."""

_MOVING = frozenset(
    (
        *("Reshape", "Squeeze", "ExpandDims", "Slice", "Split", "SplitV", "Tile", "BroadcastTo"),
        *("Pack", "Unpack", "Concat", "ConcatV2", "Pad", "PadV2", "MirrorPad", "MaxPool"),
        *("MaxPoolV2", "AvgPool", "MaxPool3D", "AvgPool3D", "ResizeBilinear", "ResizeBicubic"),
        *("ResizeNearestNeighbor", "ResizeArea", "ScaleAndTranslate", "SpaceToBatchND"),
        *("BatchToSpaceND", "SpaceToBatch", "BatchToSpace", "Shape", "ShapeN", "Size", "Rank"),
    )
)
"""Numbers are moved or gathered along other axes, if there are as many channels as before."""

_REDUCING = frozenset(("Mean", "Max", "Min", "Sum", "Prod", "ArgMax", "ArgMin", "All", "Any"))


def keeps_channels_apart(operation: tf.Operation) -> bool:
    """Whether each channel that comes out is made of the one in its place, if there are as many.

    Of what is not known here it is not believed.
    """
    kind = operation.type
    if kind in _REDUCING:
        axes, rank = tf.get_static_value(operation.inputs[1]), operation.inputs[0].shape.rank
        return axes is not None and rank is not None and (np.ravel(axes) % rank < rank - 1).all()
    if kind == "Transpose":
        order = tf.get_static_value(operation.inputs[1])
        return order is not None and order[-1] == len(order) - 1
    if kind == "StridedSlice":
        strides = tf.get_static_value(operation.inputs[3])
        return strides is not None and bool((strides > 0).all())
    return kind in ELEMENTWISE or kind in _MOVING

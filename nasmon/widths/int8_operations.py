"""What becomes of TensorFlow's operations in a LiteRT file of 8-bit integers: of those known."""

LEFT_OUT = frozenset(
    (
        *("Identity", "IdentityN", "StopGradient", "PreventGradient", "CheckNumerics", "Snapshot"),
        *("EnsureShape", "Cast", "Print"),
    )
)
"""Nothing is left of these."""

KNOWN_BEFORE = frozenset(("Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"))
"""These tell of a tensor what is known before its numbers are."""

RESHAPES = frozenset(("Reshape", "ExpandDims", "Squeeze"))
"""One after the other are one, and none if the last gives back what there was."""

CONVOLUTIONS = frozenset(("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput"))
PRODUCTS = CONVOLUTIONS | {"MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"}
"""With weights they have a bias, and a scale for each channel of both."""

SUMS, FACTORS = frozenset(("BiasAdd", "Add", "AddV2", "Sub")), frozenset(("Mul", "RealDiv"))
ARITHMETIC = SUMS | FACTORS
"""With a constant they become a part of the product before them."""

ACTIVATIONS = frozenset(("Relu", "Relu6"))
"""They become a part of the product or of the arithmetic before them."""

IN_FLOAT = frozenset(("Neg", "Elu", "Square"))
"""The interpreter does not have them in integers: it computes in float32 and goes back."""

ALONE = frozenset(
    (
        *ACTIVATIONS,
        *("Maximum", "Minimum", "SquaredDifference", "LeakyRelu", "Sigmoid", "Tanh", "Exp", "Log"),
        *("Softmax", "Abs", "Sqrt", "Rsqrt", "MaxPool", "AvgPool", "ConcatV2", "Mean"),
        *("Max", "Min", "Sum", "Pad", "PadV2", "MirrorPad", "Tile", "Transpose", "StridedSlice"),
        *("Slice", "Split", "SplitV", "Pack", "Unpack", "ResizeBilinear", "ResizeNearestNeighbor"),
        *("DepthToSpace", "SpaceToDepth", "BroadcastTo", "GatherV2", "SelectV2", "Less"),
        *("LessEqual", "Greater", "GreaterEqual", "Equal", "NotEqual"),
    )
)
"""One operation of the interpreter each."""

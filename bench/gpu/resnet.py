"""What a probe of ResNet-50 is made of: the rows of its layers, its multiply-adds, its kernels."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nasmon.capture import capture
from nasmon.kernels.rows import rows_of
from nasmon.taps import choose_taps, layers_of
from nasmon.widths.macs import macs_of

IMAGE = (224, 224, 3)

# operations of a traced graph that run no kernel
NAMES = ("Const", "Identity", "NoOp", "Placeholder", "ReadVariableOp", "Reshape", "Shape", "Pack")


class Network(NamedTuple):
    """The tapped forward pass of one chunk."""

    chunk: int  # images
    rows: list[tuple[int, int]]  # of each monitored layer, rows taken x channels
    all_rows: int  # of all layers together, before thinning
    macs: int  # multiply-adds of one image
    kernels: int  # operations of the traced graph, each taken as a kernel


def resnet50(chunk: int, most: int, chunks: int) -> Network:
    """``keras.applications.ResNet50`` with random weights, traced for a chunk and not run.

    Args:
        chunk: images in it.
        most: rows of a layer that a reading takes, as in ``rows_of``.
        chunks: of a reading.
    """
    model = keras.applications.ResNet50(weights=None, input_shape=IMAGE)
    taps = choose_taps(model, "auto")
    found: dict[str, Any] = {}

    def forward(x: tf.Tensor) -> list[tf.Tensor]:
        captured = capture(model, layers_of(taps), x)
        found["outputs"] = [tensor for tap in taps for tensor in tap.tensors(captured)]
        return [rows_of(tensor, -1, most, chunks) for tensor in found["outputs"]]

    traced = tf.function(forward, autograph=False)
    program = traced.get_concrete_function(tf.TensorSpec((chunk, *IMAGE)))
    operations = program.graph.get_operations()
    macs = macs_of(operations)
    assert macs is not None
    return Network(
        chunk,
        [tuple(rows.shape) for rows in program.structured_outputs],
        sum(t.shape.num_elements() // t.shape[-1] for t in found["outputs"]),
        sum(macs.values()) // chunk,
        sum(operation.type not in NAMES for operation in operations),
    )

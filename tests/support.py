"""What is supported, by case: layers of every kind, and trainings of every way.

``python -m tests.support`` writes the tables of docs/what-is-supported.md.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

import nasmon

PAGE = Path(__file__).parent.parent / "docs" / "what-is-supported.md"

SAMPLES = 16


class Family(NamedTuple):
    """Layers that take the same inputs, side by side in one model."""

    name: str
    shape: tuple[int, ...]  # of a sample
    make: Callable[[], Mapping[str, Any]]  # by the layer's name; made anew for each model
    axis: int = -1  # of the channels
    jit_compile: bool = False  # whether a CPU needs XLA for them

    def model(self) -> keras.Model:
        """Each layer on the input, a head on each, and the heads side by side."""
        keras.utils.set_random_seed(0)
        inputs = keras.Input(self.shape, name="inputs")
        heads = []
        for name, layer in self.make().items():
            flat = layers.Flatten(name=f"{name}_flat")(layer(inputs))
            heads.append(layers.Dense(2, name=f"{name}_head")(flat))
        model = keras.Model(inputs, layers.Concatenate(name="heads")(heads), name=self.name)
        model.compile("adam", "mse", jit_compile=self.jit_compile)
        return model

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs, and what to train for, float32."""
        random = np.random.default_rng(0)
        x = random.standard_normal((SAMPLES, *self.shape)).astype(np.float32)
        return x, random.standard_normal((SAMPLES, 2 * len(self.make()))).astype(np.float32)


def _vectors() -> dict[str, Any]:
    adapted, frozen = layers.Dense(6, name="dense_lora"), layers.Dense(6, name="dense_frozen")
    adapted.build((None, 12))
    adapted.enable_lora(2)
    frozen.trainable = False
    return {
        "dense": layers.Dense(6, activation="relu", name="dense"),
        "dense_lora": adapted,
        "dense_frozen": frozen,
        "einsum_dense": layers.EinsumDense("ab,bc->ac", 5, bias_axes="c", name="einsum_dense"),
        "batch_normalization": layers.BatchNormalization(name="batch_normalization"),
    }


def _sequences() -> dict[str, Any]:
    attention = layers.MultiHeadAttention(2, 3, name="multi_head_attention")
    grouped = layers.GroupQueryAttention(4, 2, 2, name="group_query_attention")
    return {
        "dense_rank_3": layers.Dense(5, name="dense_rank_3"),
        "einsum_dense_rank_3": layers.EinsumDense(
            "abc,cd->abd", (9, 5), name="einsum_dense_rank_3"
        ),
        "conv1d": layers.Conv1D(5, 3, name="conv1d"),
        "conv1d_dilated": layers.Conv1D(5, 3, dilation_rate=2, name="conv1d_dilated"),
        "conv1d_transpose": layers.Conv1DTranspose(5, 3, 2, name="conv1d_transpose"),
        "separable_conv1d": layers.SeparableConv1D(5, 3, name="separable_conv1d"),
        "depthwise_conv1d": layers.DepthwiseConv1D(3, name="depthwise_conv1d"),
        "lstm": layers.LSTM(5, name="lstm"),
        "lstm_sequences": layers.LSTM(5, return_sequences=True, name="lstm_sequences"),
        "gru": layers.GRU(5, return_sequences=True, name="gru"),
        "simple_rnn": layers.SimpleRNN(5, name="simple_rnn"),
        "bidirectional": layers.Bidirectional(
            layers.LSTM(3, return_sequences=True), name="bidirectional"
        ),
        "stacked_cells": layers.RNN([layers.GRUCell(4), layers.GRUCell(5)], name="stacked_cells"),
        "time_distributed": layers.TimeDistributed(layers.Dense(5), name="time_distributed"),
        "multi_head_attention": _on_itself(attention),
        "group_query_attention": _on_itself(grouped),
        "layer_normalization": layers.LayerNormalization(name="layer_normalization"),
    }


def _images() -> dict[str, Any]:
    return {
        "dense_rank_4": layers.Dense(3, name="dense_rank_4"),
        "conv2d": layers.Conv2D(5, 3, activation="relu", name="conv2d"),
        "conv2d_strided": layers.Conv2D(5, 3, 2, "same", name="conv2d_strided"),
        "conv2d_groups": layers.Conv2D(6, 3, groups=2, name="conv2d_groups"),
        "conv2d_transpose": layers.Conv2DTranspose(5, 3, 2, name="conv2d_transpose"),
        "separable_conv2d": layers.SeparableConv2D(3, 3, name="separable_conv2d"),
        "depthwise_conv2d": layers.DepthwiseConv2D(3, name="depthwise_conv2d"),
        "depthwise_conv2d_multiplier": layers.DepthwiseConv2D(
            3, depth_multiplier=2, name="depthwise_conv2d_multiplier"
        ),
        "conv_lstm1d": layers.ConvLSTM1D(4, 3, name="conv_lstm1d"),
        "spectral_normalization": layers.SpectralNormalization(
            layers.Conv2D(5, 3), name="spectral_normalization"
        ),
        "group_normalization": layers.GroupNormalization(2, name="group_normalization"),
        "lambda": layers.Lambda(
            lambda x: ops.concatenate([x, 2 * x], -1), output_shape=(8, 8, 8), name="lambda"
        ),
    }


def _channels_first() -> dict[str, Any]:
    kept: dict[str, Any] = {"data_format": "channels_first"}
    return {
        "conv2d_first": layers.Conv2D(5, 3, name="conv2d_first", **kept),
        "batch_normalization_first": layers.BatchNormalization(
            axis=1, name="batch_normalization_first"
        ),
    }


def _quantized() -> dict[str, Any]:
    found = {
        "dense_int8": layers.Dense(6, name="dense_int8"),
        "dense_int4": layers.Dense(6, name="dense_int4"),
        "dense_float8": layers.Dense(6, name="dense_float8"),
        "einsum_dense_int8": layers.EinsumDense("ab,bc->ac", 5, name="einsum_dense_int8"),
    }
    for name, layer in found.items():
        layer.build((None, 12))
        layer.quantize(name.rpartition("_")[2])
    return found


def _volumes() -> dict[str, Any]:
    return {
        "dense_rank_5": layers.Dense(2, name="dense_rank_5"),
        "conv3d": layers.Conv3D(4, 2, name="conv3d"),
        "conv3d_transpose": layers.Conv3DTranspose(4, 2, name="conv3d_transpose"),
        "conv_lstm2d": layers.ConvLSTM2D(4, 2, name="conv_lstm2d"),
    }


def _on_itself(layer: keras.Layer) -> Callable[[Any], Any]:
    return lambda x: layer(x, x)


FAMILIES = (
    Family("vectors", (12,), _vectors),
    Family("sequences", (9, 6), _sequences),
    Family("images", (8, 8, 4), _images),
    Family("volumes", (4, 5, 5, 3), _volumes),
    Family("channels_first", (4, 8, 8), _channels_first, axis=1, jit_compile=True),
    Family("quantized", (12,), _quantized),
)


def width_of(model: keras.Model, plan: nasmon.WidthPlan, name: str) -> str:
    """What becomes of a layer's width, in words."""
    reasons = {
        group.reason
        for group in plan.groups
        for owner in group.owners
        if owner == name or owner.startswith(f"{name}/")
    }
    if not reasons:
        return "that of its input"
    return "stays" if any(reasons) else "can be narrowed"


def layers_table() -> str:
    """A row a layer."""
    lines = ["| layer | on inputs | width |", "| --- | --- | --- |"]
    for family in FAMILIES:
        model = family.model()
        plan = nasmon.plan_widths(model, params=model.count_params())
        shape = ", ".join(map(str, ("samples", *family.shape)))
        for name in family.make():
            kind = type(model.get_layer(name)).__name__
            said = f"`{name}` ({kind})"
            lines.append(f"| {said} | [{shape}] | {width_of(model, plan, name)} |")
    return "\n".join(lines)


def with_tables(page: str, tables: Mapping[str, str]) -> str:
    """A page with tables between their markers."""
    for name, table in tables.items():
        pattern = rf"(<!-- {name}:.*?-->\n).*?(\n<!-- end)"
        found = re.search(pattern, page, re.DOTALL)
        if found is not None:
            page = f"{page[: found.start()]}{found[1]}{table}{found[2]}{page[found.end() :]}"
    return page


def main() -> None:
    """The command."""
    from tests.test_supported_trainings import trainings_table

    tables = {"layers": layers_table(), "trainings": trainings_table()}
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), tables), "utf-8")


if __name__ == "__main__":
    main()

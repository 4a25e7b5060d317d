"""Widths followed through models: what is tied, what is fixed, and what other widths would cost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from nasmon import Monitor
from nasmon.capture import Captured, capture, named_layers
from nasmon.record.files import record_path
from nasmon.record.run import read_record
from nasmon.train.models import BLOCK_NAMES, build_model
from nasmon.widths.follow import read_widths
from nasmon.widths.graph import ModelWidths
from nasmon.widths.layer_rules import SCALINGS
from nasmon.widths.macs import macs_of
from nasmon.widths.objectives import sizes, totals
from tests.networks import Subclassed, functional, nested
from tests.recorded import chain

SAMPLES = 2


def widths_of(model: keras.Model, *shapes: tuple[int, ...]) -> ModelWidths:
    """What a traced forward pass of a model tells."""
    shapes = shapes or tuple(tensor.shape[1:] for tensor in model.inputs)
    found: list[Captured] = []

    def run(*inputs: tf.Tensor) -> Any:
        captured = capture(
            model, list(named_layers(model)), inputs[0] if len(inputs) == 1 else list(inputs)
        )
        found.append(captured)
        return captured.outputs

    specs = [tf.TensorSpec((SAMPLES, *shape), tf.float32) for shape in shapes]
    tf.function(run, autograph=False).get_concrete_function(*specs)
    return read_widths(found[0], SAMPLES)


def owners(widths: ModelWidths) -> dict[str, tuple[int, str, str]]:
    return {o.name: (o.channels, o.tied_to, o.fixed_by) for o in widths.structure.owners}


def model_of(build: Callable[..., Any], *shapes: tuple[int, ...]) -> keras.Model:
    inputs = [keras.Input(shape) for shape in shapes or ((8, 8, 3),)]
    return keras.Model(inputs, build(*inputs))


def conv(width: int, name: str, **settings: Any) -> layers.Layer:
    return layers.Conv2D(width, 3, padding="same", name=name, **settings)


def resnet(widths: dict[str, int]) -> keras.Model:
    """Two blocks that add to one stream."""

    def build(x: Any) -> Any:
        x = conv(widths["stem"], "stem")(x)
        for name in ("one", "two"):
            inner = conv(widths[name], f"{name}_in", activation="relu")(x)
            inner = layers.BatchNormalization(name=f"{name}_norm")(inner)
            x = layers.Add()([x, conv(widths["stem"], f"{name}_out")(inner)])
        x = layers.GlobalAveragePooling2D()(x)
        return layers.Dense(5, name="classes", activation="softmax")(x)

    return model_of(build)


def branches(widths: dict[str, int]) -> keras.Model:
    """Concatenation, flattening, separable and transposed convolutions, PReLU, biases."""

    def build(x: Any) -> Any:
        left = layers.SeparableConv2D(widths["left"], 3, padding="same", name="left")(x)
        right = layers.PReLU(shared_axes=(1, 2))(conv(widths["right"], "right")(x))
        x = layers.Concatenate()([left, right])
        x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
        x = layers.LayerNormalization()(x)
        x = layers.Conv2DTranspose(widths["up"], 2, strides=2, name="up")(x)
        x = layers.MaxPooling2D(4)(layers.UpSampling2D()(x))
        x = layers.Flatten()(x)
        x = layers.Dense(widths["hidden"], name="hidden", activation="relu")(x)
        return layers.Dense(3, name="classes")(layers.Dropout(0.5)(x))

    return model_of(build)


def test_layers_joined_by_an_add_share_one_width() -> None:
    found = owners(widths_of(resnet({"stem": 8, "one": 4, "two": 6})))
    assert found == {
        "input": (3, "", "input"),
        "stem": (8, "", ""),
        "one_in": (4, "", ""),
        "one_out": (8, "stem", ""),
        "two_in": (6, "", ""),
        "two_out": (8, "stem", ""),
        "classes": (5, "", "output"),
    }


def test_widths_side_by_side_and_flattened_are_told_apart() -> None:
    found = widths_of(branches({"left": 4, "right": 6, "up": 8, "hidden": 10}))
    assert found.layers["depthwise"] == (("left", 1), ("right", 1))
    costs = {cost.layer: cost for cost in found.structure.costs}
    assert costs["hidden"].inputs == (("up", 16 * 16 // 4 // 4 * 4),)
    nothing = dict.fromkeys(SCALINGS, 0)
    assert costs["depthwise"].params == {**nothing, "in": 9 * 10 + 10}
    assert costs["left"].params == {**nothing, "in_out": 3 * 4, "in": 9 * 3, "out": 4}


@pytest.mark.parametrize(
    ("build", "before", "after"),
    [
        (resnet, {"stem": 8, "one": 4, "two": 6}, {"stem": 5, "one": 3, "two": 6}),
        (
            branches,
            {"left": 4, "right": 6, "up": 8, "hidden": 10},
            {"left": 3, "right": 5, "up": 7, "hidden": 2},
        ),
    ],
)
def test_the_cost_of_other_widths_is_that_of_the_rebuilt_model(
    build: Any, before: dict[str, int], after: dict[str, int]
) -> None:
    today, rebuilt = widths_of(build(before)), widths_of(build(after))
    new = {owner.name: owner.channels for owner in rebuilt.structure.owners}
    record = record_of(build(before), today)
    assert totals(record, {})[:2] == (build(before).count_params(), today.macs)
    assert totals(record, new) == sizes(record_of(build(after), rebuilt))
    assert None not in sizes(record)


@pytest.mark.parametrize("name", ["nano_u", "bu_net"])
def test_the_cost_of_other_widths_holds_for_the_trained_models(name: str) -> None:
    random = np.random.default_rng(0)
    today = build_model(name)
    narrower = build_model(name, random.integers(3, 16, len(BLOCK_NAMES)).tolist())
    widths = widths_of(narrower)
    new = {owner.name: owner.channels for owner in widths.structure.owners}
    record = record_of(today, widths_of(today))
    assert totals(record, new) == sizes(record_of(narrower, widths))


def record_of(model: keras.Model, widths: ModelWidths) -> Any:
    """A record with a model's structure, as a reader of files gets it."""
    record = _a_record(chain((4, 1)))
    return record._replace(
        params=model.count_params(), macs=widths.macs, structure=widths.structure
    )


def _a_record(tree: dict[str, Any]) -> Any:
    from nasmon.record.run import _record

    return _record(tree, Path())


@pytest.mark.parametrize(
    "model",
    [functional(), nested(), build_model("nano_u"), resnet({"stem": 4, "one": 3, "two": 2})],
)
def test_costs_hold_every_parameter(model: keras.Model) -> None:
    found = widths_of(model)
    costs = found.structure.costs
    assert sum(sum(cost.params.values()) for cost in costs) == model.count_params()
    assert sum(sum(cost.macs.values()) for cost in costs) == found.macs


def test_multiply_adds_are_those_of_the_definition() -> None:
    model, expected = build_model("nano_u"), 0
    for layer in model.layers:
        if isinstance(layer, layers.DepthwiseConv2D):
            expected += int(np.prod(layer.output.shape[1:])) * 9
        elif isinstance(layer, layers.Conv2D):
            expected += int(np.prod(layer.output.shape[1:])) * layer.kernel.shape[-2]
    found = widths_of(model)
    assert found.macs == expected
    assert found.layer_macs["down1_block1_pointwise"] == 60 * 80 * 3 * 16


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (lambda: tf.ones((2, 5, 7)) @ tf.ones((7, 3)), 2 * 5 * 7 * 3),
        (lambda: tf.matmul(tf.ones((7, 5)), tf.ones((7, 3)), transpose_a=True), 5 * 7 * 3),
        (lambda: tf.matmul(tf.ones((2, 7, 5)), tf.ones((2, 7, 3)), adjoint_a=True), 2 * 5 * 7 * 3),
        (lambda: tf.einsum("abc,cd->abd", tf.ones((2, 3, 4)), tf.ones((4, 5))), 2 * 3 * 4 * 5),
        (lambda: tf.einsum("...c,cd->...d", tf.ones((2, 3, 4)), tf.ones((4, 5))), 2 * 3 * 4 * 5),
        (
            lambda: tf.nn.conv2d(tf.ones((1, 8, 8, 4)), tf.ones((3, 3, 2, 6)), 2, "SAME"),
            16 * 6 * 18,
        ),
        (
            lambda: tf.nn.conv2d_transpose(
                tf.ones((1, 4, 4, 5)), tf.ones((2, 2, 3, 5)), (1, 8, 8, 3), 2
            ),
            16 * 5 * 12,
        ),
        (
            lambda: tf.nn.conv3d(
                tf.ones((1, 4, 4, 4, 2)), tf.ones((1, 1, 1, 2, 3)), (1,) * 5, "SAME"
            ),
            384,
        ),
        (lambda: tf.nn.relu(tf.ones((2, 5))), 0),
    ],
)
def test_multiply_adds_of_each_operation(operation: Any, expected: int) -> None:
    with tf.Graph().as_default() as graph:
        operation()
    counted = macs_of(graph.get_operations())
    assert counted is not None
    assert sum(counted.values()) == expected


def test_an_unknown_size_gives_no_multiply_adds() -> None:
    with tf.Graph().as_default() as graph:
        tf.compat.v1.placeholder(tf.float32, (None, 4)) @ tf.ones((4, 2))
    assert macs_of(graph.get_operations()) is None


def squeeze_excite(x: Any) -> Any:
    x = conv(8, "a")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Dense(2, name="squeeze", activation="relu")(gate)
    gate = layers.Dense(8, name="excite", activation="sigmoid")(gate)
    return conv(1, "head")(x * gate)


def test_a_gate_is_as_wide_as_what_it_gates() -> None:
    found = owners(widths_of(model_of(squeeze_excite)))
    assert found["excite"] == (8, "a", "")
    assert found["squeeze"] == (2, "", "")


def shuffled(x: Any) -> Any:
    x = conv(8, "a")(x)
    x = ops.reshape(x, (-1, 8, 8, 2, 4))
    x = ops.reshape(ops.transpose(x, (0, 1, 2, 4, 3)), (-1, 8, 8, 8))
    return conv(1, "head")(x)


def grouped(x: Any) -> Any:
    a = layers.Concatenate()([conv(4, "a")(x), conv(4, "b")(x)])
    return conv(1, "head")(conv(8, "c", groups=2)(a))


def recurring(x: Any) -> Any:
    x = layers.Reshape((64, 8))(conv(8, "a")(x))
    y, *states = layers.LSTM(4, return_state=True, return_sequences=True, name="first")(x)
    y = layers.LSTM(4, return_sequences=True, name="second")(y, initial_state=states)
    y = layers.Bidirectional(layers.GRU(4, name="gru"), name="both")(y)
    return layers.Dense(1, name="head")(y)


def to_space(x: Any) -> Any:
    return conv(1, "head")(layers.Lambda(lambda x: tf.nn.depth_to_space(x, 2))(conv(8, "a")(x)))


def uneven(x: Any) -> Any:
    a, b = conv(4, "a")(x), conv(8, "b")(x)
    return conv(1, "head")(layers.Concatenate()([a, conv(4, "c")(x)]) + b)


def attended(x: Any) -> Any:
    x = layers.Reshape((64, 8))(conv(8, "a")(x))
    return layers.Dense(1, name="head")(layers.MultiHeadAttention(2, 4, name="attend")(x, x))


class Mixed(layers.Layer):
    """A user's own layer with a kernel over all channels."""

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], shape[-1]), name="kernel")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.kernel)


@pytest.mark.parametrize(
    ("build", "bound"),
    [
        (shuffled, {"a"}),
        (grouped, {"a", "b"}),
        (recurring, {"first", "second", "both/forward_gru", "both/backward_gru"}),
        (to_space, {"a"}),
        (uneven, {"a", "b", "c"}),
        (attended, {"a"}),
        (lambda x: conv(1, "head")(Mixed(name="mixed")(conv(8, "a")(x))), {"a", "mixed"}),
    ],
    ids=["shuffle", "groups", "states", "depth_to_space", "uneven add", "attention", "own kernel"],
)
def test_what_mixes_channels_in_unknown_ways_fixes_their_number(
    build: Any, bound: set[str]
) -> None:
    found = owners(widths_of(model_of(build)))
    assert bound <= found.keys()
    assert {name for name in bound if not found[name][2]} == set()
    assert found["head"][2] == "output"


def test_widths_around_groups_are_multiples_of_their_number() -> None:
    def build(x: Any) -> Any:
        a, b = conv(12, "a")(x), conv(12, "b", groups=3)(x)
        c = conv(8, "c", groups=4)(a + conv(12, "d", groups=2)(a))
        return conv(1, "head")(c), conv(1, "other")(ops.softmax(b))

    found = widths_of(model_of(build, (8, 8, 6)))
    blocks = {owner.name: owner.blocks for owner in found.structure.owners if not owner.fixed_by}
    assert blocks == {"a": 4, "d": 4, "c": 4}


def test_what_recurs_is_counted_at_every_step_and_in_a_loop_of_unknown_length_not_at_all() -> None:
    def count(layer: layers.Layer) -> int | None:
        return widths_of(model_of(lambda x: layers.Dense(1)(layer(x)), (5, 4))).macs

    assert count(layers.GRU(3)) == 5 * (4 * 9 + 3 * 9) + 3
    assert count(layers.LSTM(3, unroll=True)) == 5 * (4 * 12 + 3 * 12) + 3
    assert count(layers.Bidirectional(layers.LSTM(3))) == 2 * 5 * (4 * 12 + 3 * 12) + 6
    assert count(layers.RNN(layers.LSTMCell(3))) is None


def test_a_layer_called_twice_has_inputs_of_one_width() -> None:
    model = Subclassed()
    model(np.zeros((1, 12, 16, 3), np.float32))
    found = widths_of(model, (12, 16, 3))
    assert owners(found)["shared"] == (8, "block1/convolution", "")
    # 64 multiply-adds at each of the positions, in each of the two calls
    assert found.layer_macs["shared"] == 2 * 64 * 12 * 16
    assert found.layers["block0"] == (("block0/convolution", 1),)
    assert found.layer_macs["block0"] == found.layer_macs["block0/convolution"] > 0


def test_raw_operations_and_several_inputs_and_outputs() -> None:
    def build(x: Any, y: Any) -> Any:
        a = ops.relu(conv(4, "a")(x)) * 2.0
        b = ops.concatenate([a, conv(4, "b")(y)], axis=-1)
        return [conv(2, "first")(b), conv(3, "second")(ops.mean(b, axis=(1, 2), keepdims=True))]

    found = widths_of(model_of(build, (8, 8, 3), (8, 8, 2)))
    assert owners(found) == {
        "input": (3, "", "input"),
        "input_1": (2, "", "input"),
        "a": (4, "", ""),
        "b": (4, "", ""),
        "first": (2, "", "output"),
        "second": (3, "", "output"),
    }
    assert found.layers["output_1"] == (("second", 1),)
    first = next(cost for cost in found.structure.costs if cost.layer == "first")
    assert first.inputs == (("a", 1), ("b", 1))


@pytest.mark.parametrize(
    ("layer", "limit"),
    [
        (layers.Conv2D(16, 1), 3),
        (layers.Conv2D(28, 3), 27),
        (layers.Conv2D(27, 3), None),
        (layers.Conv2D(16, 1, activation="relu"), None),
        (layers.SeparableConv2D(16, 3), 3),
        (layers.Conv2DTranspose(16, 2, strides=2), 12),
        (layers.Dense(16), 3),
    ],
    ids=["1x1", "3x3", "not less", "not linear", "separable", "transposed", "dense"],
)
def test_a_linear_layer_has_no_more_directions_than_its_input_gives(layer: Any, limit: Any) -> None:
    layer.name = "one"
    found = widths_of(model_of(layer)).rank_limits
    assert found.get("one") == limit


@pytest.mark.parametrize(
    "limited", [layers.Conv2D(16, 1), layers.Conv2DTranspose(16, 2, strides=2)]
)
def test_no_measured_rank_is_above_the_limit(limited: Any) -> None:
    limited.name = "one"
    model = model_of(limited, (8, 8, 3))
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype(np.float32)
    spectra = Monitor(model, x).read(1).spectra
    assert spectra is not None
    eigenvalues = spectra.eigenvalues[0]
    limit = widths_of(model).rank_limits["one"]
    # what float32 products round to
    assert (eigenvalues[limit:] < 4 * np.finfo(np.float32).eps * eigenvalues[0]).all()


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(("max_rows", "rows"), [(2000, 8 * 12 * 16), (300, 219)])
def test_the_record_of_a_monitor_holds_the_structure(
    tmp_path: Path, eager: bool, max_rows: int, rows: int
) -> None:
    model = functional()
    model.compile("sgd", "mse", run_eagerly=eager)
    x = np.ones((8, 12, 16, 3), np.float32)
    # what thins the rows of a layer is no part of the model
    Monitor(model, x, max_rows=max_rows, csv_path=tmp_path / "run.csv").read(1)
    record = read_record(record_path(tmp_path / "run.csv"))
    assert record.structure == widths_of(model).structure
    found = {layer.name: layer for layer in record.layers}
    assert found["pointwise0"].rows == rows
    assert found["depthwise0"].tied_to == "input"
    assert found["depthwise1"].tied_to == "pointwise0"
    assert found["pointwise1"].tied_to == ""
    assert found["pointwise1"].macs == 12 * 16 * 8 * 16
    assert found["pointwise0"].rank_limit == 3
    assert record.params == model.count_params()


def test_a_model_that_cannot_be_traced_has_no_structure(tmp_path: Path) -> None:
    class OnTheHost(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(4, kernel_initializer="orthogonal", name="dense")

        def call(self, x: Any) -> Any:
            return self.dense(x) * float(ops.convert_to_numpy(x).max())

    model = OnTheHost()
    model.compile("sgd", "mse", run_eagerly=True)
    x = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    model(x)
    monitor = Monitor(model, x, csv_path=tmp_path / "run.csv")
    assert monitor.read(1)["dense"]["rank_99"] == 4
    tree = json.loads(record_path(tmp_path / "run.csv").read_text())
    assert (tree["structure"], tree["macs"], tree["params"]) == (None, None, 28)


def test_a_model_without_layers_has_no_structure(tmp_path: Path) -> None:
    """Its output is monitored all the same; following its widths raised an IndexError once."""

    class Bare(keras.Model):
        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight((6, 4), initializer="orthogonal", name="kernel")

        def call(self, x: Any) -> Any:
            return ops.matmul(x, self.kernel)

    model, x = Bare(), np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)
    model(x)
    monitor = Monitor(model, x, layers="output", csv_path=tmp_path / "run.csv")
    assert monitor.read(1)["output"]["rank_99"] == 4
    record = read_record(record_path(tmp_path / "run.csv"))
    assert (record.structure, record.params) == (None, 24)


class Routed(layers.Layer):
    """Puts out a loss, perhaps before its activations and perhaps alone."""

    def __init__(self, order: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.order = order

    def build(self, shape: Any) -> None:
        self.kernel = self.add_weight(shape=(shape[-1], 6), name="kernel")

    def call(self, x: Any) -> Any:
        y = keras.ops.matmul(x, self.kernel)
        put_out = {"loss": keras.ops.mean(y), "activations": y, "none": None}
        return [put_out[name] for name in self.order.split()]


@pytest.mark.parametrize("order", ["loss activations", "activations loss", "none loss activations"])
def test_a_layer_with_a_loss_has_the_width_of_its_activations(order: str) -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.before, self.routed = layers.Dense(5, name="before"), Routed(order, name="routed")
            self.after = layers.Dense(2, name="after")

        def call(self, x: Any) -> Any:
            outputs = self.routed(self.before(x))
            y = self.after(outputs[order.split().index("activations")])
            return {"loss": keras.ops.mean(y), "none": None, "number": 1.0, "y": y}

    model = Model()
    model(tf.ones([1, 3]))
    found = widths_of(model, (3,))
    assert owners(found)["routed"] == (6, "", "routed")
    assert owners(found)["before"] == (5, "", "routed")
    assert found.layers["routed"] == (("routed", 1),)
    after = next(cost for cost in found.structure.costs if cost.layer == "after")
    assert (after.inputs, after.outputs) == ((("routed", 1),), (("after", 1),))
    assert found.layers["output_1"] == (("after", 1),)


def test_a_layer_that_puts_out_a_loss_alone_owns_no_width() -> None:
    class Model(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.loss_layer = layers.Dense(5, name="dense"), Routed("loss", name="loss")

        def call(self, x: Any) -> Any:
            y = self.dense(x)
            return y, self.loss_layer(y)[0]

    model = Model()
    model(tf.ones([1, 3]))
    found = widths_of(model, (3,))
    assert set(owners(found)) == {"input", "dense"}
    assert found.layers["loss"] == ()


def test_states_have_the_width_of_the_sequence_and_attention_scores_have_not() -> None:
    def build(x: Any) -> Any:
        sequence, *states = layers.GRU(6, return_sequences=True, return_state=True, name="gru")(x)
        attended, scores = layers.MultiHeadAttention(2, 3, name="attention")(
            sequence, sequence, return_attention_scores=True
        )
        return layers.Dense(3, name="of_state")(states[0]), attended, scores

    found = widths_of(model_of(build, (4, 8)))
    of_state = next(cost for cost in found.structure.costs if cost.layer == "of_state")
    assert of_state.inputs == (("gru", 1),)
    assert found.layers["output_2"] == ()


@pytest.mark.parametrize(
    "between",
    [
        lambda x: ops.cumsum(x, axis=-1),
        lambda x: ops.roll(x, 1, axis=-1),
        lambda x: x[..., ::-1],
        lambda x: ops.sort(x, axis=-1),
        lambda x: ops.softmax(x, axis=-1),
        lambda x: x * ops.mean(x, axis=-1, keepdims=True),
        lambda x: x + np.linspace(0, 1, 8, dtype=np.float32),
        layers.Softmax(),
        layers.UnitNormalization(),
        layers.Rescaling(np.linspace(1, 2, 8).tolist()),
    ],
    ids=[
        *("cumsum", "roll", "flip", "sort", "softmax", "gate", "constant"),
        *("Softmax", "UnitNormalization", "Rescaling"),
    ],
)
def test_what_ties_channels_to_each_other_or_to_numbers_holds_them(between: Any) -> None:
    found = owners(widths_of(model_of(lambda x: conv(1, "head")(between(conv(8, "a")(x))))))
    assert found["a"][2] not in ("", "output")


@pytest.mark.parametrize(
    "between",
    [
        lambda x: ops.abs(x) * 2 + ops.relu(-x),
        lambda x: ops.pad(x[:, 1:], ((0, 0), (1, 0), (0, 0), (0, 0))),
        lambda x: x * ops.mean(x, axis=(1, 2), keepdims=True),
        lambda x: ops.where(x > 0, x, 0.1 * x),
        lambda x: ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, 64, 8))[:, :, None],
        lambda x: ops.image.resize(x, (4, 4)),
        layers.Rescaling(2.0, 1.0),
    ],
    ids=["elementwise", "padded", "gate", "where", "reshaped", "resized", "Rescaling"],
)
def test_what_leaves_channels_apart_leaves_their_number_free(between: Any) -> None:
    found = owners(widths_of(model_of(lambda x: conv(1, "head")(between(conv(8, "a")(x))))))
    assert found["a"] == (8, "", "")


@pytest.mark.parametrize(
    "between",
    [
        layers.DepthwiseConv2D(3, padding="same", data_format="channels_first"),
        layers.MaxPooling2D((2, 1), data_format="channels_first"),
        layers.SeparableConv2D(8, 3, padding="same", data_format="channels_first"),
    ],
    ids=lambda layer: layer.name,
)
def test_a_layer_with_channels_first_holds_what_is_last(between: keras.layers.Layer) -> None:
    found = owners(widths_of(model_of(lambda x: conv(1, "head")(between(conv(8, "a")(x))))))
    assert found["a"][2] == f"{between.name} (its channels are not on the last axis)"


def test_a_sum_over_channels_holds_them_but_a_loss_does_not() -> None:
    found = owners(widths_of(model_of(lambda x: ops.sum(conv(8, "a")(x), axis=-1))))
    assert found["a"][2].endswith("Sum")
    assert owners(widths_of(Regularized(), (3,)))["dense"][2] == ""


class Regularized(keras.Model):
    """With a loss of its own, a sum over channels that nothing is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self.head = layers.Dense(8, name="dense"), layers.Dense(1, name="head")
        self(np.zeros((1, 3), np.float32))

    def call(self, x: Any) -> Any:
        x = self.dense(x)
        self.add_loss(ops.mean(ops.sum(ops.square(x), axis=-1)))
        return self.head(x)

"""Which layers are chosen, and what is captured from them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from nasmon import list_layers
from nasmon.capture import Call, Captured, capture
from nasmon.taps import Tap, choose_taps, layers_of, measurable_taps
from tests.networks import Subclassed, functional, images, nested


def built_subclassed() -> keras.Model:
    model = Subclassed()
    model(images(2)[0])
    return model


def names(model: keras.Model, selection: str | Sequence[str]) -> list[str]:
    return [tap.name for tap in choose_taps(model, selection)]


FUNCTIONAL_AUTO = ["depthwise0", "pointwise0", "depthwise1", "pointwise1", "head"]


def test_auto_is_every_layer_that_owns_a_width() -> None:
    assert names(functional(), "auto") == FUNCTIONAL_AUTO
    assert names(nested(), "auto") == ["encoder/convolution", "convolution", "head"]
    assert names(built_subclassed(), "auto") == [
        "block0/convolution",
        "block1/convolution",
        "shared",
        "head",
    ]


def tapped(model: keras.Model, taps: list[Tap], x: tf.Tensor, traced: bool = True) -> Any:
    """What each tap that can be measured put out, from a traced or an eager pass."""

    def run(x: tf.Tensor) -> Any:
        captured = capture(model, layers_of(taps), x)
        return {tap.name: tap.tensors(captured) for tap in measurable_taps(taps, captured)}

    return (tf.function(run, autograph=False) if traced else run)(x)


def test_list_layers_tells_kind_width_and_ties() -> None:
    found = {info.name: info[1:5] for info in list_layers(functional())}
    assert found["depthwise1"] == ("DepthwiseConv2D", 8, True, 80)
    assert found["pointwise1"] == ("Conv2D", 16, False, 144)


@pytest.mark.parametrize(
    ("layer", "shape", "width"),
    [
        (layers.Conv1D(5, 2), (6, 3), 5),
        (layers.Conv3D(5, 2), (4, 4, 4, 2), 5),
        (layers.Conv1DTranspose(5, 2), (6, 3), 5),
        (layers.Conv2DTranspose(5, 2), (4, 4, 3), 5),
        (layers.Conv3DTranspose(5, 2), (3, 3, 3, 2), 5),
        (layers.SeparableConv1D(5, 2), (6, 3), 5),
        (layers.SeparableConv2D(5, 2), (4, 4, 3), 5),
        (layers.DepthwiseConv1D(2, depth_multiplier=2), (6, 3), 6),
        (layers.Dense(5), (3,), 5),
        (layers.EinsumDense("abc,cd->abd", output_shape=(None, 5)), (4, 3), 5),
        (layers.TimeDistributed(layers.Dense(5)), (4, 3), 5),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, layers.Layer) else None,
)
def test_every_kind_with_a_width_is_found_and_captured(
    layer: layers.Layer, shape: tuple[int, ...], width: int
) -> None:
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    assert [info.channels for info in list_layers(model)] == [width]
    taps = choose_taps(model, "auto")
    ((tensor,),) = tapped(model, taps, tf.ones([2, *shape])).values()
    assert tensor.shape[-1] == width


def test_embeddings_and_normalizations_own_no_width() -> None:
    inputs = keras.Input((4,), dtype="int32")
    x = layers.LayerNormalization()(layers.Embedding(10, 6)(inputs))
    assert names(keras.Model(inputs, x), "auto") == ["output"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("head", ["head"]),
        ("pointwise*", ["pointwise0", "pointwise1"]),
        (["head", "pointwise0"], ["pointwise0", "head"]),
        (["/wise[01]$/"], ["depthwise0", "pointwise0", "depthwise1", "pointwise1"]),
        (["norm1", "norm*"], ["norm0", "norm1"]),
        ("output", ["output"]),
        (["output", "head"], ["head", "output"]),
    ],
)
def test_names_globs_and_regular_expressions(selection: Any, expected: list[str]) -> None:
    assert names(functional(), selection) == expected


def test_a_nested_layer_is_found_by_its_path_and_its_own_name() -> None:
    assert names(nested(), "encoder/convolution") == ["encoder/convolution"]
    assert names(nested(), "convolution") == ["encoder/convolution", "convolution"]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("pointwize", "layers has 'pointwize', which matches no layer. There are: depthwise0, "),
        (["head", "/x+$/"], r"layers has '/x\+\$/', which matches no layer"),
        ("/(/", "not a regular expression"),
        ([], r"layers has \[\], which matches no layer"),
    ],
)
def test_a_selector_that_matches_nothing_lists_what_there_is(selection: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose_taps(functional(), selection)


@pytest.mark.parametrize("build", [functional, nested, built_subclassed])
@pytest.mark.parametrize("traced", [False, True])
def test_captured_is_what_the_layers_put_out(build: Any, traced: bool) -> None:
    model, x = build(), tf.constant(images(4)[0])
    taps = choose_taps(model, ["head", "output", "*convolution", "pointwise*"][:2])
    expected = model(x, training=False)
    for (tensor,) in tapped(model, taps, x, traced).values():
        np.testing.assert_allclose(tensor, expected, atol=1e-6)


def test_a_shared_layer_is_captured_at_each_call() -> None:
    model = built_subclassed()
    captured = capture(model, layers_of(choose_taps(model, "shared")), tf.constant(images(4)[0]))
    (first,), (second,) = (call.outputs for call in captured.calls)
    np.testing.assert_allclose(model.shared(first), second, atol=1e-6)


def test_layers_are_unwrapped_even_when_the_model_fails() -> None:
    model = functional()
    with pytest.raises(ValueError, match="incompatible"):
        capture(model, layers_of(choose_taps(model, "auto")), tf.zeros([1, 12, 16, 4]))
    assert not any("call" in vars(layer) for layer in model.layers)


def test_a_call_that_was_replaced_before_is_kept() -> None:
    model = functional()
    head = model.get_layer("head")
    replaced = head.call
    vars(head)["call"] = replaced
    capture(model, layers_of(choose_taps(model, "head")), tf.constant(images(2)[0]))
    assert vars(head)["call"] is replaced


def test_a_function_inside_the_model_is_no_obstacle() -> None:
    class Inner(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(3, name="dense")

        @tf.function
        def call(self, x: Any) -> Any:
            return self.dense(x)

    inputs = keras.Input((4,))
    model = keras.Model(inputs, Inner()(inputs))
    taps = choose_taps(model, "auto")
    captured = tapped(model, taps, tf.ones([5, 4]))
    assert [t.shape for tensors in captured.values() for t in tensors] == [(5, 3)]
    assert not tf.config.functions_run_eagerly()


def test_several_outputs_become_a_tap_each() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, {"a": layers.Dense(2)(inputs), "b": layers.Dense(3)(inputs)})
    taps = choose_taps(model, "output")
    captured = capture(model, layers_of(taps), tf.ones([5, 4]))
    found = measurable_taps(taps, captured)
    assert [tap.name for tap in found] == ["output_0", "output_1"]
    assert [tap.tensors(captured)[0].shape for tap in found] == [(5, 2), (5, 3)]


def test_what_cannot_be_measured_is_refused_by_name_and_skipped_by_auto() -> None:
    class Unused(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = layers.Dense(2, name="used"), layers.Dense(2, name="unused")

        def call(self, x: Any) -> Any:
            return self.used(x)

    model = Unused()

    def put_out(*tensors: tf.Tensor) -> Captured:
        return Captured([Call("used", model.used, True, (), (tensor,)) for tensor in tensors], [])

    floats, taps = tf.ones([3, 2]), choose_taps(model, "auto")
    assert [tap.name for tap in measurable_taps(taps, put_out(floats))] == ["used"]
    with pytest.raises(ValueError, match="'unused', which cannot be measured: it is not called"):
        measurable_taps(choose_taps(model, "unused"), put_out(floats))
    with pytest.raises(ValueError, match="puts out int32 of shape"):
        measurable_taps(choose_taps(model, "used"), put_out(tf.ones([3, 2], tf.int32)))
    with pytest.raises(ValueError, match="puts out different widths: "):
        measurable_taps(choose_taps(model, "used"), put_out(floats, tf.ones([3, 4])))
    with pytest.raises(ValueError, match=r"nothing of the model can .*used: it is not called"):
        measurable_taps([Tap("used", model.used)], Captured([], []))


def test_a_tap_may_be_at_a_layers_input() -> None:
    model, (x, _) = functional(), images(4)
    taps = [Tap(name, model.get_layer(name), side="input") for name in ("relu0", "head")]
    captured = capture(model, layers_of([*taps, *choose_taps(model, "norm0")]), tf.constant(x))
    (before,), (into_head,) = (tap.tensors(captured) for tap in taps)
    (norm,) = choose_taps(model, "norm0")[0].tensors(captured)
    np.testing.assert_array_equal(before, norm)
    np.testing.assert_allclose(model.get_layer("head")(into_head), model(x), atol=1e-6)


class WithLoss(layers.Layer):
    """A dense layer that puts out a loss beside its activations, before or after them."""

    def __init__(self, loss_first: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss_first = loss_first
        self.kernel = self.add_weight(shape=(4, 3), name="kernel")

    def call(self, x: Any) -> Any:
        y = keras.ops.matmul(x, self.kernel)
        loss = keras.ops.mean(y)
        return (loss, y) if self.loss_first else (y, loss)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("loss_first", [False, True])
def test_a_layer_with_a_loss_is_measured_by_its_activations(loss_first: bool, traced: bool) -> None:
    inputs = keras.Input((4,))
    layer = WithLoss(loss_first, name="routed")
    outputs = layer(inputs)
    model = keras.Model(inputs, layers.Dense(2)(outputs[int(loss_first)]))
    x = tf.constant(np.random.default_rng(0).random((5, 4), np.float32))
    ((tensor,),) = tapped(model, choose_taps(model, "routed"), x, traced).values()
    np.testing.assert_allclose(tensor, x @ layer.kernel, atol=1e-6)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_states_beside_a_layers_output_are_not_its_output(kind: Any, sequences: bool) -> None:
    inputs = keras.Input((6, 4))
    layer = kind(3, return_sequences=sequences, return_state=True, name="recurrent")
    model = keras.Model(inputs, layer(inputs)[0])
    x = tf.constant(np.random.default_rng(0).random((5, 6, 4), np.float32))
    ((tensor,),) = tapped(model, choose_taps(model, "recurrent"), x).values()
    np.testing.assert_allclose(tensor, model(x), atol=1e-6)


class ManyOutputs(keras.Model):
    """A dictionary that holds what is no tensor, and a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(2, name="dense")

    def call(self, x: Any) -> Any:
        y = self.dense(x)
        return {"a": None, "b": keras.ops.mean(y), "c": 0.5, "d": y, "e": "text", "f": -y}


@pytest.mark.parametrize("traced", [False, True])
def test_of_a_models_outputs_those_that_hold_activations_are_measured(traced: bool) -> None:
    model, x = ManyOutputs(), tf.constant(np.random.default_rng(0).random((5, 4), np.float32))
    expected = model(x)
    found = tapped(model, choose_taps(model, "output"), x, traced)
    # the loss is an output too, but not one to measure
    assert list(found) == ["output_1", "output_2"]
    np.testing.assert_allclose(found["output_1"][0], expected["d"], atol=1e-6)
    np.testing.assert_allclose(found["output_2"][0], expected["f"], atol=1e-6)


@pytest.mark.parametrize("traced", [False, True])
def test_kerass_mask_is_found_on_every_kind_of_layer_that_passes_it_on(traced: bool) -> None:
    inputs = keras.Input((6,), dtype="int32")
    embedded = layers.Embedding(10, 4, mask_zero=True, name="embedding")(inputs)
    # attention takes the mask off the tensors that it is given
    asked = layers.Dense(4, name="asked")(embedded)
    attended = layers.MultiHeadAttention(2, 3, name="attention")(asked, asked)
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(attended)
    each = layers.TimeDistributed(layers.Dense(5), name="each")(both)
    joined = layers.Concatenate(name="joined")([each, both])
    recurrent = layers.LSTM(3, return_sequences=True, return_state=True, name="recurrent")
    inner = keras.Sequential([keras.Input((6, 3)), layers.Dense(2, name="dense")], name="inner")
    inner.supports_masking = True
    last = layers.LSTM(2, name="last")
    model = keras.Model(inputs, last(inner(recurrent(joined)[0])))
    x = tf.constant([[1, 2, 3, 0, 0, 0], [4, 0, 0, 0, 0, 0]])
    taps = [tap for tap in choose_taps(model, "*") if "attention/" not in tap.name]

    def run(x: tf.Tensor) -> Any:
        captured = capture(model, layers_of(taps), x)
        return {tap.name: tap.activations(captured)[0].mask for tap in taps}

    masks = (tf.function(run, autograph=False) if traced else run)(x)
    assert masks.pop("last") is None
    assert set(masks) >= {"embedding", "asked", "attention", "both", "each", "joined", "recurrent"}
    assert set(masks) >= {"inner", "inner/dense"}
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, x != 0, err_msg=name)


def test_the_mask_of_a_layers_input_and_of_the_models_output() -> None:
    inputs = keras.Input((3, 2))
    masked = layers.Masking(name="masking")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="dense")(masked))
    x = tf.constant([[[1.0, 2], [0, 0], [3, 0]]])
    taps = [Tap("dense", model.get_layer("dense"), side="input"), *choose_taps(model, "output")]
    captured = capture(model, layers_of(taps), x)
    for tap in taps:
        ((_, mask),) = tap.activations(captured)
        np.testing.assert_array_equal(mask, [[True, False, True]])

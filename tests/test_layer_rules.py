"""The table of layers against Keras's own layers, built twice with other widths."""

import keras
import numpy as np
import pytest
from keras import layers

from nasmon.widths.layer_costs import macs_by_scaling, macs_of_steps, params_by_scaling
from nasmon.widths.layer_rules import (
    LAYER_RULES,
    SCALINGS,
    LayerRule,
    blocks_of,
    configured_width,
    effect_of,
    fan_in,
    is_bound,
    repeats_of,
)

RULED = [rule for rule in LAYER_RULES if rule.weights]
SHAPES = {
    "RNN": (None, 9, 4),
    "LSTM": (None, 9, 4),
    "GRU": (None, 9, 4),
    "1D": (None, 9, 4),
    "2D": (None, 9, 9, 4),
    "3D": (None, 9, 9, 9, 4),
}


def built(rule: LayerRule, inputs: int, outputs: int | None) -> keras.Layer:
    """A layer of a kind with inputs and outputs of those widths."""
    settings: dict[str, object] = {rule.width: outputs} if rule.width else {}
    name = rule.kind.__name__
    if rule.kind is layers.EinsumDense:
        settings |= {"equation": "ab,bc->ac", "bias_axes": "c"}
    if rule.kind is layers.GroupNormalization:
        settings["groups"] = 2
    if "Conv" in name:
        settings["kernel_size"] = 3
    layer = rule.kind(**settings)
    shape = next((SHAPES[key] for key in SHAPES if key in name), (None, 4))
    layer.build((*shape[:-1], inputs))
    return layer


@pytest.mark.parametrize("rule", RULED, ids=lambda rule: rule.kind.__name__)
def test_the_axes_that_grow_are_those_that_the_rule_names(rule: LayerRule) -> None:
    small, wider_in = built(rule, 4, 6), built(rule, 8, 6)
    wider_out = built(rule, 4, 12) if rule.width else small
    assert {weight.name for weight in small.weights} == set(rule.weights)
    for before, by_input, by_output in zip(
        small.weights, wider_in.weights, wider_out.weights, strict=True
    ):
        axes, rank = rule.weights[before.name], len(before.shape)
        doubled = [np.array(after.shape) / before.shape for after in (by_input, by_output)]
        for scaling, grown in zip(doubled, ([axes.input], [axes.output, axes.own]), strict=True):
            expected = np.ones(rank)
            expected[[axis for axis in grown if axis is not None]] = 2
            np.testing.assert_array_equal(scaling, expected, before.name)


@pytest.mark.parametrize("rule", RULED, ids=lambda rule: rule.kind.__name__)
def test_every_parameter_is_counted_once_and_grows_as_it_is_said(rule: LayerRule) -> None:
    small, large = built(rule, 4, 6), built(rule, 8, 12)
    params = params_by_scaling(small)
    assert sum(params.values()) == small.count_params()
    widened = dict(zip(SCALINGS, (4 if rule.width else 2, 2, 2, 4, 1), strict=True))
    assert large.count_params() == sum(widened[name] * n for name, n in params.items())
    if rule.effect in ("mixes", "recurs", "repeats"):
        assert configured_width(small) == (6 if rule.width else 4)


def test_a_layer_of_another_kind_binds_its_widths_if_it_has_weights() -> None:
    other = layers.SpectralNormalization(layers.Dense(8, use_bias=False))
    other.build((None, 1))
    assert effect_of(other) == "binds"
    assert params_by_scaling(other) == {
        "in_out": 0,
        "in": 0,
        "out": 0,
        "out_out": 0,
        "fixed": other.count_params(),
    }
    assert effect_of(layers.ReLU()) is None


@pytest.mark.parametrize(("kind", "shape"), [("1D", (None, 9, 4)), ("2D", (None, 9, 9, 4))])
def test_a_depthwise_layer_repeats_its_channels(kind: str, shape: tuple[int | None, ...]) -> None:
    layer = getattr(layers, f"DepthwiseConv{kind}")(3, depth_multiplier=2)
    layer.build(shape)
    assert (effect_of(layer), repeats_of(layer), configured_width(layer)) == ("repeats", 2, 8)
    macs = macs_by_scaling(layer, {"DepthwiseConv2dNative": 640}, samples=4)
    assert macs == {"in_out": 0, "in": 160, "out": 0, "out_out": 0, "fixed": 0}


def test_what_limits_the_rank_is_what_a_linear_output_is_made_of() -> None:
    for layer, shape, expected in (
        (layers.Conv2D(8, 3), (None, 9, 9, 2), 18),
        (layers.Conv2DTranspose(8, 3), (None, 9, 9, 2), 18),
        (layers.SeparableConv2D(8, 3, depth_multiplier=2), (None, 9, 9, 2), 4),
        (layers.Dense(8), (None, 5), 5),
        (layers.Dense(8, activation="relu"), (None, 5), None),
        (layers.Conv2D(8, 3, groups=2), (None, 9, 9, 2), None),
        (layers.DepthwiseConv2D(3), (None, 9, 9, 2), None),
        (layers.BatchNormalization(), (None, 5), None),
    ):
        layer.build(shape)
        assert fan_in(layer) == expected, layer.name


def test_an_unrolled_layer_that_recurs_is_multiplied_by_both_widths() -> None:
    layer = layers.GRU(6, unroll=True)
    layer.build((None, 5, 4))
    steps = macs_of_steps(layer, np.zeros((2, 5, 4)))
    assert steps is not None
    macs = macs_by_scaling(layer, steps, samples=2)
    assert (macs["in_out"], macs["out_out"]) == (5 * 4 * 18, 5 * 6 * 18)


def test_what_is_in_groups_is_in_blocks_and_what_is_carried_on_is_bound() -> None:
    grouped = layers.Conv2D(8, 3, groups=2)
    assert (effect_of(grouped), blocks_of(grouped), is_bound(grouped)) == ("groups", 2, False)
    assert blocks_of(layers.Conv2D(8, 3)) == 1
    assert is_bound(layers.LSTM(4, stateful=True))
    assert not is_bound(layers.LSTM(4))
    assert is_bound(layers.Conv2D(8, 3, data_format="channels_first"))
    assert not is_bound(layers.Conv2D(8, 3))
    assert effect_of(layers.Permute((2, 1))) == "binds"
    assert effect_of(layers.BatchNormalization()) == "keeps"


def test_a_layer_derived_from_a_known_one_has_its_rule_and_its_own_weights_are_fixed() -> None:
    class Scaled(layers.Dense):
        def build(self, shape: tuple[int | None, ...]) -> None:
            super().build(shape)
            self.strength = self.add_weight(name="strength", shape=(7,))

    layer = Scaled(6)
    layer.build((None, 4))
    assert effect_of(layer) == "mixes"
    assert params_by_scaling(layer) == {"in_out": 24, "in": 0, "out": 6, "out_out": 0, "fixed": 7}

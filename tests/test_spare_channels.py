"""What is truly spare costs nothing, whatever layers make it, pass it on and use it."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

import nasmon
from nasmon.errors import UsageError
from nasmon.narrowing.layer_weights import one_a_place, weights_of
from nasmon.narrowing.recalibrate import recalibrate
from nasmon.narrowing.traced import Traced, follow_model
from nasmon.probe_set import probe_set
from nasmon.widths.graph import WidthGroup
from nasmon.widths.layer_rules import axes_of, effect_of
from tests.narrowable import MODELS, inputs_for, residual, unsettled


def plant_copies(traced: Traced, group: WidthGroup) -> None:
    """Makes the second channel of each of a group's blocks a copy of the first."""
    block = group.channels // group.blocks
    numbers = traced.numbers(group)
    originals, copies = numbers[:, ::block].ravel(), numbers[:, 1::block].ravel()
    for one in weights_of(traced):
        inputs = traced.widths.first_input(one.name)
        outputs = traced.widths.outputs.get(one.name)
        axes = axes_of(one.layer, one.weight)
        apart = effect_of(one.layer) in ("keeps", "repeats") or "depthwise" in one.weight.name
        for axis, channels in ((axes.output, outputs), (axes.input if apart else None, inputs)):
            if axis is None or channels is None:
                continue
            value = np.moveaxis(np.asarray(one.weight).copy(), axis, 0)
            for original, copy in zip(originals, copies, strict=True):
                source, target = (
                    np.flatnonzero(one_a_place(one.layer, channels == number, len(value)))
                    for number in (original, copy)
                )
                value[target] = value[source]
            one.weight.assign(np.moveaxis(value, 0, axis))


@pytest.mark.parametrize("make", MODELS)
def test_copies_cost_nothing(make: Callable[[], keras.Model]) -> None:
    model = unsettled(make())
    traced, x = follow_model(model), inputs_for(model, 256)
    # what a layer normalization divides by is made of all its channels, copies or not
    beside = {"up"} if make.__name__ == "transposed" else set()
    free = [g for g in traced.groups if not g.fixed_by and g.leader not in beside]
    for group in free:
        plant_copies(traced, group)
    recalibrate(model, probe_set(x, 256, 64))
    widths = {g.leader: g.channels - (g.blocks if g.channels > g.blocks else 0) for g in free}
    small = nasmon.narrow(model, widths, x)
    assert small.count_params() < model.count_params()
    for found, expected in zip(
        keras.tree.flatten(small(x)), keras.tree.flatten(model(x)), strict=True
    ):
        spread = np.abs(np.asarray(expected)).max()
        np.testing.assert_allclose(found, expected, atol=1e-3 * spread)


@pytest.mark.parametrize("kind", [keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN])
def test_dead_units_of_what_recurs_cost_nothing(kind: type[keras.layers.RNN]) -> None:
    x = keras.Input((6, 3))
    y = kind(8, return_sequences=True, name="sequence")(x)
    model = keras.Model(x, keras.layers.Dense(2)(kind(6, name="last")(y)))
    unsettled(model)
    for layer in model.layers[1:3]:
        # nothing comes to every other unit, so that its state stays 0
        for weight in layer.weights:
            value = np.asarray(weight).copy()
            dead = np.tile(np.arange(layer.units) % 2 == 1, value.shape[-1] // layer.units)
            value[..., dead] = 0
            weight.assign(value)
    data = inputs_for(model, 64)
    sequence, last, _ = nasmon.plan_widths(model, data, verbose=False).groups
    assert sequence.spare >= 3  # of what is nearly nothing it cannot be told from rounding
    assert last.spare >= 3
    small = nasmon.narrow(model, {"sequence": 4, "last": 3}, data)
    np.testing.assert_allclose(small(data), model(data), rtol=1e-3, atol=1e-3)


def test_nothing_is_computed_anew_where_nothing_is_narrowed() -> None:
    model = unsettled(residual())
    x = inputs_for(model)
    same = nasmon.narrow(model, {"stem": 6}, x)
    for weight, other in zip(model.weights, same.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(weight), np.asarray(other))


class Listener(keras.Model):
    """Recurrent, subclassed, of sequences of words of any length."""

    def __init__(self) -> None:
        super().__init__(name="listener")
        self.words = keras.layers.Embedding(10, 4, mask_zero=True, name="words")
        self.lstm = keras.layers.LSTM(6, return_sequences=True, name="lstm")
        self.gru = keras.layers.GRU(8, name="gru")
        self.head = keras.layers.Dense(2, name="head")

    def call(self, x: np.ndarray) -> object:
        return self.head(self.gru(self.lstm(self.words(x))))


def test_a_subclassed_model_is_built_with_fewer_units() -> None:
    model, words = Listener(), np.random.default_rng(0).integers(0, 10, (64, 7))
    model(words)
    unsettled(model)
    plan = nasmon.plan_widths(model, words, params=0.5, verbose=False)
    assert {g.leader for g in plan.groups if not g.reason} == {"lstm", "gru"}
    small = nasmon.narrow(model, plan, words, build=Listener)
    assert (small.lstm.units, small.gru.units) == (plan.widths["lstm"], plan.widths["gru"])
    assert small.count_params() == plan.after.params <= 0.5 * model.count_params()
    assert small(words).shape == (64, 2)


def test_a_width_that_is_no_multiple_of_the_groups_is_named() -> None:
    x = keras.Input((4, 4, 2))
    y = keras.layers.Conv2D(8, 1, name="before")(x)
    y = keras.layers.Conv2D(12, 1, groups=4, name="grouped")(y)
    model = keras.Model(x, keras.layers.Conv2D(1, 1, name="head")(y))
    with pytest.raises(UsageError, match=r"'before' is 6, .* use a multiple of 4"):
        nasmon.narrow(model, {"before": 6})
    small = nasmon.narrow(model, {"before": 4, "grouped": 8})
    assert small.get_layer("grouped").kernel.shape == (1, 1, 1, 8)
    plan = nasmon.plan_widths(model, params=0.4)
    assert [(group.width, group.reason) for group in plan.groups[:2]] == [
        (4, "in 4 groups"),
        (4, "in 4 groups"),
    ]


def normalized(norm: keras.Layer) -> keras.Model:
    x = keras.Input((6, 6, 3))
    y = keras.layers.Conv2D(12, 3, name="before")(x)
    y = keras.layers.Conv2D(8, 1, activation="relu", name="after")(norm(y))
    return unsettled(keras.Model(x, keras.layers.Conv2D(2, 1, name="head")(y)))


@pytest.mark.parametrize(("groups", "width"), [(4, 8), (-1, 7), (1, 7)])
def test_as_many_channels_are_normalized_in_each_group(groups: int, width: int) -> None:
    model = normalized(keras.layers.GroupNormalization(groups, name="norm"))
    x = inputs_for(model)
    small = nasmon.narrow(model, {"before": width, "after": 5}, x)
    assert small.get_layer("norm").groups == (width if groups == -1 else groups)
    assert np.isfinite(np.asarray(small(x))).all()
    plan = nasmon.plan_widths(model, x, params=0.5, verbose=False)
    assert nasmon.narrow(model, plan, x).count_params() == plan.after.params


def test_what_is_normalized_along_other_axes_stays() -> None:
    for axis in (1, [1, 2]):
        kind = keras.layers.BatchNormalization if axis == 1 else keras.layers.LayerNormalization
        model = normalized(kind(axis=axis, name="norm"))
        groups = nasmon.plan_widths(model, params=0.8).groups
        assert {g.leader: g.reason for g in groups}["before"] == "norm needs it so"
    model = normalized(keras.layers.LayerNormalization(axis=[1, 2, 3]))
    plan = nasmon.plan_widths(model, inputs_for(model), params=0.5)
    assert nasmon.narrow(model, plan).count_params() == plan.after.params


@pytest.mark.parametrize(
    "consumer",
    [
        keras.layers.Dense(6, use_bias=False),
        keras.layers.SeparableConv1D(6, 1, use_bias=False),
        keras.layers.LSTM(6, use_bias=False, return_sequences=True),
        keras.layers.GRU(6, use_bias=False, return_sequences=True),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_mean_that_nothing_can_stand_for_is_not_spare(consumer: keras.layers.Layer) -> None:
    x = keras.Input((5, 4))
    y = keras.layers.Dense(8, activation="relu", name="before")(x)
    y = keras.layers.LayerNormalization()(consumer.from_config(consumer.get_config())(y))
    model = unsettled(keras.Model(x, keras.layers.Dense(2, name="head")(y)))
    kernel, bias = model.get_layer("before").get_weights()
    kernel[:, 2:], bias[2:] = 0, 3  # six constants, of which one can stand for the others
    model.get_layer("before").set_weights([kernel, bias])
    data = inputs_for(model, 256)
    plan = nasmon.plan_widths(model, data, verbose=False)
    assert plan.groups[0].spare == 5
    small = nasmon.narrow(model, {"before": 3}, data)
    np.testing.assert_allclose(small(data), model(data), atol=1e-2)


def test_a_bias_of_several_axes_takes_a_mean_at_each() -> None:
    x = keras.Input((5, 4))
    y = keras.layers.Dense(4, activation="relu", name="before")(x)
    y = keras.layers.EinsumDense("abc,cd->abd", (5, 3), bias_axes="bd", name="einsum")(y)
    model = unsettled(keras.Model(x, y))
    kernel, bias = model.get_layer("before").get_weights()
    kernel[:, 1:], bias[1:] = 0, 3
    model.get_layer("before").set_weights([kernel, bias])
    data = inputs_for(model, 64)
    small = nasmon.narrow(model, {"before": 1}, data)
    np.testing.assert_allclose(small(data), model(data), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", [keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN])
def test_without_data_the_units_with_the_largest_weights_stay(
    kind: type[keras.layers.RNN],
) -> None:
    x = keras.Input((8, 4))
    model = keras.Model(x, keras.layers.Dense(2)(kind(6, name="cells")(x)))
    for weight in model.get_layer("cells").weights:
        value = np.asarray(weight) * 0.01
        value[..., 2::6] = 5  # the third unit, at every gate
        weight.assign(value)
    small = nasmon.narrow(model, {"cells": 1})
    assert np.abs(small.get_layer("cells").get_weights()[0]).min() == 5


def test_with_fewer_rows_than_channels_none_is_called_spare() -> None:
    x = keras.Input((4,))
    y = keras.layers.Dense(40, activation="relu", name="wide")(x)
    model = unsettled(keras.Model(x, keras.layers.Dense(2)(y)))
    random = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    few = nasmon.plan_widths(model, random[:20], verbose=False).groups[0]
    many = nasmon.plan_widths(model, random, samples=2000, verbose=False).groups[0]
    assert (few.spare, few.width) == (0, 40)
    assert many.spare < 20

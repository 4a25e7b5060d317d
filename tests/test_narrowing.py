"""Narrower models: the same function where nothing is lost, and nothing of the original touched."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

import nasmon
from nasmon.errors import UsageError
from nasmon.narrowing.carry import carry
from nasmon.narrowing.grouped import as_whole, in_groups
from nasmon.narrowing.rebuild import rebuilt
from nasmon.narrowing.seen import Seen
from nasmon.narrowing.traced import follow_model
from nasmon.widths.layer_rules import Axes, rule_of
from tests.narrowable import MODELS, convolutions, inputs_for, residual, unsettled

KINDS = pytest.mark.parametrize("make", MODELS)


def outputs_of(model: keras.Model, x: object) -> list[np.ndarray]:
    return [np.asarray(t) for t in keras.tree.flatten(model(x, training=False))]


def halves(model: keras.Model) -> dict[str, int]:
    return {
        group.leader: max(1, group.channels // 2 // group.blocks) * group.blocks
        for group in follow_model(model).groups
        if not group.fixed_by
    }


@KINDS
def test_at_its_own_widths_it_is_the_same_function(make: Callable[[], keras.Model]) -> None:
    model = unsettled(make())
    x = inputs_for(model)
    same = nasmon.narrow(model, {})
    for found, expected in zip(outputs_of(same, x), outputs_of(model, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert [layer.name for layer in same.layers] == [layer.name for layer in model.layers]
    assert type(same) is type(model)


@KINDS
def test_without_data_it_is_the_original_without_the_others(
    make: Callable[[], keras.Model],
) -> None:
    model = unsettled(make())
    if any(isinstance(layer, keras.layers.LayerNormalization) for layer in model.layers):
        pytest.skip("what it divides by is made of all channels")
    x, traced = inputs_for(model), follow_model(model)
    widths = halves(model)
    assert widths
    alive = Seen(model, None).alive(widths)
    small = rebuilt(traced, alive)
    carry(traced, small, alive)
    # what is gone contributes nothing to what its consumers make
    for inlet, channels in traced.consumers().items():
        layer = traced.layers[inlet.layer]
        rule, groups = rule_of(layer), getattr(layer, "groups", 1)
        for weight in layer.weights:
            axes = (rule.weights if rule else {}).get(weight.name, Axes())
            axis = axes.own if inlet.recurrent else axes.input
            if axis is not None:
                value = np.moveaxis(as_whole(np.array(weight), groups), axis, 0)
                value[~np.repeat(alive[channels], len(value) // len(channels))] = 0
                weight.assign(in_groups(np.moveaxis(value, 0, axis), groups))
    for found, expected in zip(outputs_of(small, x), outputs_of(model, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@KINDS
def test_a_plan_is_kept_to_the_parameter_and_the_original_to_the_bit(
    make: Callable[[], keras.Model],
) -> None:
    model = unsettled(make())
    x, before = inputs_for(model), [np.array(weight) for weight in model.weights]
    plan = nasmon.plan_widths(model, x, params=0.6)
    assert plan.before.params == model.count_params()
    assert (plan.after.params or 0) <= 0.6 * model.count_params()
    np.random.seed(7)
    expected_draw = np.random.RandomState(7).random_sample()
    small = nasmon.narrow(model, plan, x)
    assert np.random.random_sample() == expected_draw
    assert small.count_params() == plan.after.params
    assert follow_model(small).macs == plan.after.macs
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), value)
    assert all(np.isfinite(found).all() for found in outputs_of(small, x))


def test_spare_channels_cost_nothing() -> None:
    model = unsettled(residual())
    squeeze, stem, expand = (model.get_layer(name) for name in ("squeeze", "stem", "expand"))
    kernel, bias = squeeze.get_weights()
    kernel[..., 1], bias[1] = kernel[..., 0], bias[0]  # a copy
    kernel[..., 2], bias[2] = 0, -1  # dead
    squeeze.set_weights([kernel, bias])
    for layer in (stem, expand):
        kernel, bias = layer.get_weights()
        kernel[..., 5], bias[5] = 2 * kernel[..., 3], 2 * bias[3]  # a multiple, tied by an add
        layer.set_weights([kernel, bias])
    x = inputs_for(model, 64)
    plan = nasmon.plan_widths(model, x)
    assert {group.leader: group.width for group in plan.groups}["squeeze"] == 2
    assert {group.leader: group.spare for group in plan.groups}["stem"] == 1
    small = nasmon.narrow(model, plan, x)
    assert small.get_layer("squeeze").filters == 2
    for found, expected in zip(outputs_of(small, x), outputs_of(model, x), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


def test_what_stands_in_loses_less_than_nothing_would() -> None:
    model = unsettled(convolutions())
    x = inputs_for(model, 400)
    expected = model(x)
    errors = []
    for data in (x, None):
        small = nasmon.narrow(model, {"hidden": 3, "second": 4}, data)
        errors.append(float(np.mean((small(x) - expected) ** 2)))
    assert errors[0] < errors[1]


def test_compiled_like_the_original_it_trains_and_is_saved(tmp_path: object) -> None:
    model = convolutions()
    model.compile(keras.optimizers.AdamW(1e-3), "mse", metrics=[keras.metrics.MeanAbsoluteError()])
    x = inputs_for(model)
    small = nasmon.narrow(model, nasmon.plan_widths(model, x, params=0.5), x)
    assert isinstance(small.optimizer, keras.optimizers.AdamW)
    assert small.optimizer is not model.optimizer
    small.fit(x, np.zeros((48, 2)), epochs=1, verbose=0)
    small.save(f"{tmp_path}/small.keras")
    loaded = keras.models.load_model(f"{tmp_path}/small.keras")
    np.testing.assert_allclose(loaded(x), small(x), atol=1e-6)


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ({"nobody": 2}, "'nobody', which owns no width"),
        ({"head": 1}, "output fixes it"),
        ({"stem": 7}, "from 1 to 6"),
        ({"stem": 3, "expand": 2}, "tied to 'stem'"),
    ],
)
def test_a_width_that_cannot_be_is_named(widths: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        nasmon.narrow(residual(), widths)


def test_a_layer_to_keep_that_is_no_expression_is_named_as_it_was_given() -> None:
    with pytest.raises(UsageError, match=r"keep has '/\(/', not a regular expression"):
        nasmon.plan_widths(residual(), params=0.5, keep=["/(/"])


def test_a_budget_that_cannot_be_met_says_what_can() -> None:
    with pytest.raises(UsageError, match=r"params=10 cannot be met.* has \d+ parameters"):
        nasmon.plan_widths(residual(), params=10)
    with pytest.raises(UsageError, match="stem .6: kept"):
        nasmon.plan_widths(residual(), params=10, keep=["stem"])

"""What a model takes as 8-bit integers: predicted from its graph, and what the converter makes."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import nasmon
from bench.tiny_networks import ds_cnn
from nasmon.errors import UsageError
from nasmon.litert.convert import int8_file
from nasmon.litert.planned import PlannedFile, planned_file
from nasmon.litert.run import Int8Model
from nasmon.narrowing.traced import follow_model
from nasmon.train.models import build_model
from nasmon.widths.int8 import Block, Int8Program, Step, peak_of
from nasmon.widths.objectives import sizes
from tests.deployable import MODELS, conv1d, drawn, inputs_for

SMALL = 450
"""Bytes by which files of a few kB may differ: 2 % of them are fewer than one tensor has."""


@pytest.mark.parametrize("name", MODELS)
def test_flash_and_ram_are_predicted_before_anything_is_converted(name: str) -> None:
    model = drawn(MODELS[name]())
    file = int8_file(model, inputs_for(model))
    planned = planned_file(file)
    predicted = sizes(follow_model(model))
    assert predicted.ram == planned.ram
    assert predicted.flash is not None
    off = abs(predicted.flash - planned.flash)
    assert off <= max(0.02 * planned.flash, SMALL), (predicted, planned[:2])
    program = follow_model(model).int8
    assert program is not None
    assert len(program.steps) == len(planned.operations)


@pytest.mark.parametrize("name", ["ds_cnn", "branches", "many_kinds", "separable"])
def test_other_widths_take_what_was_predicted_for_them(name: str) -> None:
    model = drawn(MODELS[name]())
    plan = nasmon.plan_widths(model, verbose=False, params=0.5)
    small = nasmon.narrow(model, plan)
    planned = planned_file(int8_file(small, inputs_for(small)))
    today = sizes(follow_model(small))
    assert (plan.after.params, plan.after.macs) == (today.params, today.macs)
    assert plan.after.ram == today.ram == planned.ram
    assert plan.after.flash == pytest.approx(today.flash, abs=30)
    assert abs((plan.after.flash or 0) - planned.flash) <= max(0.02 * planned.flash, SMALL)


@pytest.mark.parametrize("name", ["nano_u", "ds_cnn", "many_kinds", "conv1d", "embedded"])
def test_the_file_computes_what_the_model_does(name: str) -> None:
    model = drawn(MODELS[name]())
    before = [np.array(weight) for weight in model.weights]
    x = inputs_for(model, 16)
    state = keras.random.SeedGenerator(3)
    keras.random.uniform((1,), seed=state)
    drawn_before = np.array(state.state)
    file = int8_file(model, x)
    found, expected = Int8Model(file).predict(x), model.predict(x, verbose=0)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    spread = expected.max() - expected.min()
    assert np.abs(found - expected).mean() < 0.03 * spread
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(np.array(weight), value)
    np.testing.assert_array_equal(np.array(state.state), drawn_before)


def test_inputs_and_outputs_keep_their_order() -> None:
    zeta, alpha, mid = (keras.Input((5,), name=name) for name in ("zeta", "alpha", "mid"))
    both = layers.Concatenate()([mid, zeta])
    outputs = {"z": layers.Dense(4)(zeta), "a": layers.Dense(2)(alpha), "q": layers.Dense(6)(both)}
    model = drawn(keras.Model({"zeta": zeta, "alpha": alpha, "mid": mid}, outputs))
    x = inputs_for(model, 32)
    runs = Int8Model(int8_file(model, x))
    found = runs.predict(tf.nest.flatten(x))
    expected = tf.nest.flatten(model.predict(x, verbose=0))
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, atol=0.03 * np.abs(other).max())


def test_outputs_of_a_dictionary_are_in_the_order_of_its_keys() -> None:
    x = keras.Input((5,))
    keys = {f"output_{number}": layers.Dense(number)(x) for number in (2, 10)}
    model = drawn(keras.Model(x, keys))
    inputs = inputs_for(model)
    found = Int8Model(int8_file(model, inputs)).predict(inputs)
    assert [one.shape[1] for one in found] == [10, 2]


def test_samples_of_double_precision_are_taken() -> None:
    model = drawn(conv1d())
    x = inputs_for(model)
    assert int8_file(model, x.astype(np.float64)) == int8_file(model, x)


def test_repeated_rows_are_one_operation_and_the_layer_is_left_alone() -> None:
    model = keras.Sequential([keras.Input((4, 5, 2)), layers.UpSampling2D((3, 2), name="up")])
    x = inputs_for(model)
    file = int8_file(model, x)
    assert planned_file(file).operations == ("RESIZE_NEAREST_NEIGHBOR",)
    np.testing.assert_allclose(Int8Model(file).predict(x), x.repeat(3, 1).repeat(2, 2), atol=0.03)
    assert "call" not in vars(model.get_layer("up"))


def test_what_cannot_be_converted_is_said_in_a_line() -> None:
    loop = keras.Sequential([keras.Input((6, 3)), layers.GRU(4, name="recurs"), layers.Dense(2)])
    x = np.zeros((4, 6, 3), np.float32)
    with pytest.raises(UsageError, match="recurs.* computes in a loop") as refused:
        int8_file(loop, x)
    assert "\n" not in str(refused.value)
    unbuilt = keras.Sequential([layers.Dense(2)])
    with pytest.raises(UsageError, match="is not built"):
        int8_file(unbuilt, x)


def test_where_an_operation_is_not_known_flash_and_ram_are_not() -> None:
    model = keras.Sequential(
        [keras.Input((6, 4)), layers.Dense(8, activation="gelu"), layers.Dense(2)]
    )
    grouped = keras.Sequential([keras.Input((6, 6, 4)), layers.GroupNormalization(2)])
    recurrent = keras.Sequential([keras.Input((6, 4)), layers.GRU(4, unroll=True)])
    for one in (model, grouped, recurrent):
        found = sizes(follow_model(one))
        assert found.params == one.count_params()
        assert (found.flash, found.ram) == (None, None)
    with pytest.raises(UsageError, match="this model's flash is not known: either one of"):
        nasmon.plan_widths(model, verbose=False, flash=0.5)
    with pytest.raises(UsageError, match="this model's ram is not known: either one of"):
        nasmon.plan_widths(model, verbose=False, ram=0.5)


def test_the_peak_is_where_most_is_needed_at_once() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        count = int(random.integers(2, 9))
        steps = [
            Step(str(n), tuple(random.choice(n, min(n, 2), replace=False).tolist()), (n,))
            for n in range(1, count)
        ]
        amounts = random.integers(1, 100, count).tolist()
        outputs = (count - 1,)
        most = 0
        for position, step in enumerate(steps):
            later = {n for one in steps[position:] for n in one.reads} | set(outputs)
            there = {n for n in range(count) if n <= step.writes[0] and n in later}
            most = max(most, sum(amounts[n] for n in there | {step.writes[0]}))
        assert peak_of(amounts, steps, outputs).size == most


def test_a_budget_of_ram_narrows_where_it_is_needed_and_nothing_else() -> None:
    model = drawn(build_model("nano_u"))
    plan = nasmon.plan_widths(model, verbose=False, ram=0.5)
    assert plan.before.ram is not None
    assert plan.after.ram is not None
    assert plan.after.ram <= 0.5 * plan.before.ram
    assert (plan.after.params or 0) > 0.95 * (plan.before.params or 0)
    assert 0 < len(plan.widths) < 4
    assert f"most at {plan.busiest}" in str(plan)
    text = nasmon.plan_widths(model, verbose=False, ram=f"{plan.before.ram // 2} B")
    assert text.after == plan.after
    both = nasmon.plan_widths(model, verbose=False, ram=0.5, flash="40kB")
    assert (both.after.ram or 0) <= 0.5 * plan.before.ram
    assert 39_000 < (both.after.flash or 0) <= 40_000


def test_a_budget_that_no_widths_meet_is_said() -> None:
    model = drawn(ds_cnn())
    with pytest.raises(UsageError, match=r"ram=100 cannot be met: .* has \d+ bytes of RAM"):
        nasmon.plan_widths(model, verbose=False, ram=100)
    with pytest.raises(UsageError, match="flash is '5XB'; use a number, a size such as 64kB"):
        nasmon.plan_widths(model, verbose=False, flash="5XB")
    with pytest.raises(UsageError, match="flash is True; use a whole number"):
        nasmon.plan_widths(model, verbose=False, flash=True)


def test_a_program_without_steps_needs_nothing() -> None:
    program = Int8Program((Block(8),), (), (0,), (), 450)
    assert (program.flash({}, {}), program.ram({}, {})) == (450, 0)


def test_what_a_file_takes_is_read_from_it(tmp_path: Path) -> None:
    model = drawn(keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="conv")]))
    file = int8_file(model, inputs_for(model))
    # 8 * 8 * 3 and 6 * 6 * 4 bytes
    assert planned_file(file) == PlannedFile(len(file), 192 + 144, "CONV_2D", ("CONV_2D",))
    converted = nasmon.to_int8(model, inputs_for(model))
    assert (converted.file, converted.flash, converted.ram) == (file, len(file), 336)
    converted.save(tmp_path / "model.tflite")
    assert (tmp_path / "model.tflite").read_bytes() == file

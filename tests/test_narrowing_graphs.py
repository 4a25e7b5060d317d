"""Random small graphs, and models that are no graphs, narrowed."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nasmon
from nasmon.errors import UsageError
from nasmon.narrowing.traced import follow_model
from tests.narrowable import inputs_for, unsettled

layers = keras.layers


KINDS = ("conv", "grouped", "depthwise", "norm", "add", "join", "up", "prelu")


def graph(draw: Callable[[st.SearchStrategy], Any]) -> keras.Model:
    """Convolutions in any order, joined by adds and concatenations, one or two heads."""
    inputs = keras.Input((6, 6, draw(st.integers(1, 3))))
    tensors = [layers.Conv2D(draw(st.integers(2, 5)), 3, padding="same")(inputs)]
    for _ in range(draw(st.integers(1, 6))):
        x = draw(st.sampled_from(tensors))
        kind = draw(st.sampled_from(KINDS))
        if kind == "conv":
            x = layers.Conv2D(
                draw(st.integers(2, 6)), draw(st.sampled_from([1, 3])), padding="same"
            )(x)
        elif kind == "grouped":
            groups = draw(st.sampled_from([g for g in (1, 2, 3, 4) if x.shape[-1] % g == 0]))
            outputs = groups * draw(st.integers(1, 3))
            x = layers.Conv2D(outputs, 3, padding="same", groups=groups)(x)
        elif kind == "depthwise":
            x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=draw(st.integers(1, 2)))(
                x
            )
        elif kind == "norm":
            x = layers.ReLU()(layers.BatchNormalization()(x))
        elif kind == "add":
            alike = [t for t in tensors if t.shape == x.shape]
            x = layers.Add()([x, draw(st.sampled_from(alike))])
        elif kind == "join":
            x = layers.Concatenate()([x, draw(st.sampled_from(tensors))])
        elif kind == "up":
            x = layers.Conv2DTranspose(draw(st.integers(2, 5)), 3, padding="same")(x)
        else:
            x = layers.PReLU(shared_axes=(1, 2))(x)
        tensors.append(x)
    pool = draw(st.sampled_from([layers.Flatten, layers.GlobalAveragePooling2D]))
    heads = [layers.Dense(2)(layers.Dense(4, "relu")(pool()(tensors[-1])))]
    if draw(st.booleans()):
        heads.append(layers.Conv2D(1, 1)(draw(st.sampled_from(tensors))))
    return keras.Model(inputs, heads)


@given(st.data(), st.integers(0, 100))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_graph_is_narrowed_as_planned(data: st.DataObject, seed: int) -> None:
    model = unsettled(graph(data.draw), seed)
    x = inputs_for(model, 8, seed)
    for found, expected in zip(nasmon.narrow(model, {})(x), model(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    widths = {
        group.leader: max(group.blocks, group.channels - group.blocks)
        for group in follow_model(model).groups
        if not group.fixed_by
    }
    plan = nasmon.plan_widths(model, x, params=0.8)
    for small, after in (
        (nasmon.narrow(model, plan, x), plan.after),
        (nasmon.narrow(model, widths), None),
    ):
        assert all(np.isfinite(np.asarray(out)).all() for out in small(x))
        if after is not None:
            assert small.count_params() == after.params
            assert follow_model(small).macs == after.macs


class Own(keras.Model):
    """A subclassed classifier, with a block of its own class."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.one = layers.Conv2D(8, 3, padding="same", name="one")
        self.norm = layers.BatchNormalization(name="norm")
        self.two = layers.Dense(6, activation="relu", name="two")
        self.head = layers.Dense(2, name="head")

    def call(self, x: Any, training: bool | None = None) -> Any:
        x = keras.ops.relu(self.norm(self.one(x), training=training))
        return self.head(self.two(keras.ops.mean(x, axis=(1, 2))))


class Fixed(Own):
    """With a width in its own code."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        x = keras.ops.relu(self.norm(self.one(x), training=training))
        return self.head(self.two(keras.ops.reshape(x, (-1, 36 * 8))))


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((64, 6, 6, 3)).astype(np.float32)


def test_a_subclassed_model_is_made_anew_by_a_function(images: np.ndarray) -> None:
    model = Own()
    model(images)
    unsettled(model)
    small = nasmon.narrow(model, {"one": 4, "two": 3}, images, build=Own)
    assert (small.one.filters, small.two.units) == (4, 3)
    same = nasmon.narrow(model, {"one": 8}, images[:1], build=Own)
    assert same.count_params() == model.count_params()
    plan = nasmon.plan_widths(model, images, params=0.5)
    assert nasmon.narrow(model, plan, images, build=Own).count_params() == plan.after.params


def test_what_a_subclassed_model_lacks_is_said(images: np.ndarray) -> None:
    model = Own()
    with pytest.raises(UsageError, match="'own' is not built; call it"):
        nasmon.narrow(model, {"one": 4}, images)
    model(images)
    with pytest.raises(UsageError, match="pass build=, a function"):
        nasmon.narrow(model, {"one": 4}, images)

    def built() -> Own:
        other = Own()
        other(images)
        return other

    with pytest.raises(UsageError, match="'one' of the model from build.. is built already"):
        nasmon.narrow(model, {"one": 4}, images, build=built)


def test_a_width_in_the_models_own_code_is_found(images: np.ndarray) -> None:
    model = Fixed()
    model(images)
    with pytest.raises(UsageError):
        nasmon.narrow(model, {"one": 4}, images, build=Fixed)
    assert nasmon.narrow(model, {"two": 3}, images, build=Fixed).two.units == 3


def test_a_nested_model_of_several_inputs_gets_each_as_wide_as_it_is() -> None:
    a, b = keras.Input((6,)), keras.Input((8,))
    y = layers.Concatenate()([layers.Dense(5, name="ia")(a), layers.Dense(4, name="ib")(b)])
    inner, x = keras.Model([a, b], y, name="inner"), keras.Input((4,))
    y = inner([layers.Dense(6, name="p")(x), layers.Dense(8, name="q")(x)])
    model = unsettled(keras.Model(x, layers.Dense(2, name="head")(y)))
    small = nasmon.narrow(model, {"p": 4, "q": 7, "inner/ib": 3})
    assert [tensor.shape[-1] for tensor in small.get_layer("inner").inputs] == [4, 7]
    same = nasmon.narrow(model, {})
    np.testing.assert_allclose(same(np.ones((1, 4))), model(np.ones((1, 4))), rtol=1e-5)


def test_a_reshape_by_an_operation_is_made_anew(images: np.ndarray) -> None:
    x = keras.Input((6, 6, 3))
    y = keras.ops.reshape(layers.Conv2D(8, 3, padding="same", name="one")(x), (-1, 36 * 8))
    y = keras.ops.reshape(layers.Dense(6, name="two")(y), (-1, 1, 6))
    model = keras.Model(x, layers.Dense(2, name="head")(y))
    small = nasmon.narrow(model, {"one": 5, "two": 4}, images)
    assert small(images).shape == (64, 1, 2)
    assert small.get_layer("two").kernel.shape == (36 * 5, 4)


class Scaled(Own):
    """With a weight of the model's own."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = self.add_weight(shape=(), initializer="ones", name="strength")

    def call(self, x: Any, training: bool | None = None) -> Any:
        return self.strength * super().call(x, training)


def test_weights_of_the_model_itself_are_carried_over(images: np.ndarray) -> None:
    model = Scaled()
    model(images)
    unsettled(model)
    same = nasmon.narrow(model, {}, images, build=Scaled)
    assert float(same.strength) == float(model.strength) != 1
    np.testing.assert_allclose(same(images), model(images), rtol=1e-4, atol=1e-4)


def test_what_is_inside_of_a_layer_that_is_no_model_stays(images: np.ndarray) -> None:
    x = keras.Input((6, 6, 3))
    y = layers.Conv2D(8, 3, name="before")(x)
    y = layers.SpectralNormalization(layers.Conv2D(6, 3, name="inside"), name="outside")(y)
    y = layers.Conv2D(5, 1, name="after")(y)
    model = keras.Model(x, layers.Conv2D(1, 1, name="head")(y))
    plan = nasmon.plan_widths(model, images, params=0.98)
    assert {group.leader: group.reason for group in plan.groups} == {
        "before": "outside needs it so",
        "outside/inside": "outside needs it so",
        "after": "",
        "head": "the model's output",
    }
    assert nasmon.narrow(model, plan, images).count_params() == plan.after.params


class Counting(keras.Sequential):
    """With a training step of its own."""

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


class Counted(keras.Model):
    """Functional, with a constructor and a training step of its own."""

    def __init__(self, width: int) -> None:
        x = keras.Input((4,))
        super().__init__(x, layers.Dense(1)(layers.Dense(width, name="one")(x)))

    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


def test_a_class_of_the_users_own_is_kept_or_said_not_to_be() -> None:
    model = Counting([keras.Input((4,)), layers.Dense(6, name="one"), layers.Dense(1)])
    assert type(nasmon.narrow(model, {"one": 3})) is Counting
    with pytest.warns(RuntimeWarning, match="without Counted's own train_step"):
        small = nasmon.narrow(Counted(6), {"one": 3})
    assert small.count_params() == 19


def test_half_and_double_precision(images: np.ndarray) -> None:
    for policy in ("mixed_bfloat16", "float64"):
        x = keras.Input((6, 6, 3), dtype="float32")
        y = layers.SeparableConv2D(8, 3, name="one", dtype=policy)(x)
        y = layers.BatchNormalization(dtype=policy)(y)
        y = layers.SeparableConv2D(6, 3, name="two", dtype=policy)(y)
        model = keras.Model(x, layers.Dense(2, dtype=policy, name="head")(layers.Flatten()(y)))
        plan = nasmon.plan_widths(model, images, params=0.6, verbose=False)
        small = nasmon.narrow(model, plan, images)
        assert small.count_params() == plan.after.params
        assert np.isfinite(np.asarray(small(images), np.float64)).all()

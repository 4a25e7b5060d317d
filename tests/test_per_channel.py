"""Convolutions with a group a channel, and a user's own layers of which each channel is alone."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import nasmon
from nasmon.errors import UsageError
from nasmon.narrowing.traced import follow_model
from nasmon.widths import layer_rules
from nasmon.widths.layer_costs import params_by_scaling
from nasmon.widths.layer_rules import (
    configured_width,
    declare_per_channel,
    effect_of,
    fan_in,
    repeats_of,
)


@keras.saving.register_keras_serializable("tests")
class Scaled(layers.Layer):
    """One factor a channel, in a weight that has no name of its own."""

    def __init__(self, dimension: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dimension = dimension

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(self.dimension,), initializer="uniform")

    def call(self, x: Any) -> Any:
        return x * (1 + self.factor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dimension": self.dimension}


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_rules, "_DECLARED", [])
    declare_per_channel(Scaled, {"factor": -1}, width="dimension")


def network(multiplier: int = 1) -> keras.Model:
    keras.utils.set_random_seed(0)
    x = image = keras.Input((8, 8, 3))
    x = layers.Conv2D(12, 3, padding="same", name="first")(x)
    x = layers.Conv2D(12 * multiplier, 3, padding="same", groups=12, name="apart")(x)
    x = layers.ReLU()(Scaled(12 * multiplier, name="scaled")(x))
    x = layers.Conv2D(8, 1, activation="relu", name="second")(x)
    x = layers.Conv2D(4, 1, name="head")(x)
    return keras.Model(image, x)


def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("multiplier", [1, 2])
def test_a_group_a_channel_is_a_depthwise_convolution(multiplier: int) -> None:
    layer = layers.Conv2D(4 * multiplier, 3, groups=4)
    assert effect_of(layer) == "groups"
    layer.build((None, 9, 9, 4))
    known = (effect_of(layer), repeats_of(layer), configured_width(layer))
    assert known == ("repeats", multiplier, 4 * multiplier)
    assert params_by_scaling(layer)["out"] == layer.count_params()
    assert fan_in(layer) is None


@pytest.mark.parametrize("multiplier", [1, 2])
def test_what_is_apart_is_narrowed_with_what_goes_in(declared: None, multiplier: int) -> None:
    model, x = network(multiplier), images()
    same = nasmon.narrow(model, {"first": 12}, x)
    np.testing.assert_allclose(same(x), model(x), rtol=1e-4, atol=1e-5)
    plan = nasmon.plan_widths(model, x, params=0.5, verbose=False)
    assert {group.leader: group.reason for group in plan.groups} == {
        "first": "",
        "second": "",
        "head": "the model's output",
    }
    small = nasmon.narrow(model, plan, x)
    width = plan.widths["first"]
    assert small.get_layer("apart").groups == width < 12
    assert small.get_layer("scaled").dimension == width * multiplier
    assert small.count_params() == plan.after.params
    assert follow_model(small).macs == plan.after.macs
    kept = np.array(small.get_layer("scaled").factor)
    assert np.isin(kept, np.array(model.get_layer("scaled").factor)).all()


def test_dead_channels_before_it_cost_nothing(declared: None) -> None:
    model, x = network(), images()
    kernel, bias = model.get_layer("first").get_weights()
    kernel[..., 1::2], bias[1::2] = 0, 0
    model.get_layer("first").set_weights([kernel, bias])
    small = nasmon.narrow(model, {"first": 6}, x)
    # but at the borders of images, where what a constant stands for was padded by zeros
    inner = np.s_[:, 1:-1, 1:-1]
    np.testing.assert_allclose(small(x)[inner], model(x)[inner], rtol=1e-3, atol=1e-4)


def test_a_subclassed_model_is_built_with_as_many_groups(declared: None) -> None:
    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first = layers.Conv2D(12, 3, name="first")
            self.apart = layers.Conv2D(12, 3, groups=12, name="apart")
            self.scaled = Scaled(12, name="scaled")
            self.head = layers.Conv2D(2, 1, name="head")

        def call(self, x: Any) -> Any:
            return self.head(self.scaled(self.apart(self.first(x))))

    model, x = Net(), images()
    model(x)
    small = nasmon.narrow(model, {"first": 5}, x, build=Net)
    assert (small.apart.groups, small.scaled.dimension) == (5, 5)


def test_what_is_not_declared_holds_up_what_goes_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_rules, "_DECLARED", [])
    reasons = {g.leader: g.reason for g in nasmon.plan_widths(network()).groups}
    assert reasons["first"] == "scaled needs it so"


def test_a_network_with_scales_of_its_own_is_narrowed_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layer_rules, "_DECLARED", [])
    from keras.src.applications.convnext import LayerScale

    declare_per_channel(LayerScale, {"gamma": 0}, width="projection_dim")
    model = keras.applications.ConvNeXtTiny(weights=None, classes=10, input_shape=(32, 32, 3))
    plan = nasmon.plan_widths(model, params=0.5)
    assert {group.reason for group in plan.groups} == {"", "the model's output"}
    small = nasmon.narrow(model, plan)
    assert small.count_params() == plan.after.params <= 0.5 * model.count_params()


@pytest.mark.parametrize(
    ("kind", "weights", "words"),
    [
        ("Scaled", {}, "kind is 'Scaled'; pass a class of layers"),
        (dict, {}, "pass a class of layers"),
        (Scaled, {"factor": "last"}, "the axis of 'factor' is 'last'; use a whole number"),
        (Scaled, {"factor": True}, "the axis of 'factor' is True"),
    ],
)
def test_what_cannot_be_declared(kind: Any, weights: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        declare_per_channel(kind, weights)

"""Networks drawn at random: read, trained alike with the monitor and without, and narrowed."""

from typing import Any

import keras
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers

import nasmon
from nasmon import Monitor
from nasmon.errors import UsageError
from tests.support import SAMPLES

widths = st.integers(1, 9)
ACTIVATIONS = ("relu", "linear", "gelu", "sigmoid", "tanh", "leaky_relu")

steps = st.one_of(
    st.tuples(st.just("conv"), widths, st.sampled_from((1, 3)), st.sampled_from(ACTIVATIONS)),
    st.tuples(st.just("depthwise"), st.integers(1, 2)),
    st.tuples(st.just("separable"), widths),
    st.tuples(st.just("grouped"), st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.just("transpose"), widths),
    st.tuples(st.sampled_from(("norm", "layer_norm", "dropout", "pool", "up", "prelu", "dense"))),
    st.tuples(st.sampled_from(("add", "concatenate", "multiply", "gate", "pad"))),
)


class Network:
    """Layers one after the other, with what came before at hand to be joined with."""

    def __init__(self, channels: int, drawn: list[tuple[Any, ...]], flat: bool) -> None:
        keras.utils.set_random_seed(0)
        x = inputs = keras.Input((8, 8, channels))
        self._count, self._earlier = 0, [x]
        for kind, *arguments in drawn:
            x = getattr(self, f"_{kind}")(x, *arguments)
            self._earlier.append(x)
        x = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
        self.model = keras.Model(inputs, layers.Dense(2, name="head")(x))
        self.model.compile("adam", "mse")

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"

    def _conv(self, x: Any, width: int, size: int, activation: str) -> Any:
        name = self._name("conv")
        return layers.Conv2D(width, size, padding="same", activation=activation, name=name)(x)

    def _depthwise(self, x: Any, times: int) -> Any:
        layer = layers.DepthwiseConv2D(
            3, padding="same", depth_multiplier=times, name=self._name("depthwise")
        )
        return layer(x) if x.shape[-1] < 32 else x

    def _separable(self, x: Any, width: int) -> Any:
        return layers.SeparableConv2D(width, 3, padding="same", name=self._name("separable"))(x)

    def _grouped(self, x: Any, groups: int, times: int) -> Any:
        x = layers.Conv2D(groups * times, 1, name=self._name("before_groups"))(x)
        return layers.Conv2D(2 * groups, 1, groups=groups, name=self._name("grouped"))(x)

    def _transpose(self, x: Any, width: int) -> Any:
        if x.shape[1] > 8:
            return x
        return layers.Conv2DTranspose(width, 2, 2, name=self._name("transpose"))(x)

    def _norm(self, x: Any) -> Any:
        return layers.BatchNormalization(name=self._name("norm"))(x)

    def _layer_norm(self, x: Any) -> Any:
        return layers.LayerNormalization(name=self._name("layer_norm"))(x)

    def _dropout(self, x: Any) -> Any:
        return layers.SpatialDropout2D(0.3, name=self._name("dropout"))(x)

    def _pool(self, x: Any) -> Any:
        return layers.MaxPooling2D(name=self._name("pool"))(x) if x.shape[1] > 2 else x

    def _up(self, x: Any) -> Any:
        return layers.UpSampling2D(name=self._name("up"))(x) if x.shape[1] < 9 else x

    def _prelu(self, x: Any) -> Any:
        return layers.PReLU(shared_axes=[1, 2], name=self._name("prelu"))(x)

    def _dense(self, x: Any) -> Any:
        return layers.Dense(5, name=self._name("dense"))(x)

    def _add(self, x: Any) -> Any:
        other = self._of_same_place(x)
        if other.shape[-1] != x.shape[-1]:
            other = layers.Conv2D(x.shape[-1], 1, name=self._name("shortcut"))(other)
        return layers.Add(name=self._name("add"))([x, other])

    def _concatenate(self, x: Any) -> Any:
        joined = layers.Concatenate(name=self._name("concatenate"))([x, self._of_same_place(x)])
        return joined if joined.shape[-1] < 32 else x

    def _multiply(self, x: Any) -> Any:
        return x * keras.ops.sigmoid(x)

    def _gate(self, x: Any) -> Any:
        mean = layers.GlobalAveragePooling2D(keepdims=True, name=self._name("squeeze"))(x)
        gate = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name=self._name("gate"))(mean)
        return layers.Multiply(name=self._name("gated"))([x, gate])

    def _pad(self, x: Any) -> Any:
        padded = layers.ZeroPadding2D(1, name=self._name("pad"))(x)
        return layers.Cropping2D(1, name=self._name("crop"))(padded)

    def _of_same_place(self, x: Any) -> Any:
        return next(one for one in [*self._earlier, x] if one.shape[1:3] == x.shape[1:3])


RANGES = {
    "redundancy_score": (0, 1),
    "correlation_mean": (0, 1),
    "saturation": (0, 1),
    "condition_number": (1, 1e8),
    "effective_rank": (1, 64),
    "rank_99": (1, 64),
    "dead_channels": (0, 64),
}


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(1, 4), st.lists(steps, min_size=1, max_size=7), st.booleans())
def test_a_network_is_read_and_narrowed_and_trains_as_ever(
    channels: int, drawn: list[tuple[Any, ...]], flat: bool
) -> None:
    keras.backend.clear_session()
    random = np.random.default_rng(0)
    x = random.standard_normal((SAMPLES, 8, 8, channels)).astype(np.float32)
    y = random.standard_normal((SAMPLES, 2)).astype(np.float32)
    states = []
    for watched in (True, False):
        model = Network(channels, drawn, flat).model
        monitor = Monitor(model, x, samples=SAMPLES, width_evidence=False)
        for step in range(2):
            model.train_on_batch(x, y)
            reading = monitor.read(step) if watched else None
        states.append([np.array(v) for v in (*model.variables, *model.optimizer.variables)])
        if watched:
            assert reading is not None
            for layer in reading.layers:
                for name, (low, high) in RANGES.items():
                    value = reading[layer.name][name]
                    assert np.isnan(value) or low - 1e-6 <= value <= high * (1 + 1e-6), (
                        name,
                        value,
                    )
    for one, other in zip(*states, strict=True):
        np.testing.assert_array_equal(one, other)
    try:
        plan = nasmon.plan_widths(model, x, params=0.9, samples=SAMPLES)
    except UsageError as error:
        if "cannot be met" not in str(error):
            raise
        plan = nasmon.plan_widths(model, x, samples=SAMPLES)
    small = nasmon.narrow(model, plan, x, samples=SAMPLES)
    assert small.count_params() == plan.after.params
    assert np.isfinite(small.predict(x, verbose=0)).all()

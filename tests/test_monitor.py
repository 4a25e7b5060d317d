"""Monitor: planted truth through the whole of it, and nothing compiled twice."""

import gc
import time
import warnings
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

from nasmon import Monitor
from nasmon.kernels.compiled import CompiledKernels, Measured, forget_kernels
from nasmon.kernels.metric_table import METRIC_NAMES
from tests.networks import Subclassed, functional, images, nested
from tests.oracle import assert_metrics

SAMPLES = 256


def fixed(kernel: np.ndarray, name: str) -> layers.Layer:
    """A 1x1 convolution with this kernel [inputs, channels] and bias 0.5."""
    return layers.Conv2D(
        kernel.shape[1],
        1,
        name=name,
        kernel_initializer=lambda shape, dtype=None: tf.reshape(tf.constant(kernel, dtype), shape),
        bias_initializer=keras.initializers.Constant(0.5),
    )


def planted() -> tuple[keras.Model, np.ndarray]:
    """16 independent input channels, and layers whose spectrum follows from their kernels."""
    rng = np.random.default_rng(0)
    inputs = keras.Input((4, 4, 16))
    kernels = {
        "independent": np.eye(16),
        "rank8": rng.normal(size=(16, 8)) @ rng.normal(size=(8, 16)),
        "identical": np.repeat(rng.normal(size=(16, 1)), 16, axis=1),
        "three_dead": np.eye(16) * np.r_[np.ones(13), np.zeros(3)],
    }
    outputs = [fixed(kernel, name)(inputs) for name, kernel in kernels.items()]
    x = rng.normal(size=(SAMPLES, 4, 4, 16)).astype(np.float32)
    return keras.Model(inputs, outputs), x


@pytest.fixture(scope="module")
def planted_reading() -> Any:
    model, x = planted()
    reading = Monitor(model, x, samples=SAMPLES, chunk=64).read(step=0)
    rows = {
        layer.name: np.asarray(output).reshape(-1, 16)
        for layer, output in zip(model.layers[1:], model(x), strict=True)
    }
    return reading, rows


def test_planted_truth(planted_reading: Any) -> None:
    reading, _ = planted_reading
    eight = reading["rank8"]
    assert eight["rank_99"] <= 8
    assert eight["effective_rank"] < 8
    assert eight["condition_number"] == pytest.approx(1e8)
    one = reading["identical"]
    for name in ("redundancy_score", "correlation_mean", "effective_rank", "rank_99"):
        assert one[name] == pytest.approx(1, abs=1e-5)
    assert reading["independent"]["redundancy_score"] == pytest.approx(1 / 16, rel=0.2)
    assert reading["independent"]["rank_99"] == 16
    assert reading["three_dead"]["dead_channels"] == 3
    assert reading.samples == SAMPLES


def test_every_metric_of_every_layer_is_float64_numpys(planted_reading: Any) -> None:
    reading, rows = planted_reading
    assert {info.name for info in reading.layers} == set(rows)
    for name, activations in rows.items():
        assert_metrics(reading[name], activations)
        assert reading[name]["rows"] == SAMPLES * 16


@pytest.mark.parametrize("build", [functional, nested, Subclassed])
def test_metrics_of_real_layers_are_float64_numpys(build: Any) -> None:
    model, x = build(), images(32)[0]
    model(x)
    reading = Monitor(model, x, layers=["*", "output"], samples=32, chunk=8).read(0)
    output = np.asarray(model(x, training=False))
    assert_metrics(reading["output"], output.reshape(-1, output.shape[-1]))
    assert_metrics(reading["head"], output.reshape(-1, output.shape[-1]))
    if build is functional:
        for info in reading.layers[:-1]:
            part = keras.Model(model.inputs[0], model.get_layer(info.name).output)
            rows = np.asarray(part(x)).reshape(-1, info.channels)
            assert_metrics(reading[info.name], rows, "trace redundancy_score rank_99 dead_channels")


def test_the_second_reading_traces_and_compiles_nothing() -> None:
    model, x = functional(), images(32)[0]
    model.compile("adam", "mse")
    forget_kernels()
    begun = time.perf_counter()
    monitor = Monitor(model, x)
    first = monitor.read(0).probe_seconds
    traced = monitor.trace_count()
    model.fit(x, x[..., :1], epochs=1, verbose=0)
    later = [monitor.read(step, samples=step).probe_seconds for step in (1, 16, 32)]
    assert monitor.trace_count() == traced
    assert 0 < monitor.setup_seconds < time.perf_counter() - begun
    # compiling anything would take a third of a second and more
    assert max(first, *later) < 0.3


def test_a_reading_takes_as_many_samples_as_it_is_told() -> None:
    monitor = Monitor(functional(), images(50)[0], samples=48)
    assert monitor.samples == 48
    assert monitor.read(0).samples == 48
    assert monitor.read(1, samples=17).samples == 32
    assert monitor.read(2, samples=1)["head"]["rows"] == 16 * 12 * 16
    with pytest.raises(ValueError, match="samples is 0"):
        monitor.read(3, samples=0)


@pytest.mark.parametrize(("available", "samples"), [(200, 80), (60, 60)])
def test_few_samples_are_those_the_samples_that_the_layers_with_few_positions_need(
    available: int, samples: int
) -> None:
    inputs = keras.Input((6,))
    model = keras.Model(inputs, layers.Dense(8)(inputs))
    x = np.random.default_rng(0).random((available, 6), np.float32)
    monitor = Monitor(model, x, samples=200, chunk=20, few_samples=True)
    assert monitor.samples == monitor.read(0).samples == samples
    # 12 x 16 positions would give each of 16 channels ten rows, but one image is not the data
    assert Monitor(functional(), images(32)[0], few_samples=True).samples == 8


def test_no_more_rows_than_asked_for_and_metrics_that_hardly_change() -> None:
    model, x = functional(), images(64)[0]
    whole = Monitor(model, x, samples=64).read(0)
    some = Monitor(model, x, samples=64, max_rows=2000).read(0)
    for info in whole.layers:
        assert whole[info.name]["rows"] == 64 * 12 * 16
        assert 1000 < some[info.name]["rows"] <= 2000
    assert some.aggregates["redundancy_score"] == pytest.approx(
        whole.aggregates["redundancy_score"], rel=0.05
    )
    with pytest.raises(ValueError, match="max_rows is 0"):
        Monitor(model, x, max_rows=0)


def test_the_calls_and_chunks_of_a_reading_share_the_rows() -> None:
    inputs = keras.Input((12, 16, 3))
    shared = keras.layers.Conv2D(24, 1, name="shared")
    twice = keras.layers.Add()([shared(inputs), shared(-inputs)])
    model = keras.Model(inputs, twice)
    x = images(64)[0]
    for most in (2000, 1):
        reading = Monitor(model, x, samples=64, chunk=4, max_rows=most).read(0)
        # ten a channel are 240
        assert 240 <= reading["shared"]["rows"] <= max(most, 2 * 240)


def test_a_hand_written_loop_writes_files_and_keeps_two_spectra(tmp_path: Path) -> None:
    model, (x, y) = functional(), images(32)
    monitor = Monitor(model, (x, y), log_dir=tmp_path, csv_path=tmp_path / "run.csv")
    optimizer = keras.optimizers.SGD(0.1)
    for step in range(4):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        monitor.read(step + 1, epoch=0)
    assert pd.read_csv(tmp_path / "run.csv")["step"].tolist() == [1, 2, 3, 4]
    assert list(tmp_path.glob("events.out.tfevents.*"))
    assert [r.spectra is not None for r in monitor.readings] == [True, False, False, True]
    assert len(monitor.to_frame()) == 4 * len(monitor.layers)
    assert "head" in monitor.summary()


def test_two_readings_worth_of_correlations_are_alive_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[set[int]] = []
    living: list[tuple[int, weakref.ref[Any]]] = []

    def noted(things: tuple[Any, ...]) -> None:
        living.extend((number, weakref.ref(thing)) for thing in things)

    def launch_measure(self: CompiledKernels, states: Any) -> Measured:
        # before it puts out anything
        alive.append({of for of, thing in living if thing() is not None} | {number})
        measured = launch(self, states)
        noted(measured.correlations)
        return measured

    def matrices(self: CompiledKernels, correlations: Any) -> tuple[np.ndarray, ...]:
        found = fetch(self, correlations)
        noted(found)
        return found

    model, x = functional(), images(32)[0]
    csv_path = tmp_path / "run.csv"
    monitor = Monitor(model, x, log_dir=tmp_path, csv_path=csv_path, overhead_budget=None)
    launch, fetch = CompiledKernels.launch_measure, CompiledKernels.matrices
    monkeypatch.setattr(CompiledKernels, "launch_measure", launch_measure)
    monkeypatch.setattr(CompiledKernels, "matrices", matrices)
    # beside TensorBoard, which looks at all of them, and the file of spectra, which holds some
    for number in range(5):
        assert monitor.launch(number)
        if number > 1:
            # the latest makes room for the one in flight
            assert monitor.readings[-1].correlations is None
        assert monitor.collect() is not None
    gc.collect()
    assert alive == [{0}, {0, 1}, {0, 2}, {0, 3}, {0, 4}]
    assert {of for of, thing in living if thing() is not None} == {0, 4}
    assert [r.correlations is not None for r in monitor.readings] == [True, *[False] * 3, True]


def test_nan_layers_warn_once_and_leave_the_others(recwarn: pytest.WarningsRecorder) -> None:
    model, x = functional(), images(32)[0]
    monitor = Monitor(model, x)
    head = model.get_layer("head")
    head.set_weights([np.full_like(w, np.nan) for w in head.get_weights()])
    with pytest.warns(RuntimeWarning, match="the activations of head are not finite"):
        reading = monitor.read(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor.read(4)
    assert np.isnan(reading["head"]["trace"])
    assert reading["pointwise1"]["trace"] > 0
    assert np.isfinite(reading.aggregates["trace"])


def test_mixed_precision_activations_are_measured() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = functional()
    finally:
        keras.config.set_dtype_policy("float32")
    x = images(32)[0]
    reading = Monitor(model, x, layers="pointwise1", chunk=32).read(0)
    part = keras.Model(model.inputs[0], model.get_layer("pointwise1").output)
    rows = np.asarray(part(x)).astype(np.float32).reshape(-1, 16)
    assert reading["pointwise1"]["trace"] == pytest.approx(np.cov(rows.T).trace(), rel=0.02)


def test_several_inputs_by_name() -> None:
    a, b = keras.Input((5,), name="a"), keras.Input((3,), name="b")
    model = keras.Model(
        {"a": a, "b": b}, layers.Dense(4, name="dense")(layers.Concatenate()([a, b]))
    )
    rng = np.random.default_rng(1)
    x = {"a": rng.random((40, 5), np.float32), "b": rng.random((40, 3), np.float32)}
    reading = Monitor(model, x, samples=40, chunk=10).read(0)
    assert_metrics(reading["dense"], np.asarray(model(x)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": "nope"}, "layers has 'nope'"),
        ({"samples": 0}, "samples is 0"),
        ({"thresholds": {"high": 1}}, "thresholds has 'high', which is none of: high_redundancy"),
        ({"if_exists": "maybe"}, "if_exists is 'maybe'; use one of error, append, overwrite"),
    ],
)
def test_wrong_arguments_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Monitor(functional(), images(8)[0], **settings)


def test_a_model_that_changes_itself_is_refused() -> None:
    class Counting(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense, self.count = layers.Dense(2), tf.Variable(0.0)

        def call(self, x: Any) -> Any:
            self.count.assign_add(1.0)
            return self.dense(x)

    model = Counting()
    model(tf.ones([1, 3]))
    with pytest.raises(ValueError, match="changes a variable even with training=False"):
        Monitor(model, np.ones((4, 3), np.float32))
    assert float(model.count) == 1


def test_readings_hold_all_metrics_in_the_tables_order() -> None:
    reading = Monitor(functional(), images(16)[0]).read(0)
    assert reading.metrics.shape == (5, len(METRIC_NAMES))
    assert reading.metrics.dtype == np.float64

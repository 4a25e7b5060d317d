"""MLPerf Tiny's reference networks, at a quarter of their parameters; and exported."""

import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import nasmon
from bench.tiny_networks import autoencoder, ds_cnn, mobilenet, resnet8
from nasmon.narrowing.traced import follow_model

NETWORKS = [ds_cnn, resnet8, mobilenet, autoencoder]


def images(model: keras.Model, count: int = 64) -> np.ndarray:
    shape = (count, *model.input_shape[1:])
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.mark.parametrize("make", NETWORKS)
def test_a_quarter_of_a_reference_network(make: Callable[[], keras.Model]) -> None:
    model = make()
    x = images(model)
    result = nasmon.shrink(model, x, params=0.25, verbose=False)
    assert {group.reason for group in result.plan.groups} <= {"", "the model's output"}
    small = result.model
    assert small.count_params() == result.plan.after.params
    assert 0.24 < small.count_params() / model.count_params() <= 0.25
    assert follow_model(small).macs == result.plan.after.macs
    assert [layer.name for layer in small.layers] == [layer.name for layer in model.layers]
    small.compile("sgd", "mse", jit_compile=False)
    assert np.isfinite(small.train_on_batch(x[:4], np.zeros((4, *small.output_shape[1:]))))


def test_the_smaller_network_is_exported_as_any_other(tmp_path: Path) -> None:
    model = ds_cnn()
    small = nasmon.shrink(model, images(model), params=0.25, verbose=False).model
    x = images(model, 1)
    expected = np.asarray(small(x))
    small.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.serve(x), expected, rtol=1e-4, atol=1e-5)
    if not hasattr(keras.export, "export_litert") and keras.__version__ < "3.13":
        pytest.skip("this Keras exports no LiteRT")
    with warnings.catch_warnings():
        # TensorFlow's own words on its interpreter, which moves to another package
        warnings.simplefilter("ignore")
        small.export(tmp_path / "small.tflite", format="litert", verbose=False)
        model.export(tmp_path / "large.tflite", format="litert", verbose=False)
        interpreter = tf.lite.Interpreter(str(tmp_path / "small.tflite"))
    sizes = [(tmp_path / f"{name}.tflite").stat().st_size for name in ("small", "large")]
    assert sizes[0] < 0.5 * sizes[1]
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)

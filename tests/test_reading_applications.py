"""Networks that people use: every layer read, and nothing changed by it."""

import keras
import numpy as np
import pytest

from bench.trainings import application, with_kernels
from nasmon import Monitor
from tests.oracle import assert_metrics, metrics_of

READ = ("MobileNetV3Small",)
"""The others are read in ``bench/test_applications.py``."""

LARGEST_CONDITION = 2e5
"""Up to here the least eigenvalue is larger than what float32's products leave open."""


@pytest.mark.parametrize("name", READ)
def test_every_layer_of_a_network_is_read(name: str) -> None:
    read_and_trained(name)


def read_and_trained(name: str, samples: int = 32, repeats: bool = True) -> None:
    """Reads a network of ``keras.applications`` between two steps of its training.

    Every layer with a kernel is among those read, all metrics of each are those of its activations
    in float64, and the weights after it are those without the monitor.

    Args:
        name: of the network.
        samples: to read with.
        repeats: whether its training repeats itself bit for bit on a CPU, unwatched; where it does
            not, weights tell nothing.
    """
    states = []
    for watched in (False, True) if repeats else (True,):
        keras.utils.set_random_seed(0)
        model, data, x = application(name)
        data, x = data.take(1), x[:samples]
        model.fit(data, shuffle=False, verbose=0)
        if watched:
            with Monitor(model, x, samples=samples, max_rows=10**6, verbose=0) as monitor:
                reading = monitor.read(0)
            assert reading is not None
            layers = with_kernels(model)
            assert [layer.name for layer in reading.layers] == [*layers]
            outputs = [output_in(model, path, layer) for path, layer in layers.items()]
            found = keras.Model(model.inputs, outputs).predict(x, verbose=0)
            for path, output in zip(layers, found, strict=True):
                assert_as_float64(reading[path], output.reshape(-1, output.shape[-1]))
        model.fit(data, shuffle=False, verbose=0)
        states.append([np.array(v) for v in (*model.variables, *model.optimizer.variables)])
    for plain, other in zip(*states, strict=True) if repeats else ():
        np.testing.assert_array_equal(plain, other)


def assert_as_float64(measured: dict[str, float], rows: np.ndarray) -> None:
    """All metrics; of a condition number beyond float32's products, that it is large."""
    expected = metrics_of(rows)
    beyond = {"condition_number"} if expected["condition_number"] > LARGEST_CONDITION else set()
    assert_metrics(measured, rows, " ".join(name for name in expected if name not in beyond))
    for name in beyond:
        assert measured[name] > LARGEST_CONDITION / 2


def output_in(model: keras.Model, path: str, layer: keras.Layer) -> keras.KerasTensor:
    """What a layer puts out in a model's graph; it may be one of a model that is a layer there."""
    *outer, _ = path.split("/")
    if not outer:
        return layer.output
    (name,) = outer
    nested = model.get_layer(name)
    return keras.Model(nested.inputs, layer.output)(nested._inbound_nodes[-1].input_tensors)

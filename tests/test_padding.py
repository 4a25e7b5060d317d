"""Masks, states and losses, through the whole of a monitor: only rows of data count."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from nasmon import Monitor
from nasmon.probe import Probe
from tests.oracle import assert_metrics

STEPS = 12
LENGTHS = (12, 7, 1, 5, 12, 3, 9, 7, 10, 2, 8, 12, 6, 4, 12, 2)
"""Of 192 steps 112 are valid, not all of a sequence's in front of the padding."""


def sequences(lengths: tuple[int, ...] = LENGTHS) -> np.ndarray:
    """Words [samples, 12] int32, 0 for padding; of every second sample in front."""
    rng = np.random.default_rng(0)
    words = rng.integers(1, 20, (len(lengths), STEPS)).astype(np.int32)
    for index, length in enumerate(lengths):
        padding = slice(length, None) if index % 2 else slice(0, STEPS - length)
        words[index, padding] = 0
    return words


def recurrent(width: int = 6, mask: bool = True) -> keras.Model:
    # by chance weights may be so ill-conditioned that no tolerance fits
    keras.utils.set_random_seed(0)
    inputs = keras.Input((STEPS,), dtype="int32")
    x = layers.Embedding(20, 8, mask_zero=mask, name="embedding")(inputs)
    x = layers.LSTM(width, return_sequences=True, name="lstm")(x)
    return keras.Model(inputs, layers.Dense(width, name="dense")(x))


def output_of(model: keras.Model, name: str, x: np.ndarray) -> np.ndarray:
    return np.asarray(keras.Model(model.inputs[0], model.get_layer(name).output)(x))


@pytest.mark.parametrize(
    ("chunk", "eager"), [(16, False), (8, False), (4, False), (1, False), (16, True), (8, True)]
)
def test_only_valid_steps_are_measured(chunk: int, eager: bool) -> None:
    model, words = recurrent(), sequences()
    if eager:
        model.compile("adam", "mse", run_eagerly=True)
    monitor = Monitor(model, words, layers="*", samples=16, chunk=chunk)
    reading = monitor.read(0)
    assert np.count_nonzero(words) == 112
    for name in ("embedding", "lstm", "dense"):
        rows = output_of(model, name, words)[words != 0]
        assert reading[name]["rows"] == 112
        assert_metrics(reading[name], rows)
    traced = monitor.trace_count()
    monitor.read(1)
    assert monitor.trace_count() == traced


@pytest.mark.parametrize("width", [40, 130, 220])
def test_of_wide_layers_too(width: int) -> None:
    # wider than 128 by TensorFlow's own kernel; with fewer than 192 rows than channels by rows
    model, words = recurrent(width), sequences()
    reading = Monitor(model, words, samples=16, chunk=4).read(0)
    assert_metrics(reading["dense"], output_of(model, "dense", words)[words != 0])


def test_a_mask_of_all_steps_is_as_none() -> None:
    words = sequences((STEPS,) * 16)
    model, unmasked = recurrent(), recurrent(mask=False)
    unmasked.set_weights(model.get_weights())
    for most in (16_384, 100):
        one, other = (
            Monitor(m, words, samples=16, chunk=4, max_rows=most).read(0) for m in (model, unmasked)
        )
        # summed up in another order, which the condition number shows most
        rtol = 16 * float(np.finfo(np.float32).eps) * other["dense"]["condition_number"]
        np.testing.assert_allclose(one.metrics, other.metrics, rtol=rtol, atol=1e-6)
        assert one["dense"]["rows"] == other["dense"]["rows"]


def test_padding_alone_has_no_rows_and_no_metrics() -> None:
    monitor = Monitor(recurrent(), sequences((0,) * 16), samples=16, chunk=4)
    with pytest.warns(RuntimeWarning, match="are not finite or are too few"):
        reading = monitor.read(0)
    assert reading["dense"]["rows"] == 0
    assert np.isnan([v for k, v in reading["dense"].items() if k != "rows"]).all()


class Spoiling(layers.Layer):
    """Adds an offset, and puts out NaN wherever the input is padding."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, x: Any, mask: Any = None) -> Any:
        return tf.where(mask[..., None], x + 1e4, np.nan)


def test_neither_nan_in_padding_nor_an_offset_does_harm() -> None:
    inputs = keras.Input((STEPS, 5))
    masked = layers.Masking(name="masking")(inputs)
    model = keras.Model(inputs, Spoiling(name="spoiling")(masked))
    words = sequences()
    x = np.random.default_rng(1).normal(size=(16, STEPS, 5)).astype(np.float32)
    x[words == 0] = 0
    reading = Monitor(model, x, layers="spoiling", samples=16, chunk=4).read(0)
    rows = (x + np.float32(1e4))[words != 0]
    # 1e4 leaves rows as they are, rounded; the work on them is judged
    assert_metrics(reading["spoiling"], rows)


def test_of_long_sequences_as_many_valid_steps_are_taken_as_asked_for() -> None:
    inputs = keras.Input((400, 3))
    model = keras.Model(inputs, layers.Dense(4, name="dense")(layers.Masking()(inputs)))
    x = np.random.default_rng(1).normal(size=(16, 400, 3)).astype(np.float32)
    x[:, 100:] = 0
    for most in (16_384, 1000):
        reading = Monitor(model, x, samples=16, chunk=4, max_rows=most).read(0)
        exact = np.asarray(model(x))[:, :100].reshape(-1, 4)
        rows = reading["dense"]["rows"]
        assert (rows == 1600) if most > 1600 else (0.9 * most < rows <= most)
        trace = np.trace(np.cov(exact, rowvar=False))
        assert reading["dense"]["trace"] == pytest.approx(trace, rel=1e-5 if rows == 1600 else 0.1)


def probe(model: keras.Model, x: np.ndarray, **settings: Any) -> Probe:
    defaults = {"layers": "auto", "samples": 16, "chunk": 2, "max_rows": 10_000}
    return Probe(model, x, **{"few_samples": False, **defaults, **settings})


def test_rows_that_enter_a_reading_and_chunks_that_suffice_are_told_without_padding() -> None:
    words = sequences()
    found = probe(recurrent(), words)
    valid = np.count_nonzero(words.reshape(8, -1), axis=1)
    # the recurrent layer and the dense one behind it
    assert found.rows == [112, 112]
    # ten rows for each of 6 channels, and 8 samples
    assert found.fewest_chunks == max(4, 1 + int((valid.cumsum() < 60).sum()))
    assert probe(recurrent(mask=False), words).rows == [192, 192]


@pytest.mark.parametrize("eager", [False, True])
def test_few_samples_are_enough_of_valid_steps(eager: bool) -> None:
    words = np.tile(sequences(), (8, 1))
    model = recurrent(16)
    model.compile("adam", "mse", run_eagerly=eager)
    found = probe(model, words, samples=128, chunk=16, few_samples=True)
    # 160 rows at 7 a sample, in equal chunks; 14 samples if padding counted
    assert found.samples == 22
    assert found.rows == [np.count_nonzero(words[:22])] * 2


@pytest.mark.parametrize("kind", [layers.LSTM, layers.GRU])
def test_of_a_layer_that_returns_its_states_the_sequence_is_measured(kind: Any) -> None:
    inputs = keras.Input((STEPS,), dtype="int32")
    embedded = layers.Embedding(20, 8, mask_zero=True)(inputs)
    layer = kind(5, return_sequences=True, return_state=True, name="recurrent")
    sequence, *states = layer(embedded)
    model = keras.Model(inputs, [sequence, *states])
    words = sequences()
    reading = Monitor(model, words, layers="recurrent", samples=16, chunk=4).read(0)
    rows = np.asarray(model(words)[0])[words != 0]
    assert reading["recurrent"]["rows"] == 112
    assert_metrics(reading["recurrent"], rows)


class LossBeside(keras.Model):
    """Puts out a dictionary with its loss, a number and None beside what it predicts."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3, name="dense")

    def call(self, x: Any) -> Any:
        y = self.dense(x)
        return {"attention": None, "loss": keras.ops.mean(y), "number": 2, "y": y}


@pytest.mark.parametrize("eager", [False, True])
def test_a_models_outputs_that_are_no_activations_do_no_harm(eager: bool) -> None:
    model = LossBeside()
    x = np.random.default_rng(0).random((16, 4), np.float32)
    expected = np.asarray(model(x)["y"])
    model.compile("adam", "mse", run_eagerly=eager)
    monitor = Monitor(model, x, layers=["dense", "output"], samples=16, chunk=4)
    reading = monitor.read(0)
    assert [info.name for info in monitor.layers] == ["dense", "output_1"]
    for name in ("dense", "output_1"):
        assert_metrics(reading[name], expected)


def test_a_transformers_layers_are_measured_without_padding() -> None:
    inputs = keras.Input((STEPS,), dtype="int32")
    embedded = layers.Embedding(20, 8, mask_zero=True)(inputs)
    # attention takes the mask off what it is given, once it has it
    asked = layers.Dense(6, name="asked")(embedded)
    attended = layers.MultiHeadAttention(2, 4, name="attention")(asked, asked)
    model = keras.Model(inputs, layers.Dense(5, name="after")(attended))
    words = sequences()
    reading = Monitor(model, words, layers=["asked", "after"], samples=16, chunk=4).read(0)
    for name in ("asked", "after"):
        assert_metrics(reading[name], output_of(model, name, words)[words != 0])

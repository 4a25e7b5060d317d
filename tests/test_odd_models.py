"""Models of every kind that users build: what is read of them, and what is said of the rest."""

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

from nasmon import Monitor, NASMonitorCallback, list_layers
from nasmon.record.files import record_path
from nasmon.record.run import read_record
from tests.networks import unlimited
from tests.oracle import assert_metrics

rng = np.random.default_rng(0)
X, Y = rng.random((32, 5), np.float32), rng.random((32, 4), np.float32)
STEPS = rng.random((32, 7, 5), np.float32)


def sequential(*parts: Any) -> keras.Model:
    model = keras.Sequential([*parts])
    model.compile("adam", "mse")
    return model


class Scale(layers.Layer):
    """A user's own layer."""

    def build(self, shape: Any) -> None:
        self.matrix = self.add_weight(shape=(shape[-1], 4), name="matrix")

    def call(self, x: Any) -> Any:
        return x @ self.matrix


def attention() -> keras.Model:
    inputs = keras.Input((7, 5))
    x = layers.MultiHeadAttention(2, 3, name="attention")(inputs, inputs)
    model = keras.Model(inputs, layers.EinsumDense("abc,cd->abd", (None, 4), name="einsum")(x))
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (sequential(keras.Input((7, 5)), layers.LSTM(4, name="lstm")), {"lstm": 4}),
        (
            sequential(
                keras.Input((7, 5)),
                layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both"),
                layers.SimpleRNN(4, name="simple"),
            ),
            {"both": 6, "simple": 4},
        ),
        (sequential(keras.Input((7, 5)), Scale(name="scale")), {"scale": 4}),
        (
            sequential(keras.Input((7, 5)), layers.TimeDistributed(layers.Dense(4), name="each")),
            {"each": 4},
        ),
        (attention(), {"attention": 5, "einsum": 4}),
        (
            sequential(
                keras.Input((3, 6, 6, 2)), layers.ConvLSTM2D(4, 3, name="maps"), layers.Flatten()
            ),
            {"maps": 4},
        ),
        (
            sequential(
                keras.Input((7,), dtype="int32"),
                layers.Embedding(9, 6),
                layers.LayerNormalization(),
                layers.LSTM(4, name="lstm"),
            ),
            {"lstm": 4},
        ),
    ],
    ids=["LSTM", "bidirectional", "own", "distributed", "attention", "ConvLSTM", "embedding"],
)
def test_what_owns_a_width_is_read_by_default(model: keras.Model, expected: dict[str, int]) -> None:
    x = rng.integers(0, 5, (16, *model.input_shape[1:])).astype(np.float32)
    reading = Monitor(model, x).read(1)
    assert {info.name: info.channels for info in reading.layers} == expected
    assert [info.name for info in list_layers(model)] == list(expected)
    for name in expected:
        layer = model.get_layer(name)
        tapped = keras.Model(model.inputs[0], layer.output)
        assert_metrics(reading[name], np.asarray(tapped(x)).reshape(-1, expected[name]))


def test_an_embedding_is_read_where_it_is_asked_for() -> None:
    model = sequential(keras.Input((7,), dtype="int32"), layers.Embedding(9, 6, name="words"))
    x = rng.integers(0, 9, (16, 7))
    assert_metrics(
        Monitor(model, x, layers="words").read(1)["words"], np.asarray(model(x)).reshape(-1, 6)
    )


class OneWeight(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.matrix = self.add_weight(shape=(5, 4), name="matrix")

    def call(self, x: Any) -> Any:
        return x @ self.matrix


@pytest.mark.parametrize(
    "model", [OneWeight(), sequential(keras.Input((5,)), layers.LayerNormalization())]
)
def test_where_nothing_owns_a_width_the_output_is_read(model: keras.Model) -> None:
    model.compile("adam", "mse")
    callback = unlimited(log_dir=None, on_error="raise")
    y = np.zeros((32, *model(X).shape[1:]), np.float32)
    with pytest.warns(RuntimeWarning, match="no layer owns a width .*: the model's output is read"):
        model.fit(X, y, validation_data=(X, y), verbose=0, callbacks=[callback])
    (info,) = callback.readings[-1].layers
    assert (info.name, info.kind, info.channels) == ("output", "Output", y.shape[1])


class Gan(keras.Model):
    """Two models and a step of training; nothing calls it as a whole."""

    def __init__(self) -> None:
        super().__init__(name="gan")
        self.generator = keras.Sequential(
            [keras.Input((3,)), layers.Dense(8, name="hidden"), layers.Dense(5, name="made")]
        )
        self.discriminator = keras.Sequential([keras.Input((5,)), layers.Dense(1, name="judge")])

    def train_step(self, data: Any) -> dict[str, Any]:
        noise = tf.random.normal((tf.shape(data)[0], 3))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.discriminator(self.generator(noise)))
        weights = self.generator.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss}


def gan() -> Gan:
    model = Gan()
    model.compile("adam")
    return model


def test_a_part_of_a_model_is_watched(tmp_path: Path) -> None:
    model, noise = gan(), rng.random((32, 3), np.float32)
    callback = unlimited(noise, model=model.generator, log_dir=tmp_path, on_error="raise")
    model.fit(X, epochs=2, verbose=0, callbacks=[callback])
    assert [reading.step for reading in callback.readings] == [1, 2]
    assert [info.name for info in callback.readings[-1].layers] == ["hidden", "made"]
    assert_metrics(callback.readings[-1]["made"], np.asarray(model.generator(noise)))
    assert callback.csv_path == tmp_path / f"{model.generator.name}_nas_metrics.csv"
    # another training of the same part goes on with it
    model.fit(X, epochs=1, verbose=0, callbacks=[callback])
    assert len(callback.readings) == 3


def test_a_model_that_is_never_called_names_its_parts() -> None:
    callback = unlimited(rng.random((32, 3), np.float32), log_dir=None)
    message = r"no weights yet.*model=\.\.\.generator \(generator, discriminator\)"
    with pytest.warns(RuntimeWarning, match=message):
        gan().fit(X, verbose=0, callbacks=[callback])


class Within(keras.Model):
    """Calls one layer plainly, and one in a way that keeps its activations out of reach."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.plain, self.inner = layers.Dense(4, name="plain"), layers.Dense(4, name="inner")

    def call(self, x: Any) -> Any:
        y = self.plain(x)
        if self.how == "cond":
            return tf.cond(tf.reduce_sum(y) > 0, lambda: self.inner(y), lambda: y)
        if self.how == "while_loop":
            if not self.inner.built:
                self.inner.build(y.shape)
            body = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, self.inner(y)), (0, y))
            return body[1]
        if self.how == "map_fn":
            return tf.map_fn(lambda row: self.inner(row[None])[0], y)
        return tf.vectorized_map(lambda row: self.inner(row[None])[0], y)


@pytest.mark.parametrize("how", ["cond", "while_loop", "map_fn", "vectorized_map"])
def test_what_is_called_in_a_loop_or_a_condition_is_named_and_passed_over(how: str) -> None:
    """In ``tf.vectorized_map`` it read two rows, one a chunk."""
    model = Within(how)
    model(X)
    model.compile("adam", "mse")
    callback = unlimited((X, Y), log_dir=None, on_error="raise")
    message = r"are passed over: inner \(it is not called .*, or only inside a loop or a condition"
    with pytest.warns(RuntimeWarning, match=message) as caught:
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    assert len(caught) == 1
    assert [info.name for info in callback.readings[-1].layers] == ["plain"]
    assert callback.readings[-1]["plain"]["rows"] == 32


class Sampling(keras.Model):
    """The middle of a variational autoencoder."""

    def __init__(self, seed: Any = None, old: bool = False, width: int = 4) -> None:
        super().__init__()
        self.seed, self.old = seed, old
        self.before = layers.Dense(width, name="before")
        self.behind = layers.Dense(width, name="behind")

    def build(self, shape: Any) -> None:
        self.before.build(shape)
        self.behind.build((None, self.before.units))

    def call(self, x: Any) -> Any:
        y = self.before(x)
        if self.old:
            return self.behind(y + tf.random.normal(tf.shape(y)))
        return self.behind(y + keras.random.normal(keras.ops.shape(y), seed=self.seed))


@pytest.mark.parametrize("seeded", [True, False])
def test_random_layers_draw_the_same_noise_at_each_reading(seeded: bool) -> None:
    """The trace behind one read 5.31, 5.63, 4.19 while nothing was learnt."""
    model = Sampling(keras.random.SeedGenerator(1) if seeded else None)
    model(X)
    monitor = Monitor(model, X, chunk=8)
    first, second = monitor.read(1), monitor.read(2)
    np.testing.assert_array_equal(first.metrics, second.metrics)
    # each chunk has noise of its own: the same for all would have eight different rows
    same = np.zeros((32, 5), np.float32)
    wide = Sampling(keras.random.SeedGenerator(1) if seeded else None, width=24)
    wide(X)
    assert Monitor(wide, same, chunk=8).read(1)["behind"]["rank_99"] > 8


def test_noise_of_the_probe_does_not_touch_that_of_the_training() -> None:
    def trained(*callbacks: Any) -> list[np.ndarray]:
        keras.utils.set_random_seed(3)
        model = Sampling(keras.random.SeedGenerator(1))
        model.compile("sgd", "mse")
        model.fit(X, Y, validation_data=(X, Y), epochs=3, verbose=0, callbacks=list(callbacks))
        return [*model.get_weights(), keras.random.normal((4,)), np.array(np.random.rand())]

    for bare, watched in zip(trained(), trained(unlimited(log_dir=None)), strict=True):
        np.testing.assert_array_equal(bare, watched)


def test_old_random_operations_are_told_of() -> None:
    model = Sampling(old=True)
    model(X)
    with pytest.warns(RuntimeWarning, match=r"random numbers with tf\.random \(.*keras\.rand"):
        Monitor(model, X)


def test_accumulated_gradients_count_the_optimizers_steps() -> None:
    model = keras.Sequential([keras.Input((5,)), layers.Dense(4, name="dense")])
    model.compile(keras.optimizers.Adam(gradient_accumulation_steps=2), "mse")
    callback = unlimited((X, Y), log_dir=None, on_error="raise")
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[callback])
    assert [reading.step for reading in callback.readings] == [2, 4]


def test_what_only_serves_advice_costs_no_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **named: Any) -> None:
        raise ZeroDivisionError("no widths today")

    monkeypatch.setattr("nasmon.probe.read_widths", broken)
    model = sequential(keras.Input((5,)), layers.Dense(4, name="dense"))
    with Monitor(model, X, csv_path=tmp_path / "run.csv") as monitor:
        assert monitor.read(1)["dense"]["rows"] == 32
    record = read_record(record_path(tmp_path / "run.csv"))
    assert record.structure is None
    assert record.unknown_structure == "ZeroDivisionError: no widths today"


class Leaving(layers.Layer):
    """Asks the process to end when it is traced once more."""

    leaves = False

    def call(self, x: Any) -> Any:
        if self.leaves:
            raise SystemExit(3)
        return x


def test_a_model_that_asks_to_leave_while_it_is_probed_goes_on_training() -> None:
    leaving = Leaving()
    model = sequential(keras.Input((5,)), layers.Dense(4), leaving)
    model.fit(X, Y, verbose=0)
    leaving.leaves = True
    callback = unlimited((X, Y), log_dir=None)
    with pytest.warns(RuntimeWarning, match="switched off .* SystemExit: 3"):
        history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    assert len(history.history["loss"]) == 2


def test_a_copy_shares_the_data_and_has_watched_nothing(tmp_path: Path) -> None:
    """Tuners copy callbacks for each trial."""
    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
    model = sequential(keras.Input((5,)), layers.Dense(4, name="dense"))
    callback = NASMonitorCallback(
        dataset, log_dir=tmp_path / "logs", log_freq="batch", batch_freq=1
    )
    model.fit(X, Y, verbose=0, callbacks=[callback])
    copied = copy.deepcopy(callback)
    assert copied._validation_data is dataset
    assert (copied.readings, copied.csv_path) == ([], None)
    assert callback.readings
    copied._log_dir = str(tmp_path / "copy")
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[copied])
    assert copied.readings[-1].step == int(model.optimizer.iterations)
    assert copied.monitor is not callback.monitor


def test_a_callback_survives_pickling() -> None:
    model = sequential(keras.Input((5,)), layers.Dense(4, name="dense"))
    callback = unlimited((X, Y), log_dir=None, samples=16, on_error="raise")
    model.fit(X, Y, verbose=0, callbacks=[callback])
    loaded = pickle.loads(pickle.dumps(callback))
    assert loaded.readings == []
    model.fit(X, Y, verbose=0, callbacks=[loaded])
    assert loaded.readings[-1].samples == 16
    assert_metrics(loaded.readings[-1]["dense"], np.asarray(model(X[:16])))


def test_a_csv_that_is_continued_with_more_columns_is_told_of(tmp_path: Path) -> None:
    path = str(tmp_path / "log.csv")
    model = sequential(keras.Input((5,)), layers.Dense(4, name="dense"))
    model.fit(X, Y, verbose=0, callbacks=[keras.callbacks.CSVLogger(path)])
    callback = unlimited((X, Y), log_dir=None)
    logger = keras.callbacks.CSVLogger(path, append=True)
    with pytest.warns(RuntimeWarning, match=r"log\.csv, whose header has no nas_redundancy_score"):
        model.fit(X, Y, verbose=0, callbacks=[callback, logger])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # before ours it sees nothing of it
        logger = keras.callbacks.CSVLogger(path, append=True)
        model.fit(X, Y, verbose=0, callbacks=[logger, unlimited((X, Y), log_dir=None)])
        whole = str(tmp_path / "whole.csv")
        for append in (False, True):
            logger = keras.callbacks.CSVLogger(whole, append=append)
            model.fit(X, Y, verbose=0, callbacks=[unlimited((X, Y), log_dir=None), logger])
    assert pd.read_csv(whole)["nas_trace"].notna().tolist() == [True, True]

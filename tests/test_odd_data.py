"""Validation data of every kind that ``fit`` takes, and what is told of those that cannot serve."""

import re
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers

from nasmon import Monitor, NASMonitorCallback
from nasmon.errors import ProbeDataError
from nasmon.probe_set import probe_set
from tests.networks import unlimited
from tests.oracle import assert_metrics

rng = np.random.default_rng(0)
X, Y = rng.random((32, 5), np.float32), rng.random((32, 4), np.float32)


class Matrix:
    """Stands in for SciPy's sparse matrices: rows can be cut off, and it becomes an array."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape = array, array.shape

    def tocsr(self) -> "Matrix":
        return self

    def __getitem__(self, rows: slice) -> "Matrix":
        return Matrix(self.array[rows])

    def toarray(self) -> np.ndarray:
        return self.array


def dense(**settings: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((5,), **settings), layers.Dense(4, name="dense")])
    model.compile("adam", "mse")
    return model


SPARSE = tf.sparse.from_dense(X)

SAME: dict[str, Any] = {
    "a frame of pandas": pd.DataFrame(X),
    "a matrix of SciPy's": Matrix(X),
    "a sparse tensor": SPARSE,
    "batches of sparse tensors": tf.data.Dataset.from_tensor_slices((SPARSE, Y)).batch(8),
    "with its labels": (pd.DataFrame(X), pd.DataFrame(Y)),
}


@pytest.mark.parametrize("kind", SAME)
def test_data_of_other_libraries_read_as_arrays_do(kind: str) -> None:
    model = dense(sparse="sparse" in kind)
    monitor = Monitor(model, SAME[kind])
    assert monitor.samples == 32
    assert_metrics(monitor.read(1)["dense"], np.asarray(model(X)))


def test_a_series_is_a_column_as_for_fit() -> None:
    model = keras.Sequential([keras.Input((1,)), layers.Dense(4, name="dense")])
    reading = Monitor(model, pd.Series(X[:, 0])).read(1)
    assert_metrics(reading["dense"], np.asarray(model(X[:, :1])))


@pytest.mark.parametrize("dtype", [None, object])
def test_text(dtype: Any) -> None:
    words = layers.TextVectorization(output_mode="multi_hot", max_tokens=6)
    words.adapt(["a b", "c d"])
    inputs = keras.Input((1,), dtype="string")
    # four texts have three directions, and by chance weights may be ill-conditioned
    keras.utils.set_random_seed(0)
    model = keras.Model(inputs, layers.Dense(2, name="dense")(words(inputs)))
    text = np.array([["a b"], ["c"], ["d a"], ["b"]] * 4, dtype)
    assert_metrics(Monitor(model, text).read(1)["dense"], np.asarray(model(tf.constant(text))))


def test_an_input_that_is_left_out_stays_so() -> None:
    class Sum(layers.Layer):
        def call(self, x: Any, y: Any = None) -> Any:
            return x if y is None else x + y

    a, b = keras.Input((5,), name="a"), keras.Input((5,), name="b", optional=True)
    model = keras.Model([a, b], layers.Dense(4, name="dense")(Sum()(a, b)))
    reading = Monitor(model, [X, None], chunk=8).read(1)
    assert_metrics(reading["dense"], np.asarray(model([X, None])))


def broken() -> Iterator[Any]:
    yield X[:8], Y[:8]
    raise OSError("the disk\nis gone")


BAD: dict[str, tuple[Any, str]] = {
    "a number": (5, "is or holds an object of type int; pass validation_data= as arrays, a tuple"),
    "a string": ("abc", "holds str_ in place of arrays; pass validation_data= as arrays"),
    "an object": (object(), "is or holds an object of type object; pass validation_data="),
    "ragged lists": ([[1, 2], [3]], "is or holds an object of type int; pass validation_data="),
    "nothing": ((None, None), "holds nothing in place of arrays; pass validation_data="),
    "no sample": (X[:0], "holds no sample; pass validation_data= with some"),
    "objects": (np.array([[1, 2], [3]], object), "holds an array of Python objects, which is no"),
    "unequal": ({"a": X, "b": X[:3]}, "holds inputs of 3 and 32 samples; pass validation_data="),
    "ragged": (tf.RaggedTensor.from_tensor(X), "holds ragged tensors, whose samples differ in"),
    "broken": (broken(), r"of type generator, cannot be read (OSError: the disk); pass validation"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_was_given_is_named_with_what_is_taken(kind: str) -> None:
    data, message = BAD[kind]
    with pytest.raises(ProbeDataError, match=f"the validation data.* ?{re.escape(message)}") as bad:
        probe_set(data, 32)
    assert "\n" not in str(bad.value)


def test_bad_data_that_the_callback_was_given_is_refused_before_training() -> None:
    model = dense()
    with pytest.raises(ProbeDataError, match="an object of type int"):
        model.fit(X, Y, verbose=0, callbacks=[unlimited(5, log_dir=None)])
    assert int(model.optimizer.iterations) == 0


@pytest.mark.parametrize(
    "empty",
    [(X[:0], Y[:0]), tf.data.Dataset.from_tensor_slices((X[:0], Y[:0])).batch(4)],
    ids=["arrays", "dataset"],
)
def test_empty_data_that_fit_accepts_is_a_warning(empty: Any) -> None:
    model, callback = dense(), unlimited(log_dir=None)
    with warnings.catch_warnings():
        # Keras warns of it, too
        warnings.simplefilter("ignore")
        with pytest.warns(RuntimeWarning, match="switched off .* holds no sample"):
            model.fit(X, Y, validation_data=empty, verbose=0, callbacks=[callback])
    assert callback.readings == []


def lengths() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(1)
    for length in (3, 6, 6, 7):
        yield random.random((8, length, 5), np.float32), random.random((8, 4), np.float32)


def test_of_batches_of_different_lengths_the_most_frequent_one_is_probed() -> None:
    signature = (tf.TensorSpec((None, None, 5)), tf.TensorSpec((None, 4)))
    data = tf.data.Dataset.from_generator(lengths, output_signature=signature)
    data = data.apply(tf.data.experimental.assert_cardinality(4))
    model = keras.Sequential([keras.Input((None, 5)), layers.LSTM(4, name="lstm")])
    model.compile("adam", "mse")
    callback = NASMonitorCallback(log_dir=None, on_error="raise")
    message = r"the first 32 validation samples have 3 shapes; the 16 of shape \(6, 5\) are probed"
    with pytest.warns(RuntimeWarning, match=message):
        model.fit(data, validation_data=data, verbose=0, callbacks=[callback], shuffle=False)
    batches = np.concatenate([x for x, _ in lengths() if x.shape[1] == 6])
    assert callback.readings[-1].samples == 16
    assert_metrics(callback.readings[-1]["lstm"], np.asarray(model(batches)))

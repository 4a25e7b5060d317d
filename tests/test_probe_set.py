"""The probe set: the first samples of whatever holds them, in equal chunks."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nasmon.probe_set import first_samples, is_one_shot, probe_set

X = np.arange(50 * 6, dtype=np.float32).reshape(50, 2, 3)
Y = np.arange(50)


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        return X[5 * index : 5 * index + 5], Y[5 * index : 5 * index + 5]


class Loader:
    """Another library's loader: iterable as often as one likes."""

    def __iter__(self) -> Any:
        return iter([(X[:20], Y[:20]), (X[20:], Y[20:])])


SOURCES: dict[str, Callable[[], Any]] = {
    "array": lambda: X,
    "tensor": lambda: tf.constant(X),
    "(x, y)": lambda: (X, Y),
    "(x, y, weights)": lambda: (X, Y, Y),
    "dataset": lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(7),
    "dataset of inputs": lambda: tf.data.Dataset.from_tensor_slices(X).batch(7),
    "PyDataset": Batches,
    "generator": lambda: ((X[i : i + 5], Y[i : i + 5]) for i in range(0, 50, 5)),
    "loader": Loader,
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("samples", [1, 7, 32, 50])
def test_the_first_samples_of_every_source(name: str, samples: int) -> None:
    np.testing.assert_array_equal(first_samples(SOURCES[name](), samples), X[:samples])


def test_dictionaries_lists_and_nested_inputs() -> None:
    found = first_samples(({"a": X, "b": Y}, Y), 4)
    np.testing.assert_array_equal(found["a"], X[:4])
    np.testing.assert_array_equal(found["b"], Y[:4])
    listed = first_samples([X, Y], 4)
    np.testing.assert_array_equal(listed[1], Y[:4])
    dataset = tf.data.Dataset.from_tensor_slices(({"a": X}, Y)).batch(3)
    np.testing.assert_array_equal(first_samples(dataset, 5)["a"], X[:5])


@pytest.mark.parametrize(
    ("samples", "chunk", "chunks", "size"),
    [
        (32, None, 2, 16),
        (50, 16, 5, 10),
        (50, 32, 2, 25),
        (32, 64, 1, 32),
        (37, 16, 3, 12),
        (1, None, 1, 1),
        (200, 25, 2, 25),
        (10, 1, 10, 1),
    ],
)
def test_chunks_are_equal_and_in_order(
    samples: int, chunk: int | None, chunks: int, size: int
) -> None:
    found = probe_set(X, samples, chunk)
    assert (len(found.chunks), found.chunk_size, found.samples) == (chunks, size, chunks * size)
    np.testing.assert_array_equal(np.concatenate(found.chunks), X[: found.samples])


def test_floats_become_kerass_and_other_dtypes_stay() -> None:
    found = probe_set({"a": X.astype(np.float64), "b": X.astype(np.uint8)}, 4)
    assert found.chunks[0]["a"].dtype == tf.float32
    assert found.chunks[0]["b"].dtype == tf.uint8


@pytest.mark.parametrize(
    ("data", "samples", "chunk", "message"),
    [
        (X, 0, None, "samples is 0; use a whole number of at least 1"),
        (X, 4, -2, "chunk is -2; use a whole number of at least 1"),
        (X[:0], 4, None, "holds no sample"),
        (iter([]), 4, None, "holds no sample"),
    ],
)
def test_bad_data_is_refused(data: Any, samples: int, chunk: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        probe_set(data, samples, chunk)


def test_what_can_be_read_only_once() -> None:
    assert is_one_shot(i for i in range(3))
    assert is_one_shot(iter([1]))
    dataset = tf.data.Dataset.range(3)
    assert not any(map(is_one_shot, (dataset, X, (X, Y), Batches(), Loader())))

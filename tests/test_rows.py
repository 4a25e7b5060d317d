"""From activations to rows: all of them, or evenly spaced ones."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nasmon.kernels.rows import ROWS_PER_CHANNEL, PaddedRows, rows_of


def activations(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 3), (2, 6, 5, 3), (2, 3, 4, 5, 3)])
def test_all_rows_in_order(shape: tuple[int, ...]) -> None:
    x = activations(*shape)
    np.testing.assert_array_equal(rows_of(tf.constant(x), -1, 10**6), x.reshape(-1, shape[-1]))


def test_channels_first() -> None:
    x = activations(2, 3, 4, 5)
    expected = np.moveaxis(x, 1, -1).reshape(-1, 3)
    np.testing.assert_array_equal(rows_of(tf.constant(x), 1, 10**6), expected)


def test_of_many_rows_some_are_taken_from_every_sample_and_column() -> None:
    height, width = 60, 80
    x = np.stack(np.meshgrid(range(8), range(height), range(width), indexing="ij"), -1)
    rows = np.asarray(rows_of(tf.constant(x, tf.float32), -1, 2000))
    assert 1000 < len(rows) <= 2000
    sample, line, column = rows.T.astype(int)
    assert set(sample) == set(range(8))
    assert set(line) == set(range(height))
    assert set(column) == set(range(width))
    counts = np.bincount(sample)
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("most", [1000, 2048, 16_384])
@pytest.mark.parametrize("width", [1, 7, 48, 80, 105, 128])
@pytest.mark.parametrize("channels", [3, 16, 64])
def test_no_more_rows_than_allowed(most: int, width: int, channels: int) -> None:
    x = np.zeros((16, 60, width, channels), np.float32)
    x[..., 0] = np.arange(width)
    rows = np.asarray(rows_of(tf.constant(x), -1, most))
    assert min(16 * 60 * width, ROWS_PER_CHANNEL * channels) <= len(rows) <= most
    assert set(rows[:, 0]) == set(range(width))


def test_the_parts_of_a_reading_share_the_rows() -> None:
    # wide: ten rows a channel are 640 of all, not of each part
    assert 100 < len(rows_of(tf.zeros([16, 50, 64]), -1, 2048, 16)) <= 2048 // 16
    assert 640 // 16 <= len(rows_of(tf.zeros([16, 50, 64]), -1, 1, 16)) < 50


def test_ten_rows_a_channel_are_left() -> None:
    rows = rows_of(tf.zeros([16, 50, 64]), -1, 1)
    assert ROWS_PER_CHANNEL * 64 <= len(rows) <= 16 * 50
    assert len(rows_of(tf.zeros([2, 50, 64]), -1, 1)) == 100


def data_of(x: np.ndarray, mask: Any, most: int = 10**6, axis: int = -1, jit: bool = False) -> Any:
    """The rows that count, of activations and their mask."""

    def run(x: tf.Tensor, mask: tf.Tensor) -> Any:
        return rows_of(tf.convert_to_tensor(x), axis, most, mask=mask)

    found = tf.function(run, jit_compile=jit)(x, tf.constant(mask))
    assert isinstance(found, PaddedRows)
    return found.rows[: int(found.count)].numpy()


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("dtype", [bool, np.float32, np.int32])
@pytest.mark.parametrize(
    ("shape", "of_mask"),
    [
        ((4, 5, 3), (4, 5)),
        ((4, 5, 3), (4,)),
        ((4, 5, 3), (1, 5)),
        ((2, 6, 5, 3), (2, 6, 5)),
        ((2, 6, 5, 3), (2, 6)),
        ((2, 3, 4, 5, 3), (2, 3, 1, 5)),
    ],
)
def test_rows_of_padding_are_left_out(jit: bool, dtype: Any, shape: Any, of_mask: Any) -> None:
    x, mask = activations(*shape), np.random.default_rng(0).random(of_mask) < 0.5
    x.flat[:: shape[-1]] += 0.5
    whole = mask.reshape([*of_mask, *[1] * (len(shape) - 1 - len(of_mask))])
    expected = x[np.broadcast_to(whole, shape[:-1])]
    np.testing.assert_array_equal(data_of(x, mask.astype(dtype), jit=jit), expected)


def test_a_mask_of_all_or_of_nothing() -> None:
    x = activations(8, 60, 3)
    for most in (10**6, 100, 30):
        unmasked = rows_of(tf.constant(x), -1, most)
        np.testing.assert_array_equal(data_of(x, np.ones((8, 60), bool), most), unmasked)
        assert len(data_of(x, np.zeros((8, 60), bool), most)) == 0
    assert len(data_of(x[:0], np.ones((0, 60), bool))) == 0


def test_a_mask_of_another_shape_is_none() -> None:
    # as of a layer that shortens a sequence and passes its mask on
    for shape, axis in (((4, 10), -1), ((4, 5, 3), -1), ((4, 3), 1), ((4, 3, 5), 1)):
        found = rows_of(tf.zeros([4, 5, 3]), axis, 10**6, mask=tf.ones(shape, tf.bool))
        assert not isinstance(found, PaddedRows)
    x, mask = activations(4, 3, 5), np.array([True, False, True, True])
    expected = np.moveaxis(x[mask], 1, -1).reshape(-1, 3)
    np.testing.assert_array_equal(data_of(x, mask, axis=1), expected)


def test_as_many_rows_of_data_are_taken_as_there_would_be_without_padding() -> None:
    x = np.stack(np.meshgrid(range(64), range(60), indexing="ij"), -1).astype(np.float32)
    whole = len(rows_of(tf.constant(x), -1, 500))
    for length in (60, 30, 24, 7, 3):
        found = data_of(x, np.broadcast_to(np.arange(60) < length, (64, 60)), 500)
        assert len(found) == min(whole, 64 * length)
        assert len(np.unique(found, axis=0)) == len(found)
        sample, position = found.T.astype(int)
        # each sample and each position has its turn
        assert set(sample) == set(range(64))
        assert set(position) == set(range(length))
        counts = np.bincount(position)
        assert counts.max() - counts.min() <= 3

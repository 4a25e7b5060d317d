"""From activations to rows: all of them, or evenly spaced ones."""

import numpy as np
import pytest
import tensorflow as tf

from nasmon.kernels.rows import ROWS_PER_CHANNEL, rows_of


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
    rows = rows_of(tf.constant(x, tf.float32), -1, 2000).numpy()
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
    rows = rows_of(tf.constant(x), -1, most).numpy()
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

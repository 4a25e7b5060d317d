"""Properties of the streaming covariance, eager and compiled, against float64 NumPy."""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nasmon.kernels.covariance import CovarianceState, covariance, empty, from_rows, merge, update
from nasmon.kernels.rows import PaddedRows

EPS = float(np.finfo(np.float32).eps)
compiled_from_rows = tf.function(from_rows, jit_compile=True)
BOTH_WAYS = pytest.mark.parametrize(
    "statistics", [from_rows, compiled_from_rows], ids=["eager", "compiled"]
)
Rows = np.ndarray[Any, Any]


def graded(count: int, channels: int, offset: float = 0.0, seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    scales = np.logspace(0, -2, channels)
    return (rng.normal(size=(count, channels)) * scales + offset).astype(np.float32)


def assert_state(state: CovarianceState, rows: Rows, error: float = 8 * EPS) -> None:
    exact = rows.astype(np.float64)
    centred = exact - exact.mean(0)
    deviation = np.sqrt((centred**2).sum(0))
    assert int(state.count) == len(rows)
    scale = np.abs(exact).max()
    np.testing.assert_allclose(state.mean, exact.mean(0), atol=error * scale)
    bound = error * np.outer(deviation, deviation).max()
    np.testing.assert_allclose(state.scatter, centred.T @ centred, atol=bound)


@BOTH_WAYS
@pytest.mark.parametrize("shape", [(1000, 7), (4800, 16), (5, 16), (64, 1), (65, 3), (2, 2)])
def test_state_of_rows_is_numpys(statistics: Callable[..., CovarianceState], shape: Any) -> None:
    rows = graded(*shape)
    assert_state(statistics(tf.constant(rows)), rows)


@BOTH_WAYS
@pytest.mark.parametrize("shape", [(70_001, 17), (900, 341), (4_001, 341), (2_501, 512)])
def test_slabs_with_a_rest_and_columns_in_parts(
    statistics: Callable[..., CovarianceState], shape: Any
) -> None:
    rows = graded(*shape)
    assert_state(statistics(tf.constant(rows)), rows)


@BOTH_WAYS
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_every_floating_dtype(statistics: Callable[..., CovarianceState], dtype: Any) -> None:
    rows = graded(600, 8, offset=1.0).astype(dtype)
    state = statistics(tf.constant(rows))
    assert [t.dtype for t in state] == [tf.int64, tf.float64, tf.float64]
    assert_state(state, rows.astype(np.float64))


@BOTH_WAYS
def test_an_offset_of_1e4_does_no_harm(statistics: Callable[..., CovarianceState]) -> None:
    rows = graded(20_000, 8, offset=1e4)
    exact = np.cov(rows.astype(np.float64), rowvar=False)
    found = covariance(statistics(tf.constant(rows)))
    # the rows themselves are what they are; only the work on them is judged
    np.testing.assert_allclose(found, exact, atol=64 * EPS * exact.max())


def test_float64_rows_keep_an_offset_that_float32_cannot_hold() -> None:
    rows = np.random.default_rng(1).normal(size=(500, 4)) + 1e9
    exact = np.cov(rows, rowvar=False)
    np.testing.assert_allclose(covariance(from_rows(tf.constant(rows))), exact, atol=1e-5)


@BOTH_WAYS
def test_sorted_rows_and_a_channel_that_fires_rarely(
    statistics: Callable[..., CovarianceState],
) -> None:
    rows = np.sort(graded(6400, 3), axis=0)
    rows[:, 2] = 0
    rows[17, 2] = 1e3
    assert_state(statistics(tf.constant(rows)), rows, error=64 * EPS)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=5), seed=st.integers(0, 2**31))
def test_any_chunking_gives_the_same_state(cuts: list[int], seed: int) -> None:
    rows = graded(300, 5, offset=3.0, seed=seed)
    state = empty(5)
    for part in np.split(rows, sorted(cuts)):
        state = update(state, tf.constant(part))
    assert_state(state, rows)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_order_of_rows_does_not_matter(seed: int) -> None:
    rows = graded(300, 5, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(rows)
    one, other = from_rows(tf.constant(rows)), from_rows(tf.constant(shuffled))
    # a float32 sum of n products is right to n EPS / 2 of the sum of their sizes, which no sum of
    # squares is below (Higham, Accuracy and Stability, 3.1)
    bound = 300 * EPS * np.max(one.scatter)
    np.testing.assert_allclose(one.scatter, other.scatter, atol=bound)


def test_merge_is_associative_and_empty_its_identity() -> None:
    a, b, c = (from_rows(tf.constant(graded(n, 4, seed=n))) for n in (10, 300, 1))
    left, right = merge(merge(a, b), c), merge(a, merge(b, c))
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13, atol=1e-13)
    for state in (merge(a, empty(4)), merge(empty(4), a)):
        for one, other in zip(state, a, strict=True):
            np.testing.assert_array_equal(one, other)
    nothing = merge(empty(4), empty(4))
    assert int(nothing.count) == 0
    assert not np.any(nothing.scatter)


@BOTH_WAYS
def test_no_rows_and_one_row(statistics: Callable[..., CovarianceState]) -> None:
    none = statistics(tf.zeros([0, 3]))
    assert int(none.count) == 0
    assert not np.any(none.mean)
    assert not np.any(none.scatter)
    one = statistics(tf.constant([[1.0, 2.0, 4.0]]))
    np.testing.assert_array_equal(one.mean, [1, 2, 4])
    np.testing.assert_array_equal(one.scatter, np.zeros((3, 3)))
    for state in (none, one):
        assert np.isnan(covariance(state)).all()


@BOTH_WAYS
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_rows_show(statistics: Callable[..., CovarianceState], bad: float) -> None:
    rows = graded(100, 3)
    rows[50, 1] = bad
    found = np.asarray(covariance(statistics(tf.constant(rows))))
    assert not np.isfinite(found[1]).any()
    np.testing.assert_allclose(found[0, 0], rows[:, 0].var(ddof=1), rtol=1e-5)


def test_counts_stay_exact_beyond_float32() -> None:
    many = empty(2)._replace(count=tf.constant(2**24, tf.int64))
    assert int(update(many, tf.ones([1, 2])).count) == 2**24 + 1


@pytest.mark.parametrize("rows", [tf.zeros([3]), tf.zeros([2, 3, 4]), tf.zeros([2, 2], tf.int32)])
def test_rows_of_another_kind_are_refused(rows: tf.Tensor) -> None:
    with pytest.raises(ValueError, match="pass a floating-point matrix"):
        from_rows(rows)


def test_a_width_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="channels is 0"):
        empty(0)


def test_product_asks_for_the_highest_precision() -> None:
    rows = tf.zeros([128, 4])
    text = compiled_from_rows.experimental_get_compiler_ir(rows)(stage="hlo")
    dots = [line for line in text.splitlines() if " dot(" in line]
    assert dots
    assert all("operand_precision={highest,highest}" in line for line in dots)


def padded(rows: Rows, padding: int, what: float = np.nan) -> PaddedRows:
    """The rows, and behind them padding that would spoil everything if it counted."""
    behind = np.full((padding, rows.shape[1]), what, rows.dtype)
    count = tf.constant(len(rows), tf.int64)
    return PaddedRows(tf.constant(np.concatenate([rows, behind])), count)


@BOTH_WAYS
@pytest.mark.parametrize("what", [0.0, 1e30, np.inf, np.nan])
@pytest.mark.parametrize("padding", [0, 1, 700])
@pytest.mark.parametrize("shape", [(1000, 7), (5, 16), (65, 3), (2, 2), (300, 341)])
def test_rows_of_padding_do_not_count(
    statistics: Callable[..., CovarianceState], shape: Any, padding: int, what: float
) -> None:
    rows = graded(*shape) + np.float32(2)
    assert_state(statistics(padded(rows, padding, what)), rows)


@BOTH_WAYS
@pytest.mark.parametrize("shape", [(70_001, 17), (2_501, 512)])
def test_slabs_with_padding(statistics: Callable[..., CovarianceState], shape: Any) -> None:
    rows = graded(*shape)
    assert_state(statistics(padded(rows, shape[0] // 2)), rows)


@BOTH_WAYS
@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
def test_padding_of_every_dtype(statistics: Callable[..., CovarianceState], dtype: Any) -> None:
    rows = graded(600, 8, offset=1.0).astype(dtype)
    assert_state(statistics(padded(rows, 300)), rows.astype(np.float64))


@BOTH_WAYS
@pytest.mark.parametrize("count", [20_000, 40])
def test_an_offset_of_1e4_does_no_harm_beside_padding_of_zeros(
    statistics: Callable[..., CovarianceState], count: int
) -> None:
    rows = graded(count, 8, offset=1e4)
    exact = np.cov(rows.astype(np.float64), rowvar=False)
    found = covariance(statistics(padded(rows, 20_000, 0.0)))
    np.testing.assert_allclose(found, exact, atol=64 * EPS * exact.max())


@BOTH_WAYS
def test_nothing_but_padding_is_no_rows(statistics: Callable[..., CovarianceState]) -> None:
    state = statistics(padded(graded(0, 3), 100))
    assert int(state.count) == 0
    for one, other in zip(merge(state, empty(3)), empty(3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.isnan(covariance(state)).all()


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=5), seed=st.integers(0, 2**31))
def test_any_chunking_with_any_padding_gives_the_same_state(cuts: list[int], seed: int) -> None:
    rows = graded(300, 5, offset=3.0, seed=seed)
    state = empty(5)
    for part in np.split(rows, sorted(cuts)):
        state = update(state, padded(part, seed % 50))
    assert_state(state, rows)


@BOTH_WAYS
@pytest.mark.parametrize("room", [40, 48, 64, 100])
def test_chunks_with_an_offset_and_padding_are_merged_without_harm(
    statistics: Callable[..., CovarianceState], room: int
) -> None:
    rows = graded(210, 4, offset=1e4)
    exact = np.cov(rows.astype(np.float64), rowvar=False)
    state = empty(4)
    for part in np.split(rows, [24, 48, 87, 127, 167, 190]):
        state = merge(state, statistics(padded(part, room - len(part), 0.0)))
    np.testing.assert_allclose(covariance(state), exact, atol=16 * EPS * exact.max())

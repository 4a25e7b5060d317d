"""Layers with fewer rows than channels, solved by their rows."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from nasmon.kernels.kept_rows import KeptRows, empty, grams, keep, merge
from nasmon.kernels.rows import PaddedRows

EPS = float(np.finfo(np.float32).eps)
RNG = np.random.default_rng(4)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("seen", [12, 20])
def test_both_products_have_the_covariances_spectrum(offset: float, seen: int) -> None:
    rows = (RNG.normal(size=(20, 50)) * np.logspace(0, -2, 50) + offset).astype(np.float32)[:seen]
    state = empty(20, 50)
    for part in np.array_split(rows, 4):
        state = keep(state, tf.constant(part))
    exact = np.cov(rows.astype(np.float64), rowvar=False)
    found = tf.function(grams, jit_compile=True)(state)
    largest = np.linalg.eigvalsh(exact)[-1]
    np.testing.assert_allclose(found.covariance, exact, atol=16 * EPS * largest)
    spectrum = np.linalg.eigvalsh(found.rows)[::-1]
    expected = np.linalg.eigvalsh(exact)[::-1]
    np.testing.assert_allclose(spectrum, expected[:20], atol=16 * EPS * largest)


@pytest.mark.parametrize("seen", [0, 1])
def test_fewer_than_two_rows_have_no_variance(seen: int) -> None:
    found = grams(keep(empty(4, 6), tf.ones([seen, 6])))
    assert np.isnan(found.covariance).all()
    assert np.isnan(found.rows).all()


def test_a_non_finite_row_shows() -> None:
    rows = np.ones((3, 6), np.float32)
    rows[1, 2] = np.inf
    found = grams(keep(empty(4, 6), tf.constant(rows)))
    assert np.isnan(found.covariance[2]).all()
    assert np.isnan(found.rows[:3, :3]).all()


def kept(rows: np.ndarray, room: int) -> KeptRows:
    return keep(empty(room, rows.shape[1]), tf.constant(rows))


@pytest.mark.parametrize("jit", [True, False])
@given(cuts=st.lists(st.integers(0, 20), max_size=4), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_any_chunking_and_any_grouping_keeps_the_same_rows(
    jit: bool, cuts: list[int], seed: int
) -> None:
    rows = np.random.default_rng(seed).normal(size=(20, 3)).astype(np.float32)
    parts = [kept(part, 20) for part in np.split(rows, sorted(cuts))]
    join = JOINED if jit else merge
    left, right = empty(20, 3), empty(20, 3)
    for part in parts:
        left = join(left, part)
    for part in reversed(parts):
        right = join(part, right)
    for joined in (left, right):
        assert int(joined.count) == 20
        np.testing.assert_array_equal(joined.rows, rows)


JOINED = tf.function(merge, jit_compile=True)


def test_no_rows_are_the_identity_of_merge() -> None:
    state = kept(RNG.normal(size=(5, 3)).astype(np.float32), 8)
    for joined in (merge(state, empty(8, 3)), merge(empty(8, 3), state)):
        assert int(joined.count) == 5
        np.testing.assert_array_equal(joined.rows, state.rows)


def test_the_order_of_states_does_not_matter() -> None:
    first, second = (RNG.normal(size=(n, 4)).astype(np.float32) for n in (5, 7))
    a, b = kept(first, 12), kept(second, 12)
    one, other = grams(merge(a, b)), grams(merge(b, a))
    largest = float(tf.reduce_max(one.covariance))
    np.testing.assert_allclose(one.covariance, other.covariance, atol=16 * EPS * largest)
    spectra = [np.linalg.eigvalsh(found.rows) for found in (one, other)]
    np.testing.assert_allclose(spectra[0], spectra[1], atol=16 * EPS * largest)


def test_stacked_states_are_merged_one_by_one() -> None:
    sizes = [(2, 3), (4, 1)]
    pairs = [[kept(RNG.normal(size=(n, 3)).astype(np.float32), 6) for n in both] for both in sizes]
    stacks = [
        KeptRows(*map(tf.stack, zip(*states, strict=True))) for states in zip(*pairs, strict=True)
    ]
    joined = merge(*stacks)
    for index, (a, b) in enumerate(pairs):
        own = merge(a, b)
        assert int(joined.count[index]) == int(own.count)
        np.testing.assert_array_equal(joined.rows[index], own.rows)


def test_states_of_other_room_and_any_grouping_are_the_same_rows() -> None:
    parts = [RNG.normal(size=(n, 3)).astype(np.float32) for n in (2, 3, 1, 4)]
    a, b, c, d = (kept(part, 10) for part in parts)
    rows = np.concatenate(parts)
    for joined in (merge(merge(a, b), merge(c, d)), merge(a, merge(b, merge(c, d)))):
        assert int(joined.count) == 10
        np.testing.assert_array_equal(joined.rows, rows)
    for room in (4, 25):
        np.testing.assert_array_equal(
            merge(a, kept(parts[3], room)).rows[:6], rows[[0, 1, 6, 7, 8, 9]]
        )


def test_half_precision_rows_with_an_offset_are_merged_as_they_are() -> None:
    rows = (RNG.normal(size=(8, 3)) + 1e4).astype(np.float16)
    joined = merge(kept(rows[:3], 8), kept(rows[3:], 8))
    np.testing.assert_array_equal(joined.rows, rows.astype(np.float32))
    exact = np.cov(rows.astype(np.float64), rowvar=False)
    np.testing.assert_allclose(grams(joined).covariance, exact, atol=16 * EPS * exact.max())


@pytest.mark.parametrize("jit", [True, False])
def test_rows_of_padding_are_not_kept(jit: bool) -> None:
    rows = RNG.normal(size=(20, 50)).astype(np.float32)
    add = tf.function(keep, jit_compile=True) if jit else keep
    state = empty(30, 50)
    for part in (rows[:7], rows[7:7], rows[7:]):
        behind = np.full((15 - len(part), 50), np.nan, np.float32)
        there = tf.constant(np.concatenate([part, behind]))
        state = add(state, PaddedRows(there, tf.constant(len(part), tf.int64)))
    assert int(state.count) == 20
    np.testing.assert_array_equal(state.rows[:20], rows)
    assert not np.any(state.rows[20:])

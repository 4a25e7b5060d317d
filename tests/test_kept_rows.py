"""Layers with fewer rows than channels, solved by their rows."""

import numpy as np
import pytest
import tensorflow as tf

from nasmon.kernels.kept_rows import grams, keep, no_rows

EPS = float(np.finfo(np.float32).eps)
RNG = np.random.default_rng(4)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("seen", [12, 20])
def test_both_products_have_the_covariances_spectrum(offset: float, seen: int) -> None:
    rows = (RNG.normal(size=(20, 50)) * np.logspace(0, -2, 50) + offset).astype(np.float32)[:seen]
    state = no_rows(20, 50)
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
    found = grams(keep(no_rows(4, 6), tf.ones([seen, 6])))
    assert np.isnan(found.covariance).all()
    assert np.isnan(found.rows).all()


def test_a_non_finite_row_shows() -> None:
    rows = np.ones((3, 6), np.float32)
    rows[1, 2] = np.inf
    found = grams(keep(no_rows(4, 6), tf.constant(rows)))
    assert np.isnan(found.covariance[2]).all()
    assert np.isnan(found.rows[:3, :3]).all()

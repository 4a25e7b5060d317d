"""The statistics of many matrices at once, against those of each alone in NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from nasmon.kernels import batched_products
from nasmon.kernels.batched_products import states_of_rows
from nasmon.kernels.covariance import CovarianceState
from nasmon.kernels.rows import PaddedRows

RNG = np.random.default_rng(11)
EPS = float(np.finfo(np.float32).eps)

at_once = tf.function(states_of_rows, jit_compile=True, autograph=False)


def drawn(rows: int, channels: int, offset: float = 0.0) -> np.ndarray:
    spread = np.geomspace(1, 1e-3, channels)
    return (RNG.standard_normal((rows, channels)) * spread + offset).astype(np.float32)


def assert_states(found: CovarianceState, matrices: list[np.ndarray], width: int) -> None:
    for i, rows in enumerate(matrices):
        count, own = len(rows), rows.astype(np.float64)
        assert found.count[i] == count
        mean = own.mean(0) if count else np.zeros(own.shape[1])
        centred = own - mean
        scatter = centred.T @ centred
        spare = width - own.shape[1]
        largest = np.abs(own).max(initial=0)
        np.testing.assert_allclose(found.mean[i], np.pad(mean, (0, spare)), atol=EPS * largest)
        np.testing.assert_allclose(
            found.scatter[i],
            np.pad(scatter, (0, spare)),
            # the rows are float32, and so are their shifted products
            atol=8 * EPS * (np.trace(scatter) + EPS * count * largest**2),
        )


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_matrices_of_several_heights_and_widths(offset: float) -> None:
    shapes = ((700, 5), (690, 16), (20, 16), (1, 3), (0, 4), (500, 1))
    matrices = [drawn(*shape, offset) for shape in shapes]
    assert_states(at_once([tf.constant(own) for own in matrices], 16), matrices, 16)


def test_tall_ones_in_pieces_and_more_than_fit_in_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched_products, "MOST_IN_A_STACK", 3 * 5000 * 16)
    matrices = [drawn(5000 - 100 * i, 16, 3.0) for i in range(5)]
    states = tf.function(lambda *own: states_of_rows(own, 16), jit_compile=True)
    assert_states(states(*map(tf.constant, matrices)), matrices, 16)


def test_other_precisions() -> None:
    wide = drawn(300, 6).astype(np.float64) + 1e9
    half = drawn(300, 4).astype(np.float16)
    found = at_once([tf.constant(wide), tf.constant(half)], 6)
    # the offset is one that float64 holds, and shifted away before anything is rounded
    np.testing.assert_allclose(found.scatter[0], 299 * np.cov(wide.T), atol=1e-4)
    assert_states(CovarianceState(*(own[1:] for own in found)), [half], 6)


@settings(max_examples=10, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=4))
def test_padding_does_not_count(sizes: list[tuple[int, int]]) -> None:
    matrices = [drawn(count, 7, 2.0) for count, _ in sizes]
    padded = [
        PaddedRows(
            tf.constant(np.concatenate([rows, np.full((more, 7), np.nan, np.float32)])),
            tf.constant(len(rows), tf.int64),
        )
        for rows, (_, more) in zip(matrices, sizes, strict=True)
    ]
    assert_states(states_of_rows(padded, 7), matrices, 7)


def test_a_value_that_is_not_finite_spoils_its_own_matrix_alone() -> None:
    matrices = [drawn(50, 4), drawn(50, 4), drawn(50, 4)]
    matrices[1][3, 2] = np.inf
    found = at_once([tf.constant(own) for own in matrices], 4)
    assert not np.isfinite(found.scatter[1].numpy()).all()
    for i in (0, 2):
        assert_states(CovarianceState(*(own[i : i + 1] for own in found)), [matrices[i]], 4)

"""States as arrays: saved, loaded, and merged elsewhere, as Ray, Beam or MPI would."""

from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from nasmon.kernels import covariance, kept_rows
from nasmon.kernels.covariance import CovarianceState
from nasmon.kernels.kept_rows import KeptRows

RNG = np.random.default_rng(7)
SHARDS = 64
EPS32, EPS64 = (float(np.finfo(dtype).eps) for dtype in (np.float32, np.float64))


def through_file(path: Path, arrays: Any) -> Any:
    np.savez(path, **arrays)
    return np.load(path)


def shards_of(rows: np.ndarray) -> list[np.ndarray]:
    """Of uneven sizes, none and one among them, in random order."""
    cuts = np.sort(RNG.choice(np.arange(3, len(rows)), SHARDS - 3, replace=False))
    shards = np.split(rows, [2, 2, *cuts])
    assert len(shards) == SHARDS
    assert min(map(len, shards)) == 0
    return [shards[place] for place in RNG.permutation(SHARDS)]


def exact_arrays(rows: np.ndarray) -> dict[str, Any]:
    """In float64 throughout, where the kernels multiply in float32."""
    mean = rows.mean(0) if len(rows) else np.zeros(rows.shape[1])
    centred = rows - mean
    return {"count": np.int64(len(rows)), "mean": mean, "scatter": centred.T @ centred}


def measured_arrays(rows: np.ndarray) -> dict[str, np.ndarray]:
    return covariance.to_arrays(covariance.from_rows(tf.constant(rows)))


@pytest.mark.parametrize("as_tree", [False, True])
@pytest.mark.parametrize(
    ("arrays_of", "offset", "error"),
    [
        # a float64 mean of 5000 values near 1e4 is right to half of 5000 roundings of that
        (exact_arrays, 0.0, 2500 * EPS64),
        (exact_arrays, 1e4, 2500 * EPS64 * 1e4),
        (measured_arrays, 0.0, 8 * EPS32),
        (measured_arrays, 1e4, 64 * EPS32),
    ],
)
def test_64_shards_in_random_order_are_all_rows(
    arrays_of: Any, offset: float, error: float, as_tree: bool, tmp_path: Path
) -> None:
    rows = RNG.normal(size=(5000, 12)) * np.logspace(0, -3, 12) + offset
    states = []
    for number, shard in enumerate(shards_of(rows)):
        file = through_file(tmp_path / f"{number}.npz", arrays_of(shard))
        states.append(covariance.from_arrays(file))
    while as_tree and len(states) > 1:
        states = [covariance.merge(a, b) for a, b in zip(states[::2], states[1::2], strict=True)]
    joined, exact = reduce(covariance.merge, states), exact_arrays(rows)
    assert int(joined.count) == 5000
    np.testing.assert_allclose(joined.mean, exact["mean"], rtol=0, atol=error)
    bound = error * exact["scatter"].max()
    np.testing.assert_allclose(joined.scatter, exact["scatter"], rtol=0, atol=bound)


def test_64_shards_of_kept_rows_are_all_rows(tmp_path: Path) -> None:
    rows = (RNG.normal(size=(150, 200)) + 3).astype(np.float32)
    joined = kept_rows.empty(150, 200)
    for number, shard in enumerate(shards_of(rows)):
        state = kept_rows.keep(kept_rows.empty(len(shard) + 2, 200), tf.constant(shard))
        file = through_file(tmp_path / f"{number}.npz", kept_rows.to_arrays(state))
        joined = kept_rows.merge(joined, kept_rows.from_arrays(file))
    assert int(joined.count) == 150
    assert sorted(map(tuple, joined.rows.numpy())) == sorted(map(tuple, rows))
    exact = np.cov(rows.astype(np.float64), rowvar=False)
    largest = np.linalg.eigvalsh(exact)[-1]
    np.testing.assert_allclose(kept_rows.grams(joined).covariance, exact, atol=16 * EPS32 * largest)


@pytest.mark.parametrize("stacked", [False, True])
def test_a_round_trip_through_a_file_changes_no_bit(stacked: bool, tmp_path: Path) -> None:
    rows = RNG.normal(size=(9, 4)).astype(np.float32)
    rows[3, 1] = np.inf
    of_all: Any = covariance.from_rows(tf.constant(rows))
    kept: Any = kept_rows.keep(kept_rows.empty(12, 4), tf.constant(rows))
    for module, state in ((covariance, of_all), (kept_rows, kept)):
        if stacked:
            state = type(state)(*(tf.stack([part, part]) for part in state))
        arrays = module.to_arrays(state)
        assert list(arrays) == list(state._fields)
        loaded = module.from_arrays(through_file(tmp_path / "state.npz", arrays))
        assert type(loaded) is type(state)
        for before, after in zip(state, loaded, strict=True):
            assert (after.dtype, after.shape) == (before.dtype, before.shape)
            assert after.numpy().tobytes() == before.numpy().tobytes()


STATE = covariance.to_arrays(covariance.empty(3))
KEPT = kept_rows.to_arrays(kept_rows.empty(5, 3))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "there are no arrays, not count, mean, scatter;"),
        (KEPT, "there are count, rows, not count, mean, scatter;"),
        (STATE | {"rows": np.zeros(3)}, "there are count, mean, rows, scatter, not count,"),
        (STATE | {"count": np.float32(0)}, "count is float32, not int64;"),
        (STATE | {"mean": np.zeros(3, np.float32)}, "mean is float32, not float64;"),
        (
            STATE | {"mean": np.zeros(4)},
            r"count has shape \(\), mean has shape \(4,\), scatter has shape \(3, 3\);",
        ),
        (STATE | {"mean": np.zeros([])}, r"mean has shape \(\),"),
        (STATE | {"scatter": np.zeros([3, 2])}, r"scatter has shape \(3, 2\);"),
        (STATE | {"count": np.zeros(2, np.int64)}, r"count has shape \(2,\), mean has"),
        (STATE | {"count": np.int64(-1)}, "count is -1;"),
    ],
)
def test_what_is_no_covariance_state_is_refused(arrays: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^no {CovarianceState.__name__}: .*{message}.*to_arrays"):
        covariance.from_arrays(arrays)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (STATE, "there are count, mean, scatter, not count, rows;"),
        (KEPT | {"rows": np.zeros([5, 3])}, "rows is float64, not float32;"),
        (KEPT | {"rows": np.zeros(5, np.float32)}, r"rows has shape \(5,\);"),
        (KEPT | {"count": np.int64(-2)}, "count is -2;"),
        (KEPT | {"count": np.int64(6)}, "count is 6, of rows that have room for 5;"),
    ],
)
def test_what_are_no_kept_rows_is_refused(arrays: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^no {KeptRows.__name__}: .*{message}.*to_arrays"):
        kept_rows.from_arrays(arrays)

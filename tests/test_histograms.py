"""Histograms of correlations: those that NumPy makes, eagerly and as an XLA program."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from nasmon.kernels.histograms import HISTOGRAM_BINS, pair_counts

RNG = np.random.default_rng(5)

PROGRAMS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "eager": pair_counts,
    "compiled": tf.function(pair_counts, jit_compile=True, autograph=False),
}


def correlations(channels: int, width: int, dead: tuple[int, ...] = ()) -> np.ndarray:
    """A layer's matrix [width, width], NaN for dead channels and beyond ``channels``."""
    rows = RNG.normal(size=(3 * channels, channels)) @ RNG.normal(size=(channels, channels))
    matrix = np.full((width, width), np.nan, np.float32)
    matrix[:channels, :channels] = np.corrcoef(rows, rowvar=False)
    for channel in dead:
        matrix[channel] = matrix[:, channel] = np.nan
    return matrix


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_counts_are_numpys(program: Callable[[tf.Tensor], tf.Tensor]) -> None:
    layers = [correlations(*made) for made in ((48, 48), (31, 48), (40, 48, (0, 7, 39)))]
    for matrix, counted in zip(layers, program(tf.constant(layers)).numpy(), strict=True):
        pairs = matrix[np.triu_indices(len(matrix), 1)]
        pairs = pairs[np.isfinite(pairs)]
        assert (counted[0], counted[1]) == (pairs.min(), pairs.max())
        assert counted[2:].sum() == pairs.size
        edges = np.linspace(counted[0], counted[1], HISTOGRAM_BINS + 1)
        # in float32, as the pairs are, one that lies on an edge may fall to either side of it
        distance = np.abs(pairs[:, None] - edges[1:-1]).min(axis=1)
        on_an_edge = np.count_nonzero(distance < 4 * np.finfo(np.float32).eps)
        expected, _ = np.histogram(pairs, edges)
        assert np.abs(counted[2:] - expected).sum() <= 2 * on_an_edge


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_equal_values_are_in_the_last_bin_and_no_values_in_none(
    program: Callable[[tf.Tensor], tf.Tensor],
) -> None:
    equal, none = np.full((4, 4), 0.25, np.float32), np.full((4, 4), np.nan, np.float32)
    alone = none.copy()
    alone[0, 0] = 1
    found = program(tf.constant([equal, none, alone])).numpy()
    assert found[0].tolist() == [0.25, 0.25, *[0] * (HISTOGRAM_BINS - 1), 6]
    assert not found[1:, 2:].any()
    assert not np.isfinite(found[1:, :2]).any()

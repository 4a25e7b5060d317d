"""Covariance of one chunk against a bare product and against ``numpy.cov``, with all cores.

``X^T X`` in NumPy is half a product (BLAS knows that it is symmetric) of rows as they are: neither
shifted nor counted. A call of an XLA program costs tens of microseconds by itself, so small layers
are measured as a reading has them, several in one program, as well as alone.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from bench.interleaved import Ratios, interleave
from bench.results import BLAS_SETTINGS, command_of, write_section
from nasmon.kernels.compiled import CompiledKernels
from nasmon.kernels.covariance import CovarianceState

SHAPES = (
    *((307200, 4), (76800, 8), (19200, 16), (49152, 64)),
    *((6144, 256), (1536, 512), (4096, 1024)),
)
TOGETHER = 8
"""Layers of one shape in a program, for the small shapes."""

CASES = (
    *((shape, 1) for shape in SHAPES),
    *((shape, TOGETHER) for shape in SHAPES if shape[1] <= 16),
)
MOST_OF_BARE = 1.5
PAIRS, CALLS = 9, 5


class Measured(NamedTuple):
    """A row of the table."""

    shape: tuple[int, int]
    layers: int
    bare: Ratios
    cov: Ratios


ROWS: list[Measured] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Writes the table when all of it was measured."""
    yield
    if len(ROWS) == len(CASES):
        write_table()


@pytest.mark.parametrize(
    ("shape", "layers"), CASES, ids=lambda v: "x".join(map(str, v)) if isinstance(v, tuple) else v
)
def test_covariance_of_a_chunk(benchmark: Any, shape: tuple[int, int], layers: int) -> None:
    rng = np.random.default_rng(0)
    matrices = [rng.standard_normal(shape, np.float32) + 1 for _ in range(layers)]
    kernels = CompiledKernels([shape[1]] * layers)
    rows = tuple((tf.constant(matrix),) for matrix in matrices)

    def ours() -> np.ndarray:
        (state,) = kernels.absorb(kernels.empty(), rows)
        assert isinstance(state, CovarianceState)
        return state.scatter.numpy()

    check(ours(), matrices)
    bare = interleave(ours, lambda: [m.T @ m for m in matrices], PAIRS, CALLS)
    cov = interleave(ours, lambda: [np.cov(m, rowvar=False) for m in matrices], PAIRS, CALLS)
    ROWS.append(Measured(shape, layers, bare, cov))
    benchmark.extra_info.update(
        rows=shape[0], channels=shape[1], layers=layers, bare=bare.info(), cov=cov.info()
    )
    benchmark.pedantic(ours, rounds=20, warmup_rounds=5)
    assert cov.median <= 1
    assert bare.median <= MOST_OF_BARE


def check(scatter: np.ndarray, matrices: Sequence[np.ndarray]) -> None:
    """Every layer's covariance is what NumPy makes of the rows in float64."""
    for found, matrix in zip(scatter, matrices, strict=True):
        count, channels = matrix.shape
        expected = np.cov(matrix.astype(np.float64), rowvar=False)
        # products of float32 numbers, rounded as they are added up
        atol = 8 * np.finfo(np.float32).eps * np.abs(expected).max()
        np.testing.assert_allclose(
            found[:channels, :channels] / (count - 1), expected, rtol=0, atol=atol
        )


def write_table() -> None:
    """The section on covariances in ``bench/RESULTS.md``."""
    rows = []
    for shape, layers, bare, cov in ROWS:
        low, high = bare.quartiles
        per_layer = 1000 / layers
        rows.append(
            (
                *(f"{shape[0]} x {shape[1]}", layers),
                f"{per_layer * np.median(bare.seconds_a):.3f}",
                f"{per_layer * np.median(bare.seconds_b):.3f}",
                *(f"{bare.median:.2f} ({low:.2f} to {high:.2f})", f"{cov.median:.2f}"),
                "met" if bare.median <= MOST_OF_BARE and cov.median <= 1 else "missed",
            )
        )
    write_section(
        "Covariance of a chunk",
        command_of(__file__),
        [
            "One call of the compiled `absorb` (shift, product, merge in float64) against a bare "
            "float32 `X.T @ X` in NumPy and against `numpy.cov`: the median of "
            f"{PAIRS} ratios, taken in turn, {CALLS} calls each, and their quartiles. "
            f"{BLAS_SETTINGS}"
        ],
        (
            *("rows x channels", "layers", "ms a layer", "bare, ms", "over bare"),
            *("over numpy.cov", f"at most {MOST_OF_BARE} and 1"),
        ),
        rows,
    )

"""Speed of the eigenvalue kernel against LAPACK (NumPy) and XLA's own solver.

Each rival runs in turn with ours on the same matrices, and what is asserted is the median of the
ratios of neighbours in time, so a slow spell of the machine hits both.
"""

import functools
import os
import platform
import time
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from pytest_benchmark.fixture import BenchmarkFixture

from kernels.spectrum import eigenvalues

Solver = Callable[[], np.ndarray]

# variables that change which LAPACK kernels NumPy runs, and so what we are compared with
OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS")

FIRST_CALL_SECONDS: dict[tuple[int, int], float] = {}


@functools.cache
def matrices(size: int, count: int) -> np.ndarray:
    rows = np.random.default_rng(size).standard_normal((count, 2 * size, size))
    covariances = np.swapaxes(rows, -1, -2) @ rows / (2 * size)
    return covariances if count > 1 else covariances[0]


@functools.cache
def ours(size: int, count: int = 1) -> Solver:
    """The compiled kernel on these matrices, compiled and checked."""
    run, given = tf.function(eigenvalues, jit_compile=True), tf.constant(matrices(size, count))
    expected = np.linalg.eigvalsh(matrices(size, count))[..., ::-1]
    begin = time.perf_counter()
    found = run(given).numpy()
    FIRST_CALL_SECONDS[size, count] = time.perf_counter() - begin
    bound = 4 * size * np.finfo(np.float64).eps * np.max(np.abs(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
    return lambda: run(given).numpy()


def lapack(size: int, count: int = 1) -> Solver:
    given = matrices(size, count)
    if count == 1:
        return lambda: np.linalg.eigvalsh(given)
    return lambda: np.stack([np.linalg.eigvalsh(one) for one in given])


def xla_jacobi(size: int) -> Solver:
    run, given = tf.function(tf.linalg.eigvalsh, jit_compile=True), tf.constant(matrices(size, 1))
    return lambda: run(given).numpy()


def seconds(solver: Solver) -> float:
    begin = time.perf_counter()
    solver()
    return time.perf_counter() - begin


def in_turn(mine: Solver, rival: Solver, rounds: int) -> np.ndarray:
    """Seconds [rounds, 2] of one call each, in alternating order."""
    for _ in range(2):
        mine()
        rival()
    pairs = []
    for turn in range(rounds):
        if turn % 2:
            pairs.append((seconds(mine), seconds(rival)))
        else:
            pairs.append((seconds(rival), seconds(mine))[::-1])
    return np.array(pairs)


def record(benchmark: BenchmarkFixture, size: int, count: int = 1, **facts: float) -> None:
    benchmark.extra_info.update(
        size=size,
        count=count,
        first_call_seconds=FIRST_CALL_SECONDS[size, count],
        tensorflow=tf.__version__,
        numpy=np.__version__,
        machine=platform.machine(),
        cores=os.cpu_count(),
        load=os.getloadavg()[0],
        openblas={name: os.environ.get(name) for name in OPENBLAS},
        **facts,
    )


def compare(
    benchmark: BenchmarkFixture, size: int, rival: Solver, rounds: int, count: int = 1
) -> float:
    """The median of our time over the rival's; benchmark's own table shows ours."""
    mine = ours(size, count)
    benchmark.pedantic(mine, rounds=rounds, warmup_rounds=2)
    times = in_turn(mine, rival, rounds)
    ratio = float(np.median(times[:, 0] / times[:, 1]))
    medians, fastest = np.median(times, axis=0) * 1e3, np.min(times, axis=0) * 1e3
    record(
        benchmark,
        size,
        count,
        ratio=ratio,
        our_median_ms=medians[0],
        rival_median_ms=medians[1],
        our_least_ms=fastest[0],
        rival_least_ms=fastest[1],
    )
    return ratio


@pytest.mark.parametrize(("size", "rounds"), [(128, 200), (256, 100), (512, 40)])
def test_at_most_three_times_lapack(benchmark: BenchmarkFixture, size: int, rounds: int) -> None:
    assert compare(benchmark, size, lapack(size), rounds) <= 3


@pytest.mark.parametrize("size", [8, 16, 32, 48, 63])
def test_less_than_half_a_millisecond(benchmark: BenchmarkFixture, size: int) -> None:
    mine = ours(size)
    times = [seconds(mine) for _ in range(300)]
    benchmark.pedantic(mine, rounds=300, warmup_rounds=2)
    record(benchmark, size, our_median_ms=float(np.median(times)) * 1e3)
    assert np.median(times) < 0.5e-3


@pytest.mark.parametrize(
    ("size", "rounds", "times_faster"), [(64, 50, 6), (128, 20, 15), (256, 8, 15), (512, 3, 15)]
)
def test_times_faster_than_the_solver_of_xla(
    benchmark: BenchmarkFixture, size: int, rounds: int, times_faster: float
) -> None:
    assert 1 / compare(benchmark, size, xla_jacobi(size), rounds) >= times_faster


@pytest.mark.parametrize(("size", "count"), [(16, 16), (64, 16), (128, 16), (64, 64)])
def test_a_batch_against_a_loop_over_lapack(
    benchmark: BenchmarkFixture, size: int, count: int
) -> None:
    """Recorded, with no target of its own but the one of single matrices."""
    assert compare(benchmark, size, lapack(size, count), 20, count) <= 3

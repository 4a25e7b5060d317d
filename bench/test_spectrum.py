"""Speed of the eigenvalue kernel against LAPACK (NumPy) and XLA's own solver.

Each rival runs in turn with ours on the same float64 matrices.
"""

import functools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from pytest_benchmark.fixture import BenchmarkFixture

from bench import resident
from bench.interleaved import Ratios, interleave
from bench.results import BLAS_SETTINGS, command_of, write_section
from nasmon.kernels.compiled import CompiledKernels
from nasmon.kernels.devices import CPU
from nasmon.kernels.spectrum import eigenvalues

Solver = Callable[[], np.ndarray]


class Case(NamedTuple):
    """What is solved, how often, and what the ratio is to be at most."""

    size: int
    matrices: int
    rival: str
    most: float
    pairs: int
    calls: int


KERNEL, ORDINARY = "ours", "TensorFlow's ordinary kernel"
LAPACK, JACOBI = "LAPACK, one after another", "XLA's own solver"

CASES = (
    *(Case(size, 1, LAPACK, 1, 15, calls) for size, calls in ((64, 15), (128, 9), (256, 5))),
    Case(512, 1, LAPACK, 1, 9, 3),
    *(Case(size, 16, LAPACK, 0.8, 9, 3) for size in (16, 64, 128)),
    Case(64, 64, LAPACK, 0.8, 9, 2),
    Case(64, 1, JACOBI, 1 / 6, 9, 5),
    *(Case(size, 1, JACOBI, 1 / 20, 5, calls) for size, calls in ((128, 3), (256, 1), (512, 1))),
)
# what a reading uses for layers wider than CPU.widest
OUTSIDE = (
    *(Case(size, 1, LAPACK, 3, 7, calls) for size, calls in ((256, 5), (512, 3), (1024, 1))),
    Case(2048, 1, LAPACK, 3, 3, 1),
    Case(256, 8, LAPACK, 3, 7, 1),
)
# a late layer of MobileNetV2: 9 positions of 16 images of 96 x 96
FEW_ROWS, OF_CHANNELS = 144, 1280
MEMORY_OF, TIMES_THE_MATRIX = 2048, 4
MEASURED: list[tuple[str, Case, Ratios, float]] = []
BESIDES: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Writes the table when all of it was measured."""
    yield
    if len(MEASURED) == len(CASES) + len(OUTSIDE) and len(BESIDES) == 1 + resident.AVAILABLE:
        write_table()


@functools.cache
def matrices(size: int, count: int) -> np.ndarray:
    rows = np.random.default_rng(size).standard_normal((count, 2 * size, size))
    return np.swapaxes(rows, -1, -2) @ rows / (2 * size)


@functools.cache
def ours(size: int, count: int, ordinary: bool = False) -> tuple[Solver, float]:
    """The compiled kernel on these matrices, checked; and the seconds of its first call."""
    given = tf.constant(matrices(size, count))
    if ordinary:
        run = tf.function(tf.linalg.eigvalsh)
    else:
        # not the function itself: its argument of a device is looked at in every call, 0.25 ms
        run = tf.function(lambda m: eigenvalues(m), jit_compile=True)
    expected = np.linalg.eigvalsh(matrices(size, count))
    begun = time.perf_counter()
    found = run(given).numpy()
    first = time.perf_counter() - begun
    bound = 4 * size * np.finfo(np.float64).eps * np.max(np.abs(expected))
    np.testing.assert_allclose(np.sort(found), expected, rtol=0, atol=bound)
    return lambda: run(given).numpy(), first


def rival(case: Case) -> Solver:
    given = matrices(case.size, case.matrices)
    if case.rival == LAPACK:
        return lambda: np.stack([np.linalg.eigvalsh(one) for one in given])
    run, tensor = tf.function(tf.linalg.eigvalsh, jit_compile=True), tf.constant(given)
    return lambda: run(tensor).numpy()


def compare(benchmark: BenchmarkFixture, solver: str, case: Case) -> Ratios:
    """Our time over the rival's; benchmark's own table shows ours."""
    mine, first = ours(case.size, case.matrices, solver == ORDINARY)
    other = rival(case)
    other()
    found = interleave(mine, other, case.pairs, case.calls)
    MEASURED.append((solver, case, found, first))
    benchmark.extra_info.update(found.info(), **case._asdict(), first_call_seconds=first)
    benchmark.pedantic(mine, rounds=5, warmup_rounds=1)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.matrices}x{c.size}-{c.rival[:3]}")
def test_the_kernel(benchmark: BenchmarkFixture, case: Case) -> None:
    assert compare(benchmark, KERNEL, case).median <= case.most


@pytest.mark.parametrize("case", OUTSIDE, ids=lambda c: f"{c.matrices}x{c.size}")
def test_what_wide_layers_use(benchmark: BenchmarkFixture, case: Case) -> None:
    assert case.size > CPU.widest
    assert compare(benchmark, ORDINARY, case).median <= case.most


def test_a_layer_of_few_rows_is_solved_by_them(benchmark: BenchmarkFixture) -> None:
    """By the smaller Gram matrix, over by the larger: the whole ``measure``, correlations too."""
    rows = np.random.default_rng(0).standard_normal((FEW_ROWS, OF_CHANNELS), np.float32)

    def measuring(most: int | None) -> Callable[[], np.ndarray]:
        kernels = CompiledKernels([OF_CHANNELS], [most])
        states = kernels.absorb(kernels.empty(), ((tf.constant(rows),),))
        return lambda: kernels.measure(states)[0].eigenvalues

    mine, other = measuring(FEW_ROWS), measuring(None)
    largest = mine()[0]
    np.testing.assert_allclose(mine(), other(), rtol=0, atol=1e-6 * largest)
    found = interleave(mine, other, 9)
    low, high = found.quartiles
    BESIDES.append(
        f"A layer of {OF_CHANNELS} channels and {FEW_ROWS} rows, solved by its rows, takes "
        f"{found.median:.2f} ({low:.2f} to {high:.2f}) of the time by its channels, all of "
        f"`measure` counted: {1000 * np.median(found.seconds_a):.0f} ms instead of "
        f"{1000 * np.median(found.seconds_b):.0f}."
    )
    benchmark.extra_info.update(found.info())
    benchmark.pedantic(mine, rounds=5, warmup_rounds=1)
    assert found.median <= 1


@pytest.mark.skipif(not resident.AVAILABLE, reason="no peaks of memory on this system")
def test_memory_of_the_widest(benchmark: BenchmarkFixture) -> None:
    command = [sys.executable, "-m", "bench.once.widest", str(MEMORY_OF)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}

    def run() -> float:
        folder = Path(__file__).parents[1]
        out = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        return int(out.stdout) / (8 * MEMORY_OF**2)

    times = benchmark.pedantic(run, rounds=1)
    BESIDES.append(
        f"TensorFlow's kernel takes {times:.1f} times the matrix of {MEMORY_OF} channels on top of "
        f"it at its peak; at most {TIMES_THE_MATRIX}."
    )
    assert 0 < times <= TIMES_THE_MATRIX


@pytest.mark.parametrize("size", [8, 16, 32, 48, 63])
def test_less_than_half_a_millisecond(benchmark: BenchmarkFixture, size: int) -> None:
    mine, _ = ours(size, 1)
    times = []
    for _ in range(300):
        begun = time.perf_counter()
        mine()
        times.append(time.perf_counter() - begun)
    benchmark.pedantic(mine, rounds=300, warmup_rounds=2)
    assert np.median(times) < 0.5e-3


def write_table() -> None:
    """The section on eigenvalues in ``bench/RESULTS.md``."""
    rows = []
    for solver, case, found, first in MEASURED:
        low, high = found.quartiles
        ratio = f"{found.median:.2f} ({low:.2f} to {high:.2f})"
        if case.rival == JACOBI:
            ratio = f"1 / {1 / found.median:.1f}"
        most = f"1 / {1 / case.most:.0f}" if case.rival == JACOBI else f"{case.most}"
        rows.append(
            (
                *(solver, f"{case.matrices} of {case.size}", case.rival),
                f"{1000 * np.median(found.seconds_a):.2f}",
                f"{1000 * np.median(found.seconds_b):.2f}",
                *(ratio, f"{most}: {'met' if found.median <= case.most else 'missed'}"),
                f"{first:.1f}",
            )
        )
    write_section(
        "Eigenvalues",
        command_of(__file__),
        [
            "All eigenvalues of symmetric float64 matrices, from the call to the result on the "
            "host: the median of the ratios, taken in turn, and their quartiles. Layers of up to "
            f"{CPU.widest} channels are solved by the kernel, inside XLA; wider ones by "
            f"TensorFlow's ordinary kernel, between two XLA programs. {BLAS_SETTINGS}",
            " ".join(BESIDES),
        ],
        (
            *("solver", "matrices", "rival", "ms", "rival, ms", "ratio", "at most"),
            "first call, s",
        ),
        rows,
    )

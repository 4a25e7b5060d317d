"""Eigenvalues against LAPACK in twice the precision, eagerly and as an XLA program."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from nasmon.kernels.devices import CPU, GPU, Device
from nasmon.kernels.spectrum import eigenvalues, eigenvalues_of_batches

Solver = Callable[[tf.Tensor], tf.Tensor]

DEVICES = pytest.mark.parametrize("device", [CPU, GPU], ids=lambda device: device.name)

EAGER_SIZES = [1, 2, 3, 8, 17]
SIZES = [1, 2, 3, 8, 17, 64, 130, 257]
HARDEST = ["rank deficient", "graded by rows", "clustered", "wilkinson"]
DTYPES = ["float32", "float64"]


@functools.cache
def compiled(device: Device = CPU) -> tf.types.experimental.PolymorphicFunction:
    # a CPU's XLA passes over the barriers that a GPU's heeds: what is for a GPU runs as a graph
    return tf.function(functools.partial(eigenvalues, device=device), jit_compile=device is CPU)


def from_spectrum(spectrum: np.ndarray) -> np.ndarray:
    """A symmetric matrix with these eigenvalues, in a random basis."""
    rng = np.random.default_rng(len(spectrum))
    basis = np.linalg.qr(rng.standard_normal((len(spectrum), len(spectrum))))[0]
    matrix = (basis * spectrum) @ basis.T
    return (matrix + matrix.T) / 2


def rank_deficient(size: int) -> np.ndarray:
    rows = np.random.default_rng(size).standard_normal((max(1, size // 3), size))
    return rows.T @ rows


def wilkinson(size: int) -> np.ndarray:
    beside = np.ones(size - 1)
    diagonal = np.abs(np.arange(size) - (size - 1) / 2)
    return np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1)


def indefinite(size: int) -> np.ndarray:
    matrix = np.random.default_rng(size).standard_normal((size, size))
    return matrix + matrix.T


def one_channel(size: int) -> np.ndarray:
    matrix = np.zeros((size, size))
    matrix[size // 2, size // 2] = 3.0
    return matrix


def clustered(size: int) -> np.ndarray:
    spectrum = np.where(np.arange(size) < size // 2, 1.0, 0.25)
    return from_spectrum(spectrum + 1e-14 * np.arange(size))


def graded_by_rows(size: int) -> np.ndarray:
    scale = np.geomspace(1, 1e-6, size)
    return indefinite(size) * scale * scale[:, None]


def alternating(size: int) -> np.ndarray:
    """Zero diagonal and zero trace; the eigenvalues come in pairs of opposite sign."""
    beside = np.ones(size - 1)
    return np.diag(beside, 1) + np.diag(beside, -1)


FAMILIES: dict[str, Callable[[int], np.ndarray]] = {
    "well conditioned": lambda size: from_spectrum(np.linspace(1, 2, size)),
    "rank deficient": rank_deficient,
    "rank one": lambda size: np.ones((size, size)),
    "diagonal": lambda size: np.diag(np.random.default_rng(size).uniform(-1, 1, size)),
    "identity": lambda size: np.eye(size),
    "zero": lambda size: np.zeros((size, size)),
    "one channel": one_channel,
    "graded": lambda size: from_spectrum(np.geomspace(1, 1e-12, size)),
    "graded by rows": graded_by_rows,
    "clustered": clustered,
    "wilkinson": wilkinson,
    "alternating": alternating,
    "indefinite": indefinite,
    "negative": lambda size: -rank_deficient(size),
}


def oracle(matrices: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(matrices.astype(np.float64))[..., ::-1]


def assert_eigenvalues(
    found: np.ndarray, matrices: np.ndarray, scale: float | np.ndarray = 1.0
) -> None:
    """Within the docstring's bound, for what was found of the matrices times ``scale`` [...]."""
    # LAPACK is asked about the unscaled ones: scaled, its own squares are what is in doubt
    expected, size = oracle(matrices), matrices.shape[-1]
    largest = np.max(np.abs(expected), axis=-1, keepdims=True)
    limits, scale = np.finfo(matrices.dtype), np.asarray(scale)[..., None]
    bound = 4 * size * (float(limits.eps) * largest + float(limits.tiny) / scale)
    error = np.abs(found.astype(np.float64) / scale - expected)
    assert found.dtype == matrices.dtype
    assert np.all(error <= bound), f"{np.max(error / bound)} of the bound"
    assert np.all(np.diff(found, axis=-1) <= 0)


def families(size: int, dtype: str) -> np.ndarray:
    return np.stack([make(size) for make in FAMILIES.values()]).astype(dtype)


def hardest(size: int, dtype: str) -> np.ndarray:
    return np.stack([FAMILIES[name](size) for name in HARDEST]).astype(dtype)


@DEVICES
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_every_family_within_the_bound(size: int, dtype: str, device: Device) -> None:
    matrices = families(size, dtype) if size <= 130 else hardest(size, dtype)
    assert_eigenvalues(compiled(device)(tf.constant(matrices)).numpy(), matrices)


@DEVICES
def test_a_large_one_within_the_bound(device: Device) -> None:
    (matrix,) = hardest(512, "float64")[:1]
    assert_eigenvalues(compiled(device)(tf.constant(matrix)).numpy(), matrix)


class Batch(NamedTuple):
    """Matrices of a width, each of some family and order of magnitude."""

    matrices: np.ndarray  # [L, C, C]  before they are scaled
    scales: np.ndarray  # [L]


@st.composite
def batches_of_any_width(draw: st.DrawFn) -> Batch:
    width = draw(st.integers(1, 300))
    kinds = draw(st.lists(st.sampled_from(sorted(FAMILIES)), min_size=1, max_size=3))
    scales = [10.0 ** draw(st.integers(-315, 300)) for _ in kinds]
    return Batch(np.stack([FAMILIES[kind](width) for kind in kinds]), np.array(scales))


def solved_together(batches: list[np.ndarray], device: Device) -> list[np.ndarray]:
    run = tf.function(lambda *own: eigenvalues_of_batches(own, device), autograph=False)
    return [own.numpy() for own in run(*map(tf.constant, batches))]


@DEVICES
@settings(max_examples=8, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(st.lists(batches_of_any_width(), min_size=1, max_size=3))
@example([Batch(families(20, "float64"), np.full(len(FAMILIES), 1e-307))])
def test_batches_of_any_widths(device: Device, batches: list[Batch]) -> None:
    scaled = [own.matrices * own.scales[:, None, None] for own in batches]
    for found, own in zip(solved_together(scaled, device), batches, strict=True):
        assert_eigenvalues(found, own.matrices, own.scales)


@DEVICES
def test_batches_that_meet_in_one_window(device: Device) -> None:
    """A wide matrix goes on with those of the width to which it has shrunk; one is not finite."""
    batches = [families(size, "float64") for size in (96, 64, 17, 1)]
    batches[1][3, 0, 0] = np.nan
    found = solved_together(batches, device)
    assert np.isnan(found[1][3]).all()
    for own, matrices in zip(found, batches, strict=True):
        finite = np.isfinite(matrices).all((1, 2))
        assert_eigenvalues(own[finite], matrices[finite])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", EAGER_SIZES)
def test_eager_within_the_bound(size: int, dtype: str) -> None:
    matrices = families(size, dtype)
    assert_eigenvalues(eigenvalues(tf.constant(matrices)).numpy(), matrices)


def test_wilkinson_pairs_closer_than_eps() -> None:
    """Pairs that agree in every digit: bisection must find both, not one of them twice."""
    matrix = wilkinson(257)
    found = compiled()(tf.constant(matrix)).numpy()
    assert_eigenvalues(found, matrix)
    assert np.all(found[:40:2] - found[1:40:2] <= 4 * 257 * np.finfo(np.float64).eps * found[0])
    assert found[38] - found[40] > 0.5


def test_second_difference_matrix_has_its_known_eigenvalues() -> None:
    size = 257
    exact = 2 - 2 * np.cos(np.arange(size, 0, -1) * np.pi / (size + 1))
    found = compiled()(tf.constant(2 * np.eye(size) - alternating(size))).numpy()
    bound = 4 * size * np.finfo(np.float64).eps * exact[0]
    np.testing.assert_allclose(found, exact, rtol=0, atol=bound)


@pytest.mark.parametrize("run", [eigenvalues, compiled()], ids=["eager", "compiled"])
def test_bisection_that_meets_an_eigenvalue_exactly(run: Solver) -> None:
    """A zero in the Sturm sequence once counted twice: 1.2856 came out as 1.28125, for C = 17."""
    matrix = alternating(17)
    assert_eigenvalues(run(tf.constant(matrix)).numpy(), matrix)


@pytest.mark.parametrize("scale", [1e19, 1e-30, 1e37])
@pytest.mark.parametrize("run", [eigenvalues, compiled()], ids=["eager", "compiled"])
def test_entries_whose_squares_leave_float32(run: Solver, scale: float) -> None:
    """tensorflow issue 117807: the stock solver returns NaN or zeros for these."""
    matrices = (families(8, "float64") * scale).astype(np.float32)
    assert_eigenvalues(run(tf.constant(matrices)).numpy(), matrices)


@pytest.mark.parametrize("scale", [1e250, 1e-250])
def test_entries_whose_squares_leave_float64(scale: float) -> None:
    matrices = families(8, "float64") * scale
    assert_eigenvalues(compiled()(tf.constant(matrices)).numpy(), matrices / scale, scale)


@pytest.mark.parametrize("run", [eigenvalues, compiled()], ids=["eager", "compiled"])
def test_zeros_give_zeros(run: Solver) -> None:
    np.testing.assert_array_equal(run(tf.zeros([2, 5, 5])).numpy(), np.zeros([2, 5]))


@pytest.mark.parametrize("size", [1, 2, 8])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("run", [eigenvalues, compiled()], ids=["eager", "compiled"])
def test_a_matrix_that_is_not_finite_spoils_only_itself(
    run: Solver, wrong: float, size: int
) -> None:
    matrices = np.stack([indefinite(size)] * 3)
    matrices[1, -1, 0] = wrong
    found = run(tf.constant(matrices)).numpy()
    assert np.all(np.isnan(found[1]))
    assert_eigenvalues(found[[0, 2]], matrices[[0, 2]])


@pytest.mark.parametrize("leading", [(), (1,), (2, 3), (2, 1, 2)])
@pytest.mark.parametrize("run", [eigenvalues, compiled()], ids=["eager", "compiled"])
def test_leading_dimensions(run: Solver, leading: tuple[int, ...]) -> None:
    rows = np.random.default_rng(0).standard_normal((*leading, 7, 5))
    matrices = np.swapaxes(rows, -1, -2) @ rows
    found = run(tf.constant(matrices)).numpy()
    assert found.shape == (*leading, 5)
    assert_eigenvalues(found, matrices)


def test_unknown_number_of_matrices_in_an_ordinary_graph() -> None:
    graph = tf.function(eigenvalues, input_signature=[tf.TensorSpec([None, 6, 6], tf.float64)])
    for count in (1, 3):
        matrices = np.stack([indefinite(6)] * count)
        assert_eigenvalues(graph(tf.constant(matrices)).numpy(), matrices)


def test_matrices_of_a_batch_do_not_see_each_other() -> None:
    matrices = families(8, "float64")
    together = compiled()(tf.constant(matrices)).numpy()
    backwards = compiled()(tf.constant(matrices[::-1].copy())).numpy()
    np.testing.assert_array_equal(together, backwards[::-1])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.ones((3, 4)), r"\(3, 4\): pass \[\.\.\., C, C\]"),
        (np.ones(3), r"\(3,\): pass \[\.\.\., C, C\]"),
        (np.ones((2, 0, 0)), r"\(2, 0, 0\): pass .* C of 1 or more"),
        (np.ones((2, 2), np.int32), "int32: cast them to float32 or float64"),
        (np.ones((2, 2), np.complex64), "complex64: cast them to float32 or float64"),
    ],
)
def test_wrong_input_is_named(wrong: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        eigenvalues(tf.constant(wrong))


def test_unknown_size_is_refused() -> None:
    graph = tf.function(eigenvalues, input_signature=[tf.TensorSpec([None, None], tf.float64)])
    with pytest.raises(ValueError, match="known C"):
        graph(tf.eye(3, dtype=tf.float64))


def test_a_second_call_compiles_nothing() -> None:
    run = tf.function(eigenvalues, jit_compile=True)
    run(tf.eye(4))
    run(tf.ones([4, 4]))
    assert run.experimental_get_tracing_count() == 1

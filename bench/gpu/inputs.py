"""Inputs of a program, drawn from seeds: the same numbers on every machine, and nothing to copy."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

DIRECTIONS = 8
"""Directions in which a drawn covariance is larger than its diagonal."""


class Input(NamedTuple):
    """How to draw an argument of a program."""

    kind: str  # one of KINDS
    shape: tuple[int, ...]
    dtype: str  # NumPy's name
    seed: int = 0
    value: float = 1.0  # of a constant; what covariances are multiplied by


def draw(given: Input) -> np.ndarray:
    """The argument."""
    drawn = KINDS[given.kind](np.random.default_rng(given.seed), given)
    return drawn.astype(given.dtype, copy=False)


def _constant(rng: np.random.Generator, given: Input) -> np.ndarray:
    return np.full(given.shape, given.value)


def _rows(rng: np.random.Generator, given: Input) -> np.ndarray:
    """Numbers whose scale decays over the last axis, with an offset, like activations."""
    scales = np.linspace(2, 0.02, given.shape[-1] if given.shape else 1, dtype=np.float32)
    return rng.standard_normal(given.shape, np.float32) * scales + scales


def _covariances(rng: np.random.Generator, given: Input) -> np.ndarray:
    """A few strong directions and a diagonal: a condition number of about 20.

    So small that rounding in float32 leaves every metric right to a few digits less than its own.
    """
    size = given.shape[-1]
    strengths = np.arange(1, DIRECTIONS + 1) / size
    directions = rng.standard_normal((*given.shape[:-1], DIRECTIONS))
    strong = (directions * strengths) @ np.swapaxes(directions, -1, -2)
    # rounding may leave it a hair from symmetric
    strong = (strong + np.swapaxes(strong, -1, -2)) / 2
    return given.value * (strong + np.diag(np.linspace(1.5, 0.5, size)))


def _weights(rng: np.random.Generator, given: Input) -> np.ndarray:
    """Kernels that keep the scale of what passes them; vectors, among them variances, near 1."""
    if len(given.shape) < 2:
        return rng.uniform(0.5, 1.5, given.shape)
    incoming = np.prod(given.shape[:-1])
    return rng.standard_normal(given.shape, np.float32) * np.sqrt(np.float32(2 / incoming))


KINDS: dict[str, Callable[[np.random.Generator, Input], np.ndarray]] = {
    "constant": _constant,
    "rows": _rows,
    "covariances": _covariances,
    "weights": _weights,
}

"""How far two machines' results of a program are apart."""

import numpy as np

KEPT = 4096
"""Numbers of each output that are kept to compare with: a file of them stays small."""

SCALES = ("largest", "each")
"""What a difference is divided by. "largest": the largest number of its output, for sums whose
terms cancel. "each": the number itself, or 1 where it is less, for outputs that hold different
things, as a few large numbers would hide all others; inputs are drawn so that these are near 1."""


def thin(output: np.ndarray) -> np.ndarray:
    """At most ``KEPT`` numbers of an output, evenly spaced."""
    flat = np.asarray(output).reshape(-1)
    return flat[:: max(1, -(-flat.size // KEPT))]


def difference(found: np.ndarray, expected: np.ndarray, scale: str) -> float:
    """The largest difference of two outputs, over what ``scale`` says.

    Returns:
        0 for equal ones; inf where shapes differ, or NaN and infinities stand in other places.
    """
    found, expected = (np.asarray(numbers, np.float64) for numbers in (found, expected))
    if found.shape != expected.shape:
        return np.inf
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite], equal_nan=True):
        return np.inf
    found, expected = found[finite], expected[finite]
    if not np.isfinite(found).all():
        return np.inf
    sizes = np.abs(expected)
    over = np.maximum(sizes, 1) if scale == "each" else sizes.max(initial=0) or 1.0
    return float((np.abs(found - expected) / over).max(initial=0))

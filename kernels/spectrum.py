"""Eigenvalues of real symmetric matrices, in tensor operations alone.

XLA has no LAPACK on its devices, and its own solver is a Jacobi loop, many times slower than what
is here (bench/test_spectrum.py). Two steps, both of them on whole batches: the matrices are made
tridiagonal, see ``tridiagonal``, and all eigenvalues of those are found at once, see ``bisection``.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from nasmon.kernels.bisection import ascending_eigenvalues
from nasmon.kernels.devices import CPU, Device
from nasmon.kernels.tridiagonal import tridiagonals


def eigenvalues(matrices: tf.Tensor, device: Device = CPU) -> tf.Tensor:
    """All eigenvalues of real symmetric matrices, largest first.

    Plain operations for eager use, for `tf.function`, and for XLA, where it is meant to run. Each
    matrix is divided by a power of two near its largest absolute entry, so squares of 1e19 or 1e-30
    stay inside float32. (Its trace would not do: an indefinite matrix may have none.) An NVIDIA GPU
    may round float32 products to TF32: pass float64 there.

    Args:
        matrices: [..., C, C], float32 or float64, C known and at least 1. Symmetry is the caller's
            word and is not checked. Leading dimensions are free and may be unknown.
        device: where it is to run.

    Returns:
        [..., C] in the type given, descending, in the unit of the entries. With l1 the largest
        absolute eigenvalue, each is within `4 * C * (eps * l1 + tiny)` of the true one, eps and
        tiny (the smallest normal number) being those of the type: an eigenvalue much smaller than
        l1 may so come out as zero or below. A matrix of zeros gives zeros. A matrix that holds NaN
        or infinity gives NaN, itself alone.

    Raises:
        ValueError: not float32 or float64, not square, fewer than two dimensions, or a C that is
            0 or unknown.

    Example:
        >>> eigenvalues(tf.constant([[2.0, 1.0], [1.0, 2.0]])).numpy().round(5).tolist()
        [3.0, 1.0]
    """
    matrices = tf.convert_to_tensor(matrices)
    _require_square_floats(matrices)
    return eigenvalues_of_batches([matrices], device)[0]


def eigenvalues_of_batches(batches: Sequence[tf.Tensor], device: Device) -> list[tf.Tensor]:
    """The same for matrices [L, C, C] of several widths, which share the work where that pays.

    Args:
        batches: each with an L and C of its own; all of one dtype.
        device: where it is to run.
    """
    if not batches:
        return []
    scales = [_scale(matrices) for matrices in batches]
    finite = [tf.math.is_finite(scale) for scale in scales]
    scaled = [
        tf.where(good, matrices / scale, 0)
        for matrices, scale, good in zip(batches, scales, finite, strict=True)
    ]
    dtype = scaled[0].dtype
    ascending = ascending_eigenvalues(tridiagonals(scaled, device), dtype, device)
    return [
        tf.where(good[..., 0], tf.reverse(tf.cast(own, dtype) * scale[..., 0], [-1]), np.nan)
        for own, scale, good in zip(ascending, scales, finite, strict=True)
    ]


def _scale(matrices: tf.Tensor) -> tf.Tensor:
    """A power of two near each matrix's largest absolute entry, [..., 1, 1]; inf if not finite."""
    # NaN becomes infinity, for what a maximum does with NaN differs between devices
    sizes = tf.where(tf.math.is_finite(matrices), tf.abs(matrices), np.inf)
    return _power_of_two(tf.reduce_max(sizes, axis=(-2, -1), keepdims=True))


def _require_square_floats(matrices: tf.Tensor) -> None:
    if matrices.dtype not in (tf.float32, tf.float64):
        raise ValueError(f"matrices are {matrices.dtype.name}: cast them to float32 or float64")
    shape = matrices.shape
    if shape.rank is None or shape.rank < 2 or not shape[-1] or shape[-1] != shape[-2]:
        raise ValueError(
            f"matrices have shape {shape}: pass [..., C, C] with a known C of 1 or more"
        )


def _power_of_two(largest: tf.Tensor) -> tf.Tensor:
    """`largest` rounded down to a power of two, so that dividing by it is exact; 1 for 0."""
    bits, exponent = {
        tf.float32: (tf.int32, 0xFF << 23),
        tf.float64: (tf.int64, 0x7FF << 52),
    }[largest.dtype]
    kept = tf.bitwise.bitwise_and(tf.bitcast(largest, bits), tf.constant(exponent, bits))
    power = tf.bitcast(kept, largest.dtype)
    return tf.where(power > 0, power, 1)

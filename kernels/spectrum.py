"""Eigenvalues of real symmetric matrices, in tensor operations alone.

XLA has no LAPACK on its devices, and its own solver is a Jacobi loop, many times slower than what
is here (bench/test_spectrum.py). Two steps, both of them on whole batches:

1. Householder reflections make the matrix tridiagonal with the same eigenvalues (Golub and Van
   Loan, Matrix Computations, 4th ed., 8.3.1; Martin, Reinsch and Wilkinson, Numer. Math. 11, 1968).
2. Bisection finds every eigenvalue of it at once: the signs of a Sturm sequence at x count the
   eigenvalues below x (Givens 1954; Barth, Martin and Wilkinson, Numer. Math. 9, 1967; that
   rounding cannot spoil the count: Kahan 1966; Demmel, Dhillon and Ren, ETNA 3, 1995).
"""

import math

import numpy as np
import tensorflow as tf

from nasmon.kernels.products import outer

Blocks = tuple[tf.Tensor, tf.Tensor]

# XLA hands a loop's elementwise work of 256 kB or more to two threads, which at this size wait for
# each other longer than they work. So a lone matrix is updated in slabs of rows below that: up to
# 9 (C = 512 in float64), as each is one more kernel to compile in each window.
_LARGEST_SLAB = 240 * 1024
_MOST_SLABS = 9

# Points tried at once. Fewer would leave a small matrix waiting for the loop, not for arithmetic.
_LANES = 128

# Rows of a Sturm sequence between two divisions: with off-diagonals of at least _COUPLING and the
# diagonal within 2**13 of x its terms stay between 2**-952 and 2**304, inside float64.
_ROWS_PER_DIVISION = 8

# Off-diagonals smaller than this (the matrix has an entry of 1 or more) are raised to it, which
# moves no eigenvalue by more than twice as much: one eps of the largest.
_COUPLING = 2.0**-53


def eigenvalues(matrices: tf.Tensor) -> tf.Tensor:
    """All eigenvalues of real symmetric matrices, largest first.

    Plain operations for eager use, for `tf.function`, and for XLA, where it is meant to run. Each
    matrix is divided by a power of two near its largest absolute entry, so squares of 1e19 or 1e-30
    stay inside float32. (Its trace would not do: an indefinite matrix may have none.) An NVIDIA GPU
    may round float32 products to TF32: pass float64 there.

    Args:
        matrices: [..., C, C], float32 or float64, C known and at least 1. Symmetry is the caller's
            word and is not checked. Leading dimensions are free and may be unknown.

    Returns:
        [..., C] in the type given, descending, in the unit of the entries. With l1 the largest
        absolute eigenvalue, each is within `4 * C * eps * l1` of the true one, eps being that of
        the type: an eigenvalue much smaller than l1 may so come out as zero or below. A matrix
        of zeros gives zeros. A matrix that holds NaN or infinity gives NaN, itself alone.

    Raises:
        ValueError: not float32 or float64, not square, fewer than two dimensions, or a C that is
            0 or unknown.

    Example:
        >>> eigenvalues(tf.constant([[2.0, 1.0], [1.0, 2.0]])).numpy().round(5).tolist()
        [3.0, 1.0]
    """
    matrices = tf.convert_to_tensor(matrices)
    _require_square_floats(matrices)
    # NaN becomes infinity, for what a maximum does with NaN differs between devices
    sizes = tf.where(tf.math.is_finite(matrices), tf.abs(matrices), np.inf)
    largest = tf.reduce_max(sizes, axis=(-2, -1), keepdims=True)
    finite = tf.math.is_finite(largest)
    scale = _power_of_two(largest)
    scaled = tf.where(finite, matrices / scale, 0)
    ascending = _bisect(*_tridiagonal(scaled)) * scale[..., 0]
    return tf.where(finite[..., 0], tf.reverse(ascending, [-1]), np.nan)


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


def _tridiagonal(matrices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The diagonal [..., C] and off-diagonal [..., C - 1] of similar tridiagonal matrices."""
    rows = _rows_per_window(matrices)
    diagonals, off_diagonals = [], []
    while matrices.shape[-1] > rows:
        matrices = _reflect(matrices, rows)
        diagonals.append(tf.linalg.diag_part(matrices)[..., :rows])
        off_diagonals.append(tf.linalg.diag_part(matrices, k=1)[..., :rows])
        matrices = matrices[..., rows:, rows:]
    matrices = _reflect(matrices, matrices.shape[-1] - 2)
    diagonals.append(tf.linalg.diag_part(matrices))
    if matrices.shape[-1] > 1:
        off_diagonals.append(tf.linalg.diag_part(matrices, k=1))
    empty = diagonals[0][..., :0]
    return tf.concat(diagonals, -1), tf.concat([empty, *off_diagonals], -1)


def _rows_per_window(matrices: tf.Tensor) -> int:
    # Windows shrink in static steps: more of them save work in every call, and cost a loop each to
    # compile (0.1 s). Multiples of 8 rows, to fill vector registers.
    size = matrices.shape[-1]
    rows = -(-size // max(1, math.isqrt(size // 8)) // 8) * 8
    return min(rows, size // _slabs(matrices) // 8 * 8) or size


def _slabs(matrices: tf.Tensor) -> int:
    slabs = math.ceil(matrices.shape[-1] ** 2 * matrices.dtype.size / _LARGEST_SLAB)
    alone = matrices.shape[:-2].num_elements() == 1
    return slabs if alone and slabs <= _MOST_SLABS else 1


def _reflect(matrices: tf.Tensor, rows: int) -> tf.Tensor:
    """The first `rows` rows and columns made tridiagonal by one reflection each."""
    size = matrices.shape[-1]
    index = tf.range(size)
    limits = np.finfo(matrices.dtype.as_numpy_dtype)
    # below it the square of a row has lost more than eps to underflow; such a row counts as zero
    smallest = size * limits.tiny / limits.eps
    # the first slab must hold all rows that are read
    count = max(1, min(_slabs(matrices), size // max(1, rows)))
    heights = [len(part) for part in np.array_split(np.arange(size), count)]

    def step(k: tf.Tensor, *slabs: tf.Tensor) -> tuple[tf.Tensor, ...]:
        row = tf.where(index > k, tf.gather(slabs[0], k, axis=-2), 0)
        first = tf.gather(row, k + 1, axis=-1)[..., None]
        square = _dot(row, row)
        norm = tf.sqrt(square)
        v = row + tf.where(index == k + 1, tf.where(first < 0, -norm, norm), 0)
        half = tf.where(square > smallest, square + norm * tf.abs(first), np.inf)
        p = tf.concat([tf.linalg.matvec(slab, v) for slab in slabs], -1)
        # a division last, or XLA works w out anew for every entry of the matrix
        w = (p - _dot(p, v) / (2 * half) * v) / half
        own = zip(slabs, tf.split(v, heights, -1), tf.split(w, heights, -1), strict=True)
        return k + 1, *(slab - outer(v_own, w) - outer(w_own, v) for slab, v_own, w_own in own)

    slabs = tf.split(matrices, heights, axis=-2)
    return tf.concat(tf.while_loop(lambda k, *_: k < rows, step, (tf.constant(0), *slabs))[1:], -2)


def _dot(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    # as a product of matrices: XLA makes three kernels of a sum and one of this
    return tf.matmul(x[..., None, :], y[..., :, None])[..., 0]


def _bisect(diagonal: tf.Tensor, off_diagonal: tf.Tensor) -> tf.Tensor:
    """Ascending eigenvalues [..., C] of tridiagonal matrices whose largest entry is about 1."""
    size, dtype = diagonal.shape[-1], diagonal.dtype
    if size == 1:
        return diagonal
    # in float64 also for float32: its range spares the guards, and no matrix is involved any more
    diagonal, off_diagonal = tf.cast(diagonal, tf.float64), tf.cast(off_diagonal, tf.float64)
    reach = _gershgorin(diagonal, off_diagonal)
    blocks = _blocks_of_rows(diagonal, off_diagonal, reach)
    index = tf.range(size, dtype=tf.float64)[:, None]
    bits, passes = _plan(diagonal.shape, np.finfo(dtype.as_numpy_dtype).eps)
    tries = tf.range(1, 2**bits, dtype=tf.float64)

    def refine(i: tf.Tensor, fraction: tf.Tensor, width: tf.Tensor) -> tuple[tf.Tensor, ...]:
        width = width / 2**bits
        x = reach[..., None] * (fraction + width * tries)
        flat = tf.reshape(x, tf.concat([tf.shape(reach)[:-1], [size * (2**bits - 1)]], 0))
        below = tf.reshape(_count_below(flat, blocks), tf.shape(x))
        passed = tf.reduce_sum(tf.cast(below <= index, tf.float64), -1, keepdims=True)
        return i + 1, fraction + width * passed, width

    # the lower ends are dyadic fractions of the reach, so fifty passes add up no rounding
    whole = tf.fill(tf.shape(diagonal), tf.constant(-1, tf.float64))[..., None]
    _, fraction, width = tf.while_loop(
        lambda i, fraction, width: i < passes,
        refine,
        (tf.constant(0), whole, tf.constant(2, tf.float64)),
    )
    return tf.cast(reach * (fraction + width / 2)[..., 0], dtype)


def _plan(shape: tf.TensorShape, eps: float) -> tuple[int, int]:
    """Bits won by each pass, and passes needed."""
    size, together = shape[-1], shape.num_elements() or _LANES
    # Gershgorin's discs reach at most three times the largest eigenvalue, to both sides of zero
    needed = math.ceil(math.log2(6 / (2 * size * eps)))
    bits = max(1, int(math.log2(_LANES / together)))
    return bits, -(-needed // bits)


def _gershgorin(diagonal: tf.Tensor, off_diagonal: tf.Tensor) -> tf.Tensor:
    """A bound [..., 1] on the absolute value of all eigenvalues."""
    beside, zero = tf.abs(off_diagonal), tf.zeros_like(diagonal[..., :1])
    discs = tf.abs(diagonal) + tf.concat([zero, beside], -1) + tf.concat([beside, zero], -1)
    return tf.reduce_max(discs, axis=-1, keepdims=True)


def _blocks_of_rows(diagonal: tf.Tensor, off_diagonal: tf.Tensor, high: tf.Tensor) -> Blocks:
    """Diagonal and squares of the off-diagonal, [..., blocks, rows] each, in whole blocks."""
    size = diagonal.shape[-1]
    blocks = -(-size // _ROWS_PER_DIVISION)
    # a row above every x, hardly coupled, keeps the sign and so the count
    spare = tf.repeat(high + 1, blocks * _ROWS_PER_DIVISION - size, axis=-1)
    squares = tf.concat([tf.zeros_like(high), tf.square(off_diagonal), tf.zeros_like(spare)], -1)
    squares = tf.maximum(squares, _COUPLING**2)
    shape = tf.concat([tf.shape(diagonal)[:-1], [blocks, _ROWS_PER_DIVISION]], 0)
    return tf.reshape(tf.concat([diagonal, spare], -1), shape), tf.reshape(squares, shape)


def _count_below(x: tf.Tensor, blocks: Blocks) -> tf.Tensor:
    """How many eigenvalues are below each of x [..., points], as float64.

    The leading minors p of T - x obey p[i] = (d[i] - x) p[i-1] - e[i-1]^2 p[i-2], and change sign
    once for each eigenvalue below x. Between blocks only p[i] / p[i-1] is kept, which no size of C
    makes overflow. (XLA does not fuse rows that divide: a division in each took 100 times as long.)
    """
    diagonal, squares = blocks

    def block(k: tf.Tensor, p: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, ...]:
        d, e2 = tf.gather(diagonal, k, axis=-2), tf.gather(squares, k, axis=-2)
        before = tf.ones_like(p)
        for i in range(_ROWS_PER_DIVISION):
            before, p = p, (d[..., i : i + 1] - x) * p - e2[..., i : i + 1] * before
            count += tf.where((p < 0) != (before < 0), tf.constant(1, p.dtype), 0)
        # zero counts as positive all along, or an x that meets an eigenvalue counts it twice
        ratio = tf.clip_by_value(tf.abs(p) / tf.abs(before), 2.0**-200, 2.0**200)
        return k + 1, tf.where((p < 0) != (before < 0), -ratio, ratio), count

    start = (tf.constant(0), tf.ones_like(x), tf.zeros_like(x))
    return tf.while_loop(lambda k, p, count: k < diagonal.shape[-2], block, start)[2]

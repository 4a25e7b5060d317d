"""Eigenvalues of symmetric tridiagonal matrices by bisection, all of them at once.

The signs of a Sturm sequence at x count the eigenvalues below x (Givens 1954; Barth, Martin and
Wilkinson, Numer. Math. 9, 1967; that rounding cannot spoil the count: Kahan 1966; Demmel, Dhillon
and Ren, ETNA 3, 1995). So each eigenvalue's interval is cut into 2**bits parts a pass.
"""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from nasmon.kernels.devices import Device
from nasmon.kernels.tridiagonal import Tridiagonal

_ROWS_PER_DIVISION = 8
"""Rows of a Sturm sequence between two divisions: with off-diagonals of at least _COUPLING and the
diagonal within 2**13 of x its terms stay between 2**-952 and 2**304, inside float64."""

_COUPLING = 2.0**-53
"""Off-diagonals smaller than this (the matrix has an entry of 1 or more) are raised to it, which
moves no eigenvalue by more than twice as much: one eps of the largest."""


def ascending_eigenvalues(
    matrices: Sequence[Tridiagonal], dtype: tf.DType, device: Device
) -> list[tf.Tensor]:
    """Ascending eigenvalues [..., C] float64 of tridiagonal matrices of entries of about 1.

    Args:
        matrices: batches of several widths.
        dtype: to whose accuracy.
        device: where it is to run.
    """
    # in float64 also for float32: its range spares the guards, and no matrix is involved any more
    wide = [Tridiagonal(*(tf.cast(entries, tf.float64) for entries in own)) for own in matrices]
    found: dict[int, tf.Tensor] = {}
    for members in _together([own.diagonal.shape[-1] for own in wide], device):
        together = _stacked([wide[i] for i in members])
        solved = _bisected(*together, float(np.finfo(dtype.as_numpy_dtype).eps), device)
        for i, own in zip(members, _apart(solved, [wide[i] for i in members]), strict=True):
            found[i] = own[..., : wide[i].diagonal.shape[-1]]
    return [found[i] for i in range(len(wide))]


def _together(widths: Sequence[int], device: Device) -> list[list[int]]:
    """Which batches are solved together, those of the widest first."""
    groups: list[list[int]] = []
    for i in sorted(range(len(widths)), key=lambda i: -widths[i]):
        if groups and widths[groups[-1][0]] <= device.padding * widths[i]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _stacked(batches: Sequence[Tridiagonal]) -> tuple[Tridiagonal, tf.Tensor]:
    """Batches as one, and a bound [..., 1] on the absolute eigenvalues."""
    reaches = [_gershgorin(*own) for own in batches]
    if len(batches) == 1:
        return batches[0], reaches[0]
    width = batches[0].diagonal.shape[-1]
    padded = [_longer(own, reach, width) for own, reach in zip(batches, reaches, strict=True)]
    stacked = Tridiagonal(*(tf.concat(parts, 0) for parts in zip(*padded, strict=True)))
    return stacked, tf.concat(reaches, 0)


def _longer(matrix: Tridiagonal, reach: tf.Tensor, width: int) -> Tridiagonal:
    """With rows above every x, not coupled: they keep the sign of a sequence, and so its count."""
    more = width - matrix.diagonal.shape[-1]
    spare = tf.repeat(reach + 1, more, axis=-1)
    return Tridiagonal(
        tf.concat([matrix.diagonal, spare], -1),
        tf.concat([matrix.beside, tf.zeros_like(spare)], -1),
    )


def _apart(stacked: tf.Tensor, batches: Sequence[Tridiagonal]) -> list[tf.Tensor]:
    if len(batches) == 1:
        return [stacked]
    return tf.split(stacked, [own.diagonal.shape[0] for own in batches], axis=0)


def _bisected(matrix: Tridiagonal, reach: tf.Tensor, eps: float, device: Device) -> tf.Tensor:
    size = matrix.diagonal.shape[-1]
    if size == 1:
        return matrix.diagonal
    sequence = _Sequence(matrix, reach, device)
    index = tf.range(size, dtype=tf.float64)[:, None]
    bits, passes = _plan(matrix.diagonal.shape, eps, device)
    tries = tf.range(1, 2**bits, dtype=tf.float64)
    # the lower ends are dyadic fractions of the reach, so fifty passes add up no rounding
    widths = tf.constant([2.0 ** (1 - bits * (i + 1)) for i in range(passes)], tf.float64)

    def refine(i: tf.Tensor, fraction: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        width = tf.gather(widths, i)
        x = reach[..., None] * (fraction + width * tries)
        flat = tf.reshape(x, tf.concat([tf.shape(reach)[:-1], [size * (2**bits - 1)]], 0))
        below = tf.reshape(sequence.count_below(flat), tf.shape(x))
        passed = tf.reduce_sum(tf.cast(below <= index, tf.float64), -1, keepdims=True)
        return i + 1, fraction + width * passed

    whole = tf.fill(tf.shape(matrix.diagonal), tf.constant(-1, tf.float64))[..., None]
    _, fraction = tf.while_loop(lambda i, _: i < passes, refine, (tf.constant(0), whole))
    return reach * (fraction[..., 0] + 2.0 ** -(bits * passes))


def _plan(shape: tf.TensorShape, eps: float, device: Device) -> tuple[int, int]:
    """Bits won by each pass, and passes needed."""
    size = shape[-1]
    # Gershgorin's discs reach at most three times the largest eigenvalue, to both sides of zero
    needed = math.ceil(math.log2(6 / (2 * size * eps)))
    bits = device.bits(size, shape[:-1].num_elements())
    return bits, -(-needed // bits)


def _gershgorin(diagonal: tf.Tensor, beside: tf.Tensor) -> tf.Tensor:
    """A bound [..., 1] on the absolute value of all eigenvalues."""
    radius, zero = tf.abs(beside), tf.zeros_like(diagonal[..., :1])
    discs = tf.abs(diagonal) + tf.concat([zero, radius], -1) + tf.concat([radius, zero], -1)
    return tf.reduce_max(discs, axis=-1, keepdims=True)


class _Sequence:
    """Sturm sequences of tridiagonal matrices [..., C].

    The leading minors p of T - x obey p[i] = (d[i] - x) p[i-1] - e[i-1]^2 p[i-2], and change sign
    once for each eigenvalue below x. Between blocks of rows only p[i] / p[i-1] is kept, which no
    size of C makes overflow. (XLA does not fuse rows that divide: a division in each took 100 times
    as long.)

    Args:
        matrix: the matrices, float64.
        reach: [..., 1] no x is larger.
        device: where it is to run.
    """

    def __init__(self, matrix: Tridiagonal, reach: tf.Tensor, device: Device) -> None:
        size = matrix.diagonal.shape[-1]
        self._blocks = min(device.blocks, -(-size // _ROWS_PER_DIVISION))
        rows = self._blocks * _ROWS_PER_DIVISION
        self._trips = -(-size // rows)
        longer = _longer(matrix, reach, self._trips * rows)
        squares = tf.concat([tf.zeros_like(reach), tf.square(longer.beside)], -1)
        squares = tf.maximum(squares, _COUPLING**2)
        shape = tf.concat([tf.shape(matrix.diagonal)[:-1], [self._trips, rows]], 0)
        self._diagonal = tf.reshape(longer.diagonal, shape)
        self._squares = tf.reshape(squares, shape)

    def count_below(self, x: tf.Tensor) -> tf.Tensor:
        """How many eigenvalues are below each of x [..., points], as float64."""

        def trip(k: tf.Tensor, p: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, ...]:
            d, e2 = tf.gather(self._diagonal, k, axis=-2), tf.gather(self._squares, k, axis=-2)
            for block in range(self._blocks):
                before = tf.ones_like(p)
                for i in range(block * _ROWS_PER_DIVISION, (block + 1) * _ROWS_PER_DIVISION):
                    before, p = p, (d[..., i : i + 1] - x) * p - e2[..., i : i + 1] * before
                    count += tf.where((p < 0) != (before < 0), tf.constant(1, p.dtype), 0)
                # zero counts as positive all along, or an x that meets an eigenvalue counts it
                # twice
                ratio = tf.clip_by_value(tf.abs(p) / tf.abs(before), 2.0**-200, 2.0**200)
                p = tf.where((p < 0) != (before < 0), -ratio, ratio)
            return k + 1, p, count

        start = (tf.constant(0), tf.ones_like(x), tf.zeros_like(x))
        return tf.while_loop(lambda k, *_: k < self._trips, trip, start)[2]

"""Shifted products of many matrices of rows in few kernels: what a GPU wants.

Matrices of like sizes are shifted into one stack, padded with zeros, and multiplied at once. Where
they are tall they lie in it as several pieces, so that there is work for the whole device.
"""

from collections.abc import Sequence

import tensorflow as tf

from nasmon.kernels.covariance import CovarianceState, from_sums
from nasmon.kernels.products import SHIFT_ROWS, dot, sample, working_dtype
from nasmon.kernels.rows import CallRows, PaddedRows, valid_count

MOST_PADDING = 1.34
"""How many times its own rows a matrix may be given to go with a taller one: a product of another
shape costs up to a second of compilation, and launches."""

LEAST_PIECE, PIECE_OF_WIDTH = 1024, 4
"""Rows of a piece: at least so many, and so many times the channels, for the products of all pieces
to be no more than a quarter of the rows."""

MOST_IN_A_STACK = 2**26
"""Numbers in a stack, 256 MB: what it takes of the device's memory besides its products."""


def states_of_rows(matrices: Sequence[CallRows], width: int) -> CovarianceState:
    """The states of several matrices of rows, stacked.

    Args:
        matrices: [N, C] each, as for ``covariance.from_rows``, C up to ``width``.
        width: what the states are padded to with zeros.
    """
    counts, shifts = tf.stack([valid_count(rows) for rows in matrices]), _shifts(matrices, width)
    groups = _alike(matrices, width)
    sums, products = zip(
        *(
            _summed([matrices[i] for i in own], tf.gather(counts, own), tf.gather(shifts, own))
            for own in groups
        ),
        strict=True,
    )
    order = [i for group in groups for i in group]
    places = [order.index(i) for i in range(len(matrices))]
    return from_sums(
        counts,
        tf.cast(shifts, tf.float64),
        tf.gather(tf.concat(sums, 0), places),
        tf.gather(tf.concat(products, 0), places),
    )


def _shifts(matrices: Sequence[CallRows], width: int) -> tf.Tensor:
    """A provisional mean of each, [L, width], in what its rows are to be shifted in."""
    samples = [sample(rows) for rows in matrices]
    working = _working(matrices)
    stacked = tf.stack([_padded(tf.cast(own, working), SHIFT_ROWS, width) for own in samples])
    sizes = tf.constant([[max(1, own.shape[0])] for own in samples], working)
    return tf.reduce_sum(stacked, axis=1) / sizes


def _working(matrices: Sequence[CallRows]) -> tf.DType:
    double = any(working_dtype(rows) == tf.float64 for rows in matrices)
    return tf.float64 if double else tf.float32


def _alike(matrices: Sequence[CallRows], width: int) -> list[list[int]]:
    """Which matrices share a stack, the tallest first."""
    heights = [max(1, rows.shape[0]) for rows in matrices]
    groups: list[list[int]] = []
    for i in sorted(range(len(matrices)), key=lambda i: -heights[i]):
        tallest = heights[groups[-1][0]] if groups else 0
        fits = groups and (len(groups[-1]) + 1) * tallest * width <= MOST_IN_A_STACK
        if fits and tallest <= MOST_PADDING * heights[i]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _summed(
    matrices: Sequence[CallRows], counts: tf.Tensor, shifts: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Sums [L, W] and products [L, W, W] of shifted rows, float64."""
    number, width = shifts.shape
    tallest = max(1, *(rows.shape[0] for rows in matrices))
    pieces = max(1, tallest // max(LEAST_PIECE, PIECE_OF_WIDTH * width))
    height = -(-tallest // pieces)
    every = [rows.rows if isinstance(rows, PaddedRows) else rows for rows in matrices]
    stack = tf.stack(
        [_padded(tf.cast(rows, shifts.dtype), pieces * height, width) for rows in every]
    )
    there = tf.range(pieces * height, dtype=tf.int64) < counts[:, None]
    # not a product, which NaN in the padding would survive
    stack = tf.where(there[..., None], stack - shifts[:, None, :], 0)
    stack = tf.reshape(tf.cast(stack, tf.float32), [number * pieces, height, width])
    of_pieces = tf.reduce_sum(stack, 1), dot(stack, stack)
    sums, products = (
        tf.reduce_sum(tf.reshape(tf.cast(own, tf.float64), [number, pieces, *own.shape[1:]]), 1)
        for own in of_pieces
    )
    return sums, products


def _padded(matrix: tf.Tensor, height: int, width: int) -> tf.Tensor:
    return tf.pad(matrix, [[0, height - matrix.shape[0]], [0, width - matrix.shape[1]]])

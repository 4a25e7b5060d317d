"""Metrics of layers from their covariances: the functions that ``METRICS`` names.

Every function takes the ``Statistics`` of a batch of layers and returns one float64 value a layer,
NaN where the metric is undefined. Narrow layers may be padded with zeros to share a batch: W below
is the common width, C the layer's own.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from nasmon.kernels.metric_table import DEAD_VARIANCE, METRICS, RANK_SHARE, RESOLUTION


class Statistics(NamedTuple):
    """What the metrics of L layers are made of; float64 but for the counts."""

    rows: tf.Tensor  # [L]        rows that entered the estimate, int64
    channels: tf.Tensor  # [L]        C, int32
    variances: tf.Tensor  # [L, W]     variance of each channel
    spectrum: tf.Tensor  # [L, W]     eigenvalues of the covariance, descending, >= 0
    pairs: tf.Tensor  # [L, 2]     mean and standard deviation of abs(R_ij), i < j, live channels


class Solved(NamedTuple):
    """Layers of which the covariances are stacked, padded with zeros beyond their channels."""

    rows: tf.Tensor  # [L]        rows behind each covariance, int64
    channels: tf.Tensor  # [L]        C of each layer, int32
    covariances: tf.Tensor  # [L, W, W]  float64; that of finite variances is finite
    # [L, W] or shorter, if what lacks is zero: eigenvalues, descending, float64; rounding may have
    # left those of a rank-deficient matrix a hair below zero
    spectrum: tf.Tensor


def statistics(batches: Sequence[Solved]) -> tuple[Statistics, tuple[tf.Tensor, ...]]:
    """What the metrics of all layers are made of, and their correlations.

    What grows with the width alone is done once for all batches: each operation of a batch's own
    takes 50 ms to compile.

    Returns:
        The statistics of all layers, batch by batch, padded to the widest; and for each batch the
        correlation matrices [L, W, W], NaN for dead channels. A layer with a variance that is not
        finite has NaN throughout.
    """
    widths = [batch.covariances.shape[-1] for batch in batches]
    variances = _joined([tf.linalg.diag_part(b.covariances) for b in batches], max(widths))
    finite = tf.reduce_all(tf.math.is_finite(variances), axis=-1, keepdims=True)
    variances = tf.where(finite, variances, _undefined(variances))
    spectrum = _joined([batch.spectrum for batch in batches], max(widths))
    # not tf.maximum, which may drop a NaN
    spectrum = tf.where(spectrum < 0, tf.zeros_like(spectrum), spectrum)
    spectrum = tf.where(finite, spectrum, _undefined(spectrum))
    live = _live(variances)
    deviations = tf.sqrt(tf.where(live, variances, _undefined(variances)))
    layers = [batch.covariances.shape[0] for batch in batches]
    correlations = [
        _correlations(batch.covariances, own[:, :width])
        for batch, own, width in zip(batches, tf.split(deviations, layers), widths, strict=True)
    ]
    sums = tf.concat([_sums_of_pairs(own) for own in correlations], 0)
    pairs = _moments_of_pairs(sums, tf.reduce_sum(tf.cast(live, tf.float64), axis=-1))
    rows = tf.concat([batch.rows for batch in batches], 0)
    channels = tf.concat([batch.channels for batch in batches], 0)
    return Statistics(rows, channels, variances, spectrum, pairs), tuple(correlations)


def _joined(values: Sequence[tf.Tensor], width: int) -> tf.Tensor:
    return tf.concat([tf.pad(own, [[0, 0], [0, width - own.shape[1]]]) for own in values], 0)


def solvable(covariances: tf.Tensor) -> tf.Tensor:
    """The covariances, [L, W, W], with zeros for those that have a non-finite entry.

    LAPACK refuses a whole batch for a single one; ``statistics`` gives NaN for it all the same.
    """
    return tf.where(_are_finite(covariances), covariances, tf.zeros_like(covariances))


def evaluate(statistics: Statistics) -> tf.Tensor:
    """All metrics of a batch of layers, [L, len(METRICS)] float64, in the table's order."""
    return tf.stack([FUNCTIONS[metric.name](statistics) for metric in METRICS], axis=-1)


def redundancy_score(statistics: Statistics) -> tf.Tensor:
    """l1 / trace, in [1/C, 1]; NaN for a single channel or no variance."""
    share = _shares(statistics)[:, 0]
    return tf.where(statistics.channels > 1, share, _undefined(share))


def correlation_mean(statistics: Statistics) -> tf.Tensor:
    """Mean of abs(R_ij), i < j, over live channels; NaN with fewer than two of them."""
    return statistics.pairs[:, 0]


def correlation_std(statistics: Statistics) -> tf.Tensor:
    """Standard deviation of abs(R_ij), i < j, over live channels; NaN with fewer than two."""
    return statistics.pairs[:, 1]


def trace(statistics: Statistics) -> tf.Tensor:
    """Sum of the variances, in squared units of the activations; 0 for a constant layer."""
    return tf.reduce_sum(statistics.variances, axis=-1)


def condition_number(statistics: Statistics) -> tf.Tensor:
    """l1 / max(lC, 1e-8 l1), in [1, 1e8]; NaN for no variance."""
    last = statistics.channels[:, None] - 1
    largest, smallest = tf.unstack(
        tf.gather(statistics.spectrum, tf.concat([0 * last, last], 1), batch_dims=1), axis=1
    )
    # the quotient of two rounded numbers may come out above the end of its range
    return tf.minimum(largest / tf.maximum(smallest, RESOLUTION * largest), 1 / RESOLUTION)


def effective_rank(statistics: Statistics) -> tf.Tensor:
    """exp(entropy of l / trace), in [1, C] (Roy and Vetterli 2007); NaN for no variance."""
    shares = _shares(statistics)
    return tf.exp(-tf.reduce_sum(tf.math.xlogy(shares, shares), axis=-1))


def rank_99(statistics: Statistics) -> tf.Tensor:
    """Fewest leading eigenvalues that hold 99 % of the trace, 1..C; NaN for no variance."""
    held = tf.cumsum(_shares(statistics), axis=-1)
    short = tf.reduce_sum(tf.cast(held < RANK_SHARE, tf.float64), axis=-1)
    return tf.where(tf.math.is_nan(held[:, -1]), held[:, -1], short + 1)


def saturation(statistics: Statistics) -> tf.Tensor:
    """rank_99 / C, in (0, 1] (Richter et al., arXiv 2006.08679); NaN for no variance."""
    return rank_99(statistics) / tf.cast(statistics.channels, tf.float64)


def dead_channels(statistics: Statistics) -> tf.Tensor:
    """Channels with variance below 1e-10 of the layer's largest, 0..C; NaN for no variance."""
    live = tf.reduce_sum(tf.cast(_live(statistics.variances), tf.float64), axis=-1)
    dead = tf.cast(statistics.channels, tf.float64) - live
    return tf.where(trace(statistics) > 0, dead, _undefined(dead))


def row_count(statistics: Statistics) -> tf.Tensor:
    """Rows that entered the estimate."""
    return tf.cast(statistics.rows, tf.float64)


FUNCTIONS: dict[str, Callable[[Statistics], tf.Tensor]] = {
    "redundancy_score": redundancy_score,
    "correlation_mean": correlation_mean,
    "correlation_std": correlation_std,
    "trace": trace,
    "condition_number": condition_number,
    "effective_rank": effective_rank,
    "rank_99": rank_99,
    "saturation": saturation,
    "dead_channels": dead_channels,
    "rows": row_count,
}
"""By the names in ``METRICS``."""


def _are_finite(covariances: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(covariances), axis=[-2, -1], keepdims=True)


def _shares(statistics: Statistics) -> tf.Tensor:
    """l / trace, [L, W]; NaN for no variance."""
    return statistics.spectrum / tf.reduce_sum(statistics.spectrum, axis=-1, keepdims=True)


def _live(variances: tf.Tensor) -> tf.Tensor:
    """Which channels vary, [L, W] bool; none of a constant layer's."""
    largest = tf.reduce_max(variances, axis=-1, keepdims=True)
    return (variances >= DEAD_VARIANCE * largest) & (variances > 0)


def _correlations(covariances: tf.Tensor, deviations: tf.Tensor) -> tf.Tensor:
    correlations = covariances / (deviations[:, :, None] * deviations[:, None, :])
    # not tf.clip_by_value, which may drop a NaN
    return tf.where(tf.abs(correlations) > 1, tf.sign(correlations), correlations)


def _sums_of_pairs(correlations: tf.Tensor) -> tf.Tensor:
    """Sums over all entries of live channels, [L, 2]: of abs(R_ij) and of its square."""
    absolute = tf.where(
        tf.math.is_nan(correlations), tf.zeros_like(correlations), tf.abs(correlations)
    )
    both = [absolute, absolute * absolute]
    return tf.stack([tf.reduce_sum(own, axis=[-2, -1]) for own in both], axis=-1)


def _moments_of_pairs(sums: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """From sums over all entries, each pair twice and the ones of the diagonal: few operations.

    Their difference costs the deviation of nearly equal correlations 1e-8, of at most 0.5.
    """
    pairs = number * (number - 1)
    pairs = tf.where(pairs > 0, pairs, _undefined(pairs))
    mean, square = tf.unstack((sums - number[:, None]) / pairs[:, None], axis=-1)
    variance = square - mean * mean
    # not tf.maximum, which may drop a NaN
    return tf.stack([mean, tf.sqrt(tf.where(variance < 0, 0 * variance, variance))], axis=-1)


def _undefined(like: tf.Tensor) -> tf.Tensor:
    return tf.fill(tf.shape(like), tf.constant(float("nan"), tf.float64))

"""How correlations are distributed, counted where they are: 32 numbers a layer, not C squared.

The bins are those of TensorBoard's histograms: as many of equal width, from the least value to the
largest, which goes into the last one.
"""

import tensorflow as tf

HISTOGRAM_BINS = 30
"""As TensorBoard's own histograms have."""


def pair_counts(correlations: tf.Tensor) -> tf.Tensor:
    """The histogram of R_ij, i < j, of each layer, as TensorBoard would make it of them.

    Every pair is compared with every bin, and what is equal counted: seven kernels on a GPU, which
    keep one matrix of bins. Adding to a bin at an index would have all pairs wait for each other,
    and sorting go over them many times. A CPU keeps all comparisons, and is better off with NumPy.

    Args:
        correlations: [L, W, W] float32, NaN for dead channels and beyond C.

    Returns:
        [L, 2 + HISTOGRAM_BINS] float64: the least and the largest of the pairs that are finite, and
        how many there are in each bin between. Infinite ends and no counts where there are none.
    """
    channels = tf.range(correlations.shape[-1])
    counted = (channels[:, None] < channels) & tf.math.is_finite(correlations)
    low = tf.reduce_min(_only(correlations, counted, float("inf")), axis=[1, 2])
    high = tf.reduce_max(_only(correlations, counted, float("-inf")), axis=[1, 2])
    bins = _only(_bins(correlations, low, high), counted, -1.0)
    numbers = tf.range(HISTOGRAM_BINS, dtype=bins.dtype)
    counts = tf.reduce_sum(tf.cast(bins[..., None] == numbers, tf.int32), axis=[1, 2])
    ends = tf.stack([low, high], axis=1)
    return tf.concat([tf.cast(ends, tf.float64), tf.cast(counts, tf.float64)], axis=1)


def _bins(values: tf.Tensor, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """The number of each value's bin, [L, W, W], as a float of the values' kind."""
    step = (high - low)[:, None, None] / HISTOGRAM_BINS
    steps = tf.floor((values - low[:, None, None]) / tf.where(step > 0, step, tf.ones_like(step)))
    last = tf.constant(HISTOGRAM_BINS - 1, values.dtype)
    # equal values are all the largest
    return tf.where(step > 0, tf.minimum(steps, last), last)


def _only(values: tf.Tensor, chosen: tf.Tensor, otherwise: float) -> tf.Tensor:
    return tf.where(chosen, values, tf.constant(otherwise, values.dtype))

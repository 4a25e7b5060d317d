"""From arrays in memory to the ``tf.data`` pipelines that ``fit`` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tensorflow as tf


Bytes = npt.NDArray[np.uint8]


class Images(NamedTuple):
    """A data set in memory."""

    x_train: Bytes  # [N, H, W, 3], 0 to 255
    y_train: Bytes  # [N, H, W, 1], 0 or 1
    x_val: Bytes  # [M, H, W, 3]
    y_val: Bytes  # [M, H, W, 1]
    source: str  # one line on what the pictures are


class Pipelines(NamedTuple):
    """Batches of float32 images in [0, 1] and masks of 0 and 1."""

    train: tf.data.Dataset  # shuffled anew each epoch; the last batch may be smaller
    val: tf.data.Dataset  # always in the same order


def build_pipelines(images: Images, batch_size: int, seed: int) -> Pipelines:
    """Build both pipelines; the same seed gives the same batches in the same order.

    Args:
        images: The data set.
        batch_size: Images in a batch.
        seed: Decides the shuffling.

    Returns:
        Datasets of ``(image [B, H, W, 3], mask [B, H, W, 1])``, both float32.
    """
    import tensorflow as tf

    def scale(image: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.cast(image, tf.float32) / 255.0, tf.cast(mask, tf.float32)

    # No autotuning: its thread can keep an epoch's iterator from ending for seconds, and there is
    # nothing to tune in a pipeline of two cheap steps.
    options = tf.data.Options()
    options.autotune.enabled = False

    def batches(dataset: tf.data.Dataset) -> tf.data.Dataset:
        # Scaled by the batch and after shuffling: bytes are a quarter of the memory of floats.
        scaled = dataset.batch(batch_size).map(scale, num_parallel_calls=2, deterministic=True)
        return scaled.prefetch(2).with_options(options)

    train = tf.data.Dataset.from_tensor_slices((images.x_train, images.y_train))
    shuffled = train.shuffle(len(images.x_train), seed=seed, reshuffle_each_iteration=True)
    val = tf.data.Dataset.from_tensor_slices((images.x_val, images.y_val))
    return Pipelines(batches(shuffled), batches(val))

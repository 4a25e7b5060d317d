"""Samples with labels, in memory, so that they can be parted and trained on in any order."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.errors import UsageError
from nasmon.isolation import aside
from nasmon.probe_set import is_one_shot

DEFAULT_BATCH = 32
"""Keras's own."""


class Labelled(NamedTuple):
    """Samples: structures of NumPy arrays of one length."""

    arrays: tuple[Any, ...]  # x, y, and sample weights if there are any
    batch: int  # samples in a batch of a training

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(tf.nest.flatten(self.arrays[0])[0])

    def part(self, indices: np.ndarray) -> "Labelled":
        """Some of them."""
        arrays = tf.nest.map_structure(lambda array: array[indices], self.arrays)
        return self._replace(arrays=arrays)

    def parts(self, shares: Sequence[float], seed: int) -> list["Labelled"]:
        """Parts drawn at random, the last of what is left."""
        order = np.random.default_rng(seed).permutation(self.samples)
        ends = np.round(np.cumsum(shares) * self.samples).astype(int)
        return [self.part(np.sort(indices)) for indices in np.split(order, ends)]


def labelled_spec(data: Any) -> Any:
    """What data are made of: a tuple (x, y) or (x, y, sample_weight) where they have labels."""
    if isinstance(data, tf.data.Dataset):
        return data.element_spec
    return data[0] if isinstance(data, keras.utils.PyDataset) else data


def has_labels(data: Any) -> bool:
    """Whether data, as ``fit`` takes them, have labels."""
    spec = labelled_spec(data)
    return isinstance(spec, tuple) and len(spec) in (2, 3)


def labelled_batches(data: tf.data.Dataset | keras.utils.PyDataset) -> Iterator[Any]:
    """All batches of data, as arrays; the data are left undisturbed."""
    if isinstance(data, tf.data.Dataset):
        for batch in aside(data):
            yield tf.nest.map_structure(np.asarray, batch)
    else:
        for index in range(data.num_batches or 0):
            yield data[index]


def read_labelled(data: Any, batch: int | None = None) -> Labelled:
    """Reads all of data with labels.

    Args:
        data: a tuple (x, y) or (x, y, sample_weight) of arrays, a ``tf.data.Dataset`` or a
            ``PyDataset`` of batches of such; they are left undisturbed.
        batch: samples in a batch; of a dataset as many as its first one has, else Keras's 32.

    Raises:
        UsageError: they have no labels, have no end, or can be read only once.
    """
    if is_one_shot(data) or not has_labels(data):
        raise UsageError(
            f"a search trains, and needs labels: pass data as a tuple (x, y) of arrays, a "
            f"tf.data.Dataset or a PyDataset of them; they are of type {type(data).__name__}"
        )
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise UsageError("a search reads all of the data, which repeat without an end")
        return _joined([*labelled_batches(data)], batch)
    if isinstance(data, keras.utils.PyDataset):
        if data.num_batches is None:
            raise UsageError("a search reads all of the data, which have no number of batches")
        return _joined([*labelled_batches(data)], batch)
    arrays = tf.nest.map_structure(np.asarray, data)
    return Labelled(arrays, batch or DEFAULT_BATCH)


def _joined(batches: Sequence[Any], batch: int | None) -> Labelled:
    arrays = tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)
    first = len(tf.nest.flatten(batches[0])[0])
    return Labelled(arrays, batch or first)

"""The validation subset, cached on the device in chunks of one shape."""

import types
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.errors import UsageError, at_least_one
from nasmon.isolation import aside

DEFAULT_CHUNK = 16
"""Samples a forward pass: measured, chunks of 16 to 32 cost less a sample than of 8."""


class ProbeSet(NamedTuple):
    """The first validation samples: their inputs only, labels and sample weights are dropped."""

    chunks: tuple[Any, ...]  # each the model's input structure of tensors [chunk_size, ...]
    chunk_size: int  # samples a chunk, the same for all

    @property
    def samples(self) -> int:
        """Samples in all chunks."""
        return self.chunk_size * len(self.chunks)

    def first(self, samples: int) -> "ProbeSet":
        """The first ``samples`` of them, at most all, in equal chunks no larger than these."""
        inputs = tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *self.chunks)
        kept = tf.nest.map_structure(lambda tensor: tensor[:samples], inputs)
        return _in_chunks(kept, self.chunk_size)


def probe_set(data: Any, samples: int, chunk: int | None = None) -> ProbeSet:
    """Caches the first ``samples`` samples of ``data`` on the default device.

    Args:
        data: what ``fit`` takes as ``validation_data``: arrays, a tuple (x, y) or
            (x, y, sample_weight), a dictionary or list of arrays for a model with several inputs, a
            ``tf.data.Dataset``, a ``keras.utils.PyDataset`` or a generator of batches. A generator
            is read from where it stands; everything else is left undisturbed.
        samples: how many samples to keep; fewer if the data has fewer.
        chunk: the most samples a chunk holds, ``DEFAULT_CHUNK`` if None. Chunks are equal: they are
            made smaller to share the samples evenly, and the fewer than one a chunk that are left
            over are dropped.

    Raises:
        ValueError: a number below 1, no samples, or samples of different shapes.
    """
    most = at_least_one("chunk", DEFAULT_CHUNK if chunk is None else chunk)
    inputs = first_samples(data, at_least_one("samples", samples))
    return _in_chunks(tf.nest.map_structure(_on_device, inputs), most)


def first_samples(data: Any, samples: int) -> Any:
    """The model's inputs of the first ``samples`` samples, as a structure of NumPy arrays.

    Raises:
        ValueError: there is no sample, or batches whose samples differ in shape.
    """
    batches, found = [], 0
    for batch in _batches(data, samples):
        arrays = tf.nest.map_structure(np.asarray, batch)
        batches.append(tf.nest.map_structure(lambda a, left=samples - found: a[:left], arrays))
        found += len(tf.nest.flatten(batches[-1])[0])
        if found >= samples:
            break
    if not found:
        raise UsageError("the validation data holds no sample; pass validation_data= with some")
    try:
        return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)
    except ValueError as error:
        raise UsageError(
            "validation batches hold samples of different shapes; pass validation_data= with "
            f"samples of one shape, or samples= no larger than the first batch ({error})"
        ) from error


def is_one_shot(data: Any) -> bool:
    """Whether reading ``data`` uses it up."""
    return isinstance(data, types.GeneratorType) or (
        isinstance(data, Iterator) and not isinstance(data, tf.data.Dataset)
    )


def _batches(data: Any, samples: int) -> Iterator[Any]:
    """Batches of the model's inputs, labels and weights dropped."""
    if isinstance(data, tf.data.Dataset):
        return (_inputs_of(element) for element in aside(data))
    if isinstance(data, keras.utils.PyDataset):
        return (_inputs_of(data[index]) for index in _indices(data))
    if is_one_shot(data):
        return (_inputs_of(element) for element in data)
    inputs = _inputs_of(data)
    if _is_iterable_of_batches(inputs):
        return (_inputs_of(element) for element in inputs)
    return iter([tf.nest.map_structure(lambda a: a[:samples], inputs)])


def _inputs_of(element: Any) -> Any:
    """x of (x, y, sample_weight): a tuple carries labels; everything else is inputs."""
    return element[0] if isinstance(element, tuple) else element


def _indices(data: keras.utils.PyDataset) -> Iterable[int]:
    batches = data.num_batches
    return range(batches if batches is not None else 2**31)


def _is_iterable_of_batches(inputs: Any) -> bool:
    """A data loader of another library, say; arrays and structures of them are not."""
    structure = hasattr(inputs, "shape") or isinstance(inputs, (dict, list, tuple))
    return not structure and isinstance(inputs, Iterable)


def _in_chunks(inputs: Any, most: int) -> ProbeSet:
    available = len(tf.nest.flatten(inputs)[0])
    size = _chunk_size(available, most)
    starts = range(0, available - size + 1, size)
    chunks = (tf.nest.map_structure(lambda a, s=s: a[s : s + size], inputs) for s in starts)
    return ProbeSet(tuple(chunks), size)


def _chunk_size(available: int, most: int) -> int:
    chunks = -(-available // most)
    even = [size for size in range(most, most // 2, -1) if available % size == 0]
    return even[0] if even else available // chunks


def _on_device(array: np.ndarray) -> tf.Tensor:
    # as Keras does with the arrays it is given
    if np.issubdtype(array.dtype, np.floating):
        array = array.astype(keras.config.floatx())
    return tf.convert_to_tensor(array)

"""The validation subset, cached on the device in chunks of one shape."""

import types
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.errors import ProbeDataError, UsageError
from nasmon.isolation import aside
from nasmon.values import checked, not_text, whole

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
        inputs = map_inputs(lambda *parts: tf.concat(parts, 0), *self.chunks)
        kept = map_inputs(lambda tensor: tensor[:samples], inputs)
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

    Samples of several shapes are not padded: of the first ``samples`` those of the most frequent
    shape are kept, with a warning.

    Raises:
        ValueError: a number below 1, or data that hold no sample or cannot be read as inputs.
    """
    given = checked(_NUMBERS, samples=samples, chunk=DEFAULT_CHUNK if chunk is None else chunk)
    inputs = first_samples(data, given["samples"])
    return _in_chunks(map_inputs(_on_device, inputs), given["chunk"])


_NUMBERS = dict.fromkeys(("samples", "chunk"), not_text(whole(1)))


def map_inputs(function: Callable[..., Any], *structures: Any) -> Any:
    """A function of the arrays of equal structures; None, an input that is left out, stays."""

    def of_arrays(*arrays: Any) -> Any:
        return None if arrays[0] is None else function(*arrays)

    return tf.nest.map_structure(of_arrays, *structures)


def first_samples(data: Any, samples: int) -> Any:
    """The model's inputs of the first ``samples`` samples, as a structure of NumPy arrays.

    Raises:
        ProbeDataError: there is no sample, or none that can be read.
    """
    batches, found = [], 0
    for batch in _read(data, samples):
        batches.append(map_inputs(lambda a, left=samples - found: a[:left], batch))
        found += _length(batches[-1])
        if found >= samples:
            break
    if not found:
        raise ProbeDataError("the validation data holds no sample; pass validation_data= with some")
    return map_inputs(lambda *parts: np.concatenate(parts), *_of_one_shape(batches))


def _read(data: Any, samples: int) -> Iterator[Any]:
    """Batches of the model's inputs, as structures of NumPy arrays.

    Raises:
        ProbeDataError: reading fails, or yields what are no arrays of one length.
    """
    try:
        for batch in _batches(data, samples):
            arrays = map_inputs(_array, batch)
            _check_inputs(arrays)
            yield arrays
    except UsageError:
        raise
    except Exception as error:
        # a user's data may raise anything
        raise ProbeDataError(
            f"the validation data, of type {type(data).__name__}, cannot be read "
            f"({type(error).__name__}: {str(error).partition(_NEW_LINE)[0]}); {_TAKEN}"
        ) from error


_NEW_LINE = "\n"  # the rest of TensorFlow's messages is a stack

_TAKEN = (
    "pass validation_data= as arrays, a tuple (x, y), a dictionary of arrays, a tf.data.Dataset, a "
    "PyDataset or a generator of batches"
)


def _array(given: Any) -> np.ndarray:
    """An input as ``fit`` reads it, all its values there."""
    if isinstance(given, tf.SparseTensor):
        return np.asarray(tf.sparse.to_dense(tf.sparse.reorder(given)))
    if hasattr(given, "toarray"):  # SciPy's sparse matrices
        return np.asarray(given.toarray())
    if isinstance(given, tf.RaggedTensor):
        raise ProbeDataError(
            "the validation data holds ragged tensors, whose samples differ in shape; pass "
            "validation_data= with samples of one shape, padded as the model masks them"
        )
    array = np.asarray(given)
    # Keras gives a column to what pandas calls a series
    return array[:, None] if array.ndim == 1 and hasattr(given, "to_frame") else array


def _check_inputs(inputs: Any) -> None:
    arrays = [array for array in tf.nest.flatten(inputs) if array is not None]
    if not arrays or not all(array.ndim for array in arrays):
        kinds = ", ".join(sorted({type(array[()]).__name__ for array in arrays})) or "nothing"
        raise ProbeDataError(f"the validation data holds {kinds} in place of arrays; {_TAKEN}")
    lengths = sorted({len(array) for array in arrays})
    if len(lengths) > 1:
        raise ProbeDataError(
            f"the validation data holds inputs of {' and '.join(map(str, lengths))} samples; pass "
            "validation_data= with as many of each"
        )
    for array in arrays:
        if array.dtype == object and not all(isinstance(one, str | bytes) for one in array.flat):
            raise ProbeDataError(
                "the validation data holds an array of Python objects, which is no tensor; pass "
                "validation_data= with numbers or text, in samples of one shape"
            )


def _length(inputs: Any) -> int:
    return next(len(array) for array in tf.nest.flatten(inputs) if array is not None)


def _of_one_shape(batches: Sequence[Any]) -> list[Any]:
    """Those whose samples have the shape that most samples have."""
    shapes = [
        tuple(None if array is None else array.shape[1:] for array in tf.nest.flatten(batch))
        for batch in batches
    ]
    counts: Counter[tuple[Any, ...]] = Counter()
    for shape, batch in zip(shapes, batches, strict=True):
        counts[shape] += _length(batch)
    ((frequent, kept),) = counts.most_common(1)
    if len(counts) > 1:
        shown = ", ".join(str(shape) for shape in frequent if shape is not None)
        warnings.warn(
            f"nasmon: the first {counts.total()} validation samples have {len(counts)} shapes; the "
            f"{kept} of shape {shown} are probed with (pass validation_data= with samples of one "
            "shape for more)",
            RuntimeWarning,
            stacklevel=2,
        )
    return [batch for shape, batch in zip(shapes, batches, strict=True) if shape == frequent]


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
    return iter([map_inputs(lambda array: _rows_until(array, samples), inputs)])


def _rows_until(array: Any, samples: int) -> Any:
    if not (hasattr(array, "shape") or isinstance(array, Sequence)) or isinstance(array, str):
        raise ProbeDataError(
            f"the validation data is or holds an object of type {type(array).__name__}; {_TAKEN}"
        )
    if isinstance(array, tf.SparseTensor):
        return tf.sparse.slice(array, [0] * len(array.shape), [samples, *array.dense_shape[1:]])
    # a matrix of SciPy's that has no rows to slice
    return array.tocsr()[:samples] if hasattr(array, "tocsr") else array[:samples]


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
    available = _length(inputs)
    size = _chunk_size(available, most)
    starts = range(0, available - size + 1, size)
    chunks = (map_inputs(lambda a, s=s: a[s : s + size], inputs) for s in starts)
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

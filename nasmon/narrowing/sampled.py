"""Metrics of labelled samples, kept block by block, so that it can be told how sure they are.

A metric of Keras sums up what its samples have: hits, errors, a confusion matrix. These sums are
kept for each few samples. Those of any selection are added up, and the metric is read off: so a
bootstrap costs no further pass through the model.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.isolation import aside, seeds_kept
from nasmon.narrowing.rebuild import compile_alike

BLOCKS, FEWEST_BLOCKS, DRAWS, CONFIDENCE = 500, 10, 1000, 0.95
"""Blocks that samples are kept in, at least, as far as there are so many samples, and below which
nothing is said; draws of a bootstrap; and what share of them an interval holds."""

BATCH_PARTS = 8
"""Of a batch, where it is not known how many there are."""

ARRAY_BATCH = 32
"""Samples in a batch of arrays."""

Predict = Callable[[Any], Any]
"""From a batch of inputs to the model's outputs."""


class Blocks(NamedTuple):
    """What metrics sum up, of each block of samples."""

    sums: np.ndarray  # [blocks, sums] float64
    labels: tuple[int, ...]  # a checksum of each block's labels, to tell whether two are the same
    samples: int


class Interval(NamedTuple):
    """How much a metric changed, and how sure that is."""

    change: float
    low: float
    high: float
    samples: int

    def __str__(self) -> str:
        return (
            f"{self.change:+.4f} ({100 * CONFIDENCE:.0f} % interval {self.low:+.4f} to "
            f"{self.high:+.4f} over {self.samples:,} samples)"
        )


class SampledMetrics:
    """The loss and the metrics of a compiled model, of predictions of labelled samples.

    Args:
        model: compiled; it is left as it is.
        data: a tuple (x, y) or (x, y, sample_weight) of arrays, a ``tf.data.Dataset`` or a
            ``PyDataset`` of batches of such.
    """

    def __init__(self, model: keras.Model, data: Any) -> None:
        self._model, self._data = model, data
        self._made: keras.Model | None = None
        self._update = tf.function(self._updated, autograph=False)
        self._read = tf.function(self._results, autograph=False)
        # one after the other, for all are read off the same variables
        self._read_all = tf.function(
            lambda sums: tf.map_fn(
                self._results, sums, fn_output_signature=self._types(), parallel_iterations=1
            ),
            autograph=False,
        )

    def blocks(self, predict: Predict) -> Blocks:
        """What metrics sum up over all samples.

        Args:
            predict: what is judged.
        """
        sums, labels, samples = [], [], 0
        for x, y, weight in self._batches():
            outputs = tf.nest.map_structure(tf.convert_to_tensor, predict(x))
            if self._made is None:
                self._made = _judge_of(self._model, outputs)
            for part in self._parts(len(tf.nest.flatten(y)[0])):
                of_part = _part((outputs, y, weight), part)
                # not in what is traced: the first trace is what makes the metrics
                self._judge.reset_metrics()
                self._update(*of_part)
                sums.append(np.concatenate([np.ravel(one) for one in self._sums()]))
                arrays = (np.ascontiguousarray(a) for a in tf.nest.flatten(of_part[1]))
                labels.append(zlib.crc32(b"".join(map(bytes, arrays))))
                samples += part.stop - part.start
        return Blocks(np.array(sums, np.float64), tuple(labels), samples)

    def values(self, sums: np.ndarray) -> dict[str, float]:
        """The metrics of some samples.

        Args:
            sums: [sums], added up over their blocks.
        """
        return {name: float(value) for name, value in self._read(sums).items()}

    def interval(self, name: str, before: Blocks, after: Blocks) -> Interval | None:
        """How much a metric changed, by a paired bootstrap over the samples.

        Args:
            name: of the metric.
            before: of one model.
            after: of the other, on the same samples.

        Returns:
            None where the samples are not the same in the same order, or too few.
        """
        count = len(before.labels)
        if before.labels != after.labels or count < FEWEST_BLOCKS:
            return None
        random = np.random.default_rng(0)
        drawn = random.multinomial(count, np.full(count, 1 / count), size=DRAWS)
        first, last = (
            np.asarray(self._read_all(drawn @ one.sums)[name]) for one in (before, after)
        )
        low, high = np.nanquantile(last - first, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        whole = [self.values(one.sums.sum(0))[name] for one in (before, after)]
        return Interval(whole[1] - whole[0], float(low), float(high), before.samples)

    @property
    def _judge(self) -> keras.Model:
        assert self._made is not None
        return self._made

    def _updated(self, outputs: Any, y: Any, weight: Any) -> None:
        flat = tf.nest.flatten(outputs)
        self._judge.test_step((flat, y) if weight is None else (flat, y, weight))

    def _results(self, sums: Any) -> Any:
        place = 0
        for variable in self._variables():
            count = int(np.prod(variable.shape))
            part = tf.reshape(sums[place : place + count], variable.shape)
            variable.assign(tf.cast(part, variable.dtype))
            place += count
        return self._judge.get_metrics_result()

    def _types(self) -> dict[str, tf.DType]:
        results = self._judge.get_metrics_result()
        return {name: tf.as_dtype(value.dtype) for name, value in results.items()}

    def _variables(self) -> list[keras.Variable]:
        return [variable for metric in self._judge.metrics for variable in metric.variables]

    def _sums(self) -> list[np.ndarray]:
        return [np.asarray(variable) for variable in self._variables()]

    def _batches(self) -> Iterator[tuple[Any, Any, Any]]:
        data = self._data
        if isinstance(data, tf.data.Dataset):
            for batch in aside(data):
                yield keras.utils.unpack_x_y_sample_weight(tf.nest.map_structure(np.asarray, batch))
        elif isinstance(data, keras.utils.PyDataset):
            for index in range(data.num_batches or 0):
                yield keras.utils.unpack_x_y_sample_weight(data[index])
        else:
            arrays = tf.nest.map_structure(np.asarray, tuple(data))
            for first in range(0, len(tf.nest.flatten(arrays)[0]), ARRAY_BATCH):
                part = slice(first, first + ARRAY_BATCH)
                yield keras.utils.unpack_x_y_sample_weight(_part(arrays, part))

    def _parts(self, samples: int) -> Iterator[slice]:
        """A batch in parts, so many that all together are ``BLOCKS`` or more."""
        parts = min(samples, ceil(BLOCKS / self._count) if self._count else BATCH_PARTS)
        edges = np.linspace(0, samples, parts + 1).astype(int).tolist()
        return (slice(*pair) for pair in pairwise(edges))

    @property
    def _count(self) -> int | None:
        """Of batches; None if not known."""
        data = self._data
        if isinstance(data, tf.data.Dataset):
            count = int(data.cardinality())
            return count if count > 0 else None
        if isinstance(data, keras.utils.PyDataset):
            return data.num_batches
        return ceil(len(tf.nest.flatten(tuple(data))[0]) / ARRAY_BATCH)


def _part(structure: Any, part: slice) -> Any:
    """Some samples of all arrays; None, of no weights, stays."""
    return tf.nest.map_structure(lambda one: None if one is None else one[part], structure)


def _judge_of(model: keras.Model, outputs: Any) -> keras.Model:
    """A model that puts out what is put in, compiled as the one with such outputs is."""
    inside = getattr(model, "_functional", model)
    count = len(tf.nest.flatten(outputs))
    named = iter(getattr(inside, "output_names", None) or [f"output_{n}" for n in range(count)])
    with seeds_kept():
        inputs = [
            keras.Input(tensor.shape[1:], dtype=tensor.dtype.name)
            for tensor in tf.nest.flatten(outputs)
        ]
        put_out = [keras.layers.Identity(name=next(named))(tensor) for tensor in inputs]
        judge = keras.Model(inputs, tf.nest.pack_sequence_as(outputs, put_out))
    compile_alike(model, judge)
    return judge

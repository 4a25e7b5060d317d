"""Metrics of labelled samples, kept block by block, so that it can be told how sure they are.

A metric of Keras sums up what its samples have: hits, errors, a confusion matrix. These sums are
kept for each few samples. Those of any selection are added up, and the metric is read off: so a
bootstrap costs no further pass through the model.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, zip_longest
from math import ceil
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.isolation import seeds_kept
from nasmon.narrowing.labelled import labelled_batches
from nasmon.narrowing.rebuild import compile_alike

BLOCKS, FEWEST_BLOCKS, DRAWS, CONFIDENCE = 500, 10, 1000, 0.95
"""Blocks that samples are kept in, about, if there are so many samples, and below which nothing is
said; draws of a bootstrap; and what share of them an interval holds."""

ARRAY_BATCH = 32
"""Samples in a batch of arrays."""

SAME = 1e-3
"""A share by which a metric of blocks may differ from that of all samples: what differs more is no
sum over samples."""

Predict = Callable[[Any], Any]
"""From a batch of inputs to the model's outputs."""


class Blocks(NamedTuple):
    """What metrics sum up, of each block of samples."""

    sums: np.ndarray  # [blocks, sums] float64
    labels: tuple[int, ...]  # a checksum of each block's labels, to tell whether two are the same
    samples: int
    metrics: dict[str, float]  # of all samples, batch by batch, as Keras evaluates
    additive: frozenset[str]  # those that are a sum over samples


class Interval(NamedTuple):
    """How much a metric changed, and how sure that is."""

    change: float
    low: float
    high: float
    samples: int
    trainings: int = 1

    def __str__(self) -> str:
        trainings = f" and {self.trainings} trainings" if self.trainings > 1 else ""
        return (
            f"{self.change:+.4f} ({100 * CONFIDENCE:.0f} % interval {self.low:+.4f} to "
            f"{self.high:+.4f} over {self.samples:,} samples{trainings})"
        )


class SampledMetrics:
    """The loss and the metrics of a compiled model, of predictions of labelled samples.

    Args:
        model: compiled; it is left as it is.
        data: a tuple (x, y) or (x, y, sample_weight) of arrays, a ``tf.data.Dataset`` or a
            ``PyDataset`` of batches of such.
    """

    def __init__(self, model: keras.Model, data: Any) -> None:
        self._model = model
        # None stands for weights that are not given
        self._data = tuple(one for one in data if one is not None) if _is_arrays(data) else data
        self._judges: tuple[_Judge, _Judge] | None = None  # of a block, and of all batches

    def blocks(self, predict: Predict) -> Blocks:
        """What metrics sum up over all samples.

        Args:
            predict: what is judged.
        """
        sums: list[np.ndarray] = []
        labels: list[int] = []
        samples = 0
        for position, (x, y, weight) in enumerate(self._batches()):
            outputs = tf.nest.map_structure(tf.convert_to_tensor, predict(x))
            if self._judges is None:
                self._judges = (_Judge(self._model, outputs), _Judge(self._model, outputs))
            block, whole = self._judges
            if position == 0:
                whole.reset()
            whole.update(outputs, y, weight)
            for part in self._parts(len(tf.nest.flatten(y)[0]), len(labels)):
                block.reset()
                block.update(*_part((outputs, y, weight), part))
                sums.append(block.sums())
                arrays = (np.ascontiguousarray(a) for a in tf.nest.flatten(_part(y, part)))
                labels.append(zlib.crc32(b"".join(map(bytes, arrays))))
                samples += part.stop - part.start
        if self._judges is None:
            return Blocks(np.zeros((0, 0)), (), 0, {}, frozenset())
        block, whole = self._judges
        metrics = whole.metrics()
        found, of_labels = _in_pairs(np.array(sums, np.float64), labels)
        added = block.metrics_of(found.sum(0))
        additive = (name for name, value in metrics.items() if agree(added[name], value))
        return Blocks(found, of_labels, samples, metrics, frozenset(additive))

    def interval(
        self, name: str, before: Sequence[Blocks], after: Sequence[Blocks]
    ) -> Interval | None:
        """How much a metric changed, by a paired bootstrap over the samples, and over trainings.

        Args:
            name: of the metric.
            before: of one model, or of each of several trainings of it, whose mean is taken.
            after: of the other, on the same samples.

        Returns:
            None where the metric is no sum over samples, these are not the same in the same order,
            or there are too few.
        """
        every = [*before, *after]
        count = len(every[0].labels)
        if self._judges is None or count < FEWEST_BLOCKS:
            return None
        if any(one.labels != every[0].labels or name not in one.additive for one in every):
            return None
        judge, _ = self._judges
        random = np.random.default_rng(0)
        drawn = random.multinomial(count, np.full(count, 1 / count), size=DRAWS)
        first, last = (
            _mean_of_drawn(np.stack([judge.each(drawn @ one.sums)[name] for one in models]), random)
            for models in (before, after)
        )
        low, high = np.nanquantile(last - first, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
        change = float(
            np.mean([one.metrics[name] for one in after])
            - np.mean([one.metrics[name] for one in before])
        )
        trainings = max(len(before), len(after))
        return Interval(change, float(low), float(high), every[0].samples, trainings)

    def _batches(self) -> Iterator[tuple[Any, Any, Any]]:
        batches = _of_arrays(self._data) if _is_arrays(self._data) else labelled_batches(self._data)
        return map(keras.utils.unpack_x_y_sample_weight, batches)

    def _parts(self, samples: int, so_far: int) -> Iterator[slice]:
        """A batch in parts, so many that all together are about ``BLOCKS``."""
        parts = ceil(BLOCKS / self._count) if self._count else max(1, BLOCKS - so_far)
        edges = np.linspace(0, samples, min(samples, parts) + 1).astype(int).tolist()
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
        return ceil(len(tf.nest.flatten(data)[0]) / ARRAY_BATCH)


class _Judge:
    """A model that puts out what is put in, compiled as the one with such outputs is."""

    def __init__(self, model: keras.Model, outputs: Any) -> None:
        self._model = _judge_of(model, outputs)
        # what is to run eagerly cannot be traced
        traced = not self._model.run_eagerly
        self._step = tf.function(self._test, autograph=False) if traced else self._test
        self._each = tf.function(self._all, autograph=False)

    def reset(self) -> None:
        """Forgets all samples; not a part of what is traced, for that makes the metrics."""
        self._model.reset_metrics()

    def update(self, outputs: Any, y: Any, weight: Any) -> None:
        """Adds samples."""
        self._step(outputs, y, weight)

    def sums(self) -> np.ndarray:
        """What metrics have summed up, one after the other."""
        return np.concatenate([np.ravel(np.asarray(one)) for one in self._variables()])

    def metrics(self) -> dict[str, float]:
        """Of the samples so far."""
        return {name: float(value) for name, value in self._model.get_metrics_result().items()}

    def metrics_of(self, sums: np.ndarray) -> dict[str, float]:
        """Of samples whose sums these are, [sums]."""
        return {name: float(one[0]) for name, one in self.each(sums[None]).items()}

    def each(self, sums: np.ndarray) -> dict[str, np.ndarray]:
        """Of each row of sums, [rows, sums]."""
        return {name: np.asarray(one) for name, one in self._each(sums).items()}

    def _test(self, outputs: Any, y: Any, weight: Any) -> None:
        flat = tf.nest.flatten(outputs)
        self._model.test_step((flat, y) if weight is None else (flat, y, weight))

    def _all(self, sums: Any) -> Any:
        results = self._model.get_metrics_result()
        types = {name: tf.as_dtype(value.dtype) for name, value in results.items()}
        # one after the other, for all are read off the same variables
        return tf.map_fn(self._results, sums, fn_output_signature=types, parallel_iterations=1)

    def _results(self, sums: Any) -> Any:
        place = 0
        for variable in self._variables():
            count = int(np.prod(variable.shape))
            part = tf.reshape(sums[place : place + count], variable.shape)
            variable.assign(tf.cast(part, variable.dtype))
            place += count
        return self._model.get_metrics_result()

    def _variables(self) -> list[keras.Variable]:
        return [variable for metric in self._model.metrics for variable in metric.variables]


def _mean_of_drawn(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The mean over trainings, drawn anew with replacement for each column of [trainings, draws].

    One fewer is drawn than there are: the mean of a draw then varies as the mean of all trainings
    does (McCarthy and Snowden 1985).
    """
    trainings, draws = values.shape
    if trainings == 1:
        return values[0]
    drawn = random.multinomial(trainings - 1, np.full(trainings, 1 / trainings), size=draws)
    return (values * drawn.T).sum(0) / (trainings - 1)


def agree(found: float, expected: float) -> bool:
    """Whether two values of a metric are one but for rounding; NaN is none."""
    return abs(found - expected) <= SAME * (1 + abs(expected))


def _is_arrays(data: Any) -> bool:
    return not isinstance(data, tf.data.Dataset | keras.utils.PyDataset)


def _of_arrays(data: Any) -> Iterator[Any]:
    """Arrays in batches."""
    arrays = tf.nest.map_structure(np.asarray, data)
    for first in range(0, len(tf.nest.flatten(arrays)[0]), ARRAY_BATCH):
        yield _part(arrays, slice(first, first + ARRAY_BATCH))


def _in_pairs(sums: np.ndarray, labels: list[int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Neighbouring blocks together, so that there are fewer than twice ``BLOCKS``."""
    while len(labels) >= 2 * BLOCKS:
        sums = np.add.reduceat(sums, np.arange(0, len(sums), 2), axis=0)
        pairs = zip_longest(labels[::2], labels[1::2], fillvalue=0)
        labels = [zlib.crc32(repr(pair).encode()) for pair in pairs]
    return sums, tuple(labels)


def _part(structure: Any, part: slice) -> Any:
    """Some samples of all arrays; None, of no weights, stays."""
    return tf.nest.map_structure(lambda one: None if one is None else one[part], structure)


def _judge_of(model: keras.Model, outputs: Any) -> keras.Model:
    """A model that puts out what is put in, compiled as the one with such outputs is."""
    inside = getattr(model, "_functional", model)
    count = len(tf.nest.flatten(outputs))
    names = getattr(inside, "output_names", None) or ()
    # one output that is put out twice has one name
    named = iter(names if len(set(names)) == count else [f"output_{n}" for n in range(count)])
    with seeds_kept():
        inputs = [
            keras.Input(tensor.shape[1:], dtype=tensor.dtype.name)
            for tensor in tf.nest.flatten(outputs)
        ]
        put_out = [keras.layers.Identity(name=next(named))(tensor) for tensor in inputs]
        judge = keras.Model(inputs, tf.nest.pack_sequence_as(outputs, put_out))
    compile_alike(model, judge)
    return judge

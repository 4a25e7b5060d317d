"""What keeps a training bit for bit what it would have been without the monitor."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

from nasmon.errors import UsageError

# the input of each shuffling dataset operation that holds the state of its random order
_SEED_INPUTS = {"ShuffleDatasetV3": 4, "ShuffleAndRepeatDatasetV2": 5}
_CACHES = ("CacheDataset", "CacheDatasetV2")
_IGNORE_EXTERNAL_STATE = 1
_RANDOM = ("RandomStandardNormal", "RandomUniform", "RandomGamma", "TruncatedNormal", "Multinomial")
_CHANGING = ("Assign", "ResourceApply", "ResourceScatter", "RngReadAndSkip", "RngSkip", "Stateful")


@contextmanager
def untouched(model: keras.Model | None = None, chunk: Any = 0) -> Iterator[None]:
    """A scope in which a forward pass leaves no trace.

    Keras variables, the states of seed generators among them, are read but never written; losses
    that layers add are dropped; Python's and NumPy's global random states are put back.

    Args:
        model: whose random layers draw in every pass what they drew in the first, so that what
            changes from reading to reading is the model and not the noise.
        chunk: a number, or a tensor of one: each chunk has noise of its own.
    """
    states = {id(one.state): one.state for one in _generators(model)}
    seeds = [
        (state, tf.stack([tf.cast(part, state.dtype) for part in (number, chunk)]))
        for number, state in enumerate(states.values(), start=1)
    ]
    own = _global_seeds(_GlobalSeeds(chunk))
    with _global_states_kept(), own, keras.StatelessScope(seeds, collect_losses=True):
        yield


@contextmanager
def seeds_kept() -> Iterator[None]:
    """A scope in which models may be made and run: random numbers are drawn later as without it.

    The states of Python, NumPy and Keras are put back; layers' own generators are not looked after.
    """
    # Keras makes another generator when it is asked for one
    with _global_states_kept(), _global_seeds(None):
        yield


@contextmanager
def _global_states_kept() -> Iterator[None]:
    """Puts back Python's and NumPy's global random states."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def _generators(model: keras.Model | None) -> Iterator[keras.random.SeedGenerator]:
    for layer in model._flatten_layers() if model is not None else ():
        yield from getattr(layer, "_seed_generators", ())


class _GlobalSeeds:
    """Stands in for Keras's own seed generator, which serves random operations without a seed."""

    def __init__(self, chunk: Any) -> None:
        self._drawn, self._chunk = 0, tf.cast(chunk, tf.int32)

    def next(self, ordered: bool = True) -> tf.Tensor:
        """Another seed in each call, the same ones in each pass."""
        self._drawn += 1
        # the generators of layers count up from 1
        return tf.stack([-self._drawn, self._chunk])


@contextmanager
def _global_seeds(generator: Any) -> Iterator[None]:
    """Has another one stand in for Keras's own seed generator."""
    before = global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)
    global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, generator)
    try:
        yield
    finally:
        global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, before)


def draws_noise(graph: tf.Graph) -> str:
    """The first operation of a traced pass that draws numbers of its own, "" if there is none.

    TensorFlow's old random operations cannot be made to draw the same again.
    """
    return next((node.name for node in _nodes(graph) if node.op.startswith(_RANDOM)), "")


def check_unchanging(graph: tf.Graph) -> None:
    """Refuses a traced forward pass that writes to variables behind Keras's back.

    Raises:
        ValueError: an operation of the graph, or of a function in it, changes a resource.
    """
    for node in _nodes(graph):
        if node.op.startswith(_CHANGING) and not node.op.startswith(("Stateless", "StatefulPart")):
            raise ValueError(
                f"the model's call changes a variable even with training=False ({node.op} "
                f"{node.name!r}), so probing it would change the training; keep such state in "
                "Keras variables (add_weight), which the probe leaves alone"
            )


def _nodes(graph: tf.Graph) -> Iterator[Any]:
    """Of a graph and of the functions in it."""
    definition = graph.as_graph_def()
    yield from definition.node
    for function in definition.library.function:
        yield from function.node_def


def aside(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The same elements in the same first order, read without a trace in ``dataset``.

    Reading a shuffled dataset once more would change the order of all its later passes, and reading
    a cached one half-way would spoil its cache. So the copy shuffles with random states of its own
    and bypasses caches. A dataset with neither is returned as it is.

    Raises:
        ValueError: the dataset shuffles or caches and cannot be copied.
    """
    if not _keeps_state(dataset):
        return dataset
    try:
        graph = tf.compat.v1.GraphDef.FromString(
            tf.raw_ops.DatasetToGraphV2(
                input_dataset=tf.data.experimental.to_variant(dataset),
                external_state_policy=_IGNORE_EXTERNAL_STATE,
            ).numpy()
        )
        _give_own_state(graph)
        variant = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
        return tf.data.experimental.from_variant(variant, dataset.element_spec)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise UsageError(
            "the validation dataset shuffles or caches and cannot be read without disturbing it; "
            f"pass validation_data= as arrays or as a dataset of its own ({error})"
        ) from error


def _keeps_state(dataset: tf.data.Dataset) -> bool:
    kind = type(dataset).__name__
    return "Shuffle" in kind or "Cache" in kind or any(map(_keeps_state, dataset._inputs()))


def _give_own_state(graph: tf.compat.v1.GraphDef) -> None:
    fresh = graph.node.add(name="nasmon_seeds", op="DummySeedGenerator")
    behind = {node.name: node.input[0] for node in graph.node if node.op in _CACHES}
    for node in graph.node:
        if node.op in _SEED_INPUTS:
            node.input[_SEED_INPUTS[node.op]] = fresh.name
        for position, name in enumerate(node.input):
            while name in behind:
                name = behind[name]
            node.input[position] = name

"""What keeps a training bit for bit what it would have been without the monitor."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from nasmon.errors import UsageError

# the input of each shuffling dataset operation that holds the state of its random order
_SEED_INPUTS = {"ShuffleDatasetV3": 4, "ShuffleAndRepeatDatasetV2": 5}
_CACHES = ("CacheDataset", "CacheDatasetV2")
_IGNORE_EXTERNAL_STATE = 1
_CHANGING = ("Assign", "ResourceApply", "ResourceScatter", "RngReadAndSkip", "RngSkip", "Stateful")


@contextmanager
def untouched() -> Iterator[None]:
    """A scope in which a forward pass leaves no trace.

    Keras variables, the states of seed generators among them, are read but never written; losses
    that layers add are dropped; Python's and NumPy's global random states are put back.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with keras.StatelessScope(collect_losses=True):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def check_unchanging(graph: tf.Graph) -> None:
    """Refuses a traced forward pass that writes to variables behind Keras's back.

    Raises:
        ValueError: an operation of the graph, or of a function in it, changes a resource.
    """
    definition = graph.as_graph_def()
    nodes = list(definition.node)
    for function in definition.library.function:
        nodes += function.node_def
    for node in nodes:
        if node.op.startswith(_CHANGING) and not node.op.startswith(("Stateless", "StatefulPart")):
            raise ValueError(
                f"the model's call changes a variable even with training=False ({node.op} "
                f"{node.name!r}), so probing it would change the training; keep such state in "
                "Keras variables (add_weight), which the probe leaves alone"
            )


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

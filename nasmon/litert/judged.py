"""A model judged as 8-bit integers, on the samples that its floating-point form is judged on."""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.litert.run import Int8Model, to_int8
from nasmon.narrowing.verdict import Evaluation, JudgedModel
from nasmon.probe_set import ProbeSet

CALIBRATION = 100
"""Samples that the ranges of activations are found with, if there are so many."""


class Converted(NamedTuple):
    """A model in 8-bit integers, judged on the validation data."""

    model: Int8Model
    judged: JudgedModel


def calibration_of(probe: ProbeSet, samples: int = CALIBRATION) -> Any:
    """The first samples of some data, as arrays in the structure of the model's inputs."""
    few = probe.first(samples)
    return tf.nest.map_structure(
        lambda *parts: np.concatenate([np.asarray(part) for part in parts]), *few.chunks
    )


def converted(model: keras.Model, samples: Any, evaluation: Evaluation) -> Converted:
    """Converts a model and judges what came of it.

    Args:
        model: compiled.
        samples: inputs to find the ranges of activations with.
        evaluation: what judges.

    Raises:
        UsageError: it cannot be converted, or there is nothing to judge by.
    """
    runs, like = to_int8(model, samples), model(_one(samples), training=False)

    def predict(x: Any) -> Any:
        found = runs.predict([np.asarray(array) for array in tf.nest.flatten(x)])
        return tf.nest.pack_sequence_as(like, found if isinstance(found, list) else [found])

    return Converted(runs, evaluation.predicted(predict))


def _one(samples: Any) -> Any:
    return tf.nest.map_structure(lambda array: tf.convert_to_tensor(array[:1]), samples)

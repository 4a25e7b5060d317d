"""How many steps a model was trained, by its optimizer's count or by our own."""

from typing import NamedTuple, SupportsInt

import keras
import tensorflow as tf


class StepsSoFar(NamedTuple):
    """The optimizer's count if it moved since training began, else our own."""

    counted: SupportsInt  # may still be on the device, and is left there until it is asked for
    before: int
    own: int

    def __int__(self) -> int:
        counted = int(self.counted)
        return counted if counted > self.before else self.own


def iterations_of(model: keras.Model) -> SupportsInt:
    """Steps that the model's optimizer counted, a tensor; 0 for a model without one."""
    iterations = getattr(getattr(model, "optimizer", None), "iterations", None)
    if iterations is None:
        return 0
    # read through TensorFlow: the variable may be mirrored over several devices, and is no variable
    # where gradients are accumulated
    return tf.convert_to_tensor(getattr(iterations, "value", iterations))

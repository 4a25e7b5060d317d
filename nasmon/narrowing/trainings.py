"""Short trainings of a model with fewer channels: made anew, or in all its widths with zeros."""

import math
import random
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.isolation import seeds_kept
from nasmon.narrowing.carry import carry, carry_as_zeros, zeros_are_left
from nasmon.narrowing.labelled import Labelled
from nasmon.narrowing.rebuild import Build, compile_alike, rebuilt
from nasmon.narrowing.recalibrate import Recalibration, recalibrate
from nasmon.narrowing.seen import Seen

ROUNDING = 0.02
"""A share of the largest output: what is more is another function."""


class Course(NamedTuple):
    """What a training is given."""

    train: Labelled
    judged_on: Labelled
    epochs: int
    seed: int  # of the order of samples, and of the layers that draw numbers


class Trainings:
    """Trains a model with some of its channels for a while, and tells its loss.

    They are trained in the model's own widths, with zeros for what is left out, for then they share
    one trace: a try of nano_u takes 4 s so, and 11 s made anew. Where that is another function, as
    where a layer normalization counts the zeros, each is made anew.

    Args:
        seen: the model, compiled.
        build: as for ``narrow``.
        learning_rate: at the start of each; it falls to 0 along a cosine. The model's own if None.
    """

    def __init__(self, seen: Seen, build: Build | None, learning_rate: float | None) -> None:
        self._seen, self._build = seen, build
        self._rate = _initial_rate(seen.traced.model) if learning_rate is None else learning_rate
        self._whole: _Whole | None = None
        self._begun = False

    def loss(self, alive: np.ndarray, course: Course) -> float:
        """The loss after a training.

        Args:
            alive: [numbers] bool, which of the channels to keep.
            course: the training; the numbers drawn in it are the same each time.
        """
        with seeds_kept():
            random.seed(course.seed)
            np.random.seed(course.seed)
            if not self._begun:
                return self._first(alive, course)
            if self._whole is not None:
                return self._whole.trained(alive, course)
            return self._made_anew(alive, course)

    def _first(self, alive: np.ndarray, course: Course) -> float:
        self._begun = True
        whole = _Whole(self._seen, self._build, self._rate)
        if whole.agrees(alive, self._carried_over(alive)):
            loss = whole.trained(alive, course)
            if whole.is_sound(alive):
                self._whole = whole
                return loss
        return self._made_anew(alive, course)

    def _carried_over(self, alive: np.ndarray) -> keras.Model:
        seen = self._seen
        small = rebuilt(seen.traced, alive, self._build, seen.inputs)
        carry(seen.traced, small, alive, seen.received)
        assert seen.probe is not None
        recalibrate(small, seen.probe)
        return small

    def _made_anew(self, alive: np.ndarray, course: Course) -> float:
        small = self._carried_over(alive)
        return _trained(small, _compiled(self._seen.traced.model, small, self._rate), course)


class _Whole:
    """A model of all widths, to which any of its channels can be carried over."""

    def __init__(self, seen: Seen, build: Build | None, rate: float) -> None:
        self._seen = seen
        everything = seen.traced.alive({})
        self._model = rebuilt(seen.traced, everything, build, seen.inputs)
        self._rate = _compiled(seen.traced.model, self._model, rate)
        self._recalibrate = Recalibration(self._model)
        states = [
            generator.state
            for layer in self._model._flatten_layers()
            for generator in getattr(layer, "_seed_generators", ())
        ]
        variables = [*self._model.optimizer.variables, *states]
        self._at_first = [(variable, np.array(variable)) for variable in variables]

    def trained(self, alive: np.ndarray, course: Course) -> float:
        """The loss after a training of some of the channels."""
        self._carry(alive)
        return _trained(self._model, self._rate, course)

    def agrees(self, alive: np.ndarray, small: keras.Model) -> bool:
        """Whether a model made anew is the same function, before it is trained."""
        self._carry(alive)
        return _agree(self._model, small, self._seen.inputs)

    def _carry(self, alive: np.ndarray) -> None:
        seen = self._seen
        carry_as_zeros(seen.traced, self._model, alive, seen.received)
        assert seen.probe is not None
        self._recalibrate(seen.probe)
        for variable, value in self._at_first:
            variable.assign(value)

    def is_sound(self, alive: np.ndarray) -> bool:
        """Whether the training left what is not there at 0."""
        return zeros_are_left(self._seen.traced, self._model, alive)


class _Rate(keras.optimizers.schedules.LearningRateSchedule):
    """Falls to 0 along a cosine, in as many steps as a training has."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.initial, self.steps = initial, tf.Variable(1.0, dtype=tf.float32)

    def __call__(self, step: Any) -> tf.Tensor:
        """The rate of a step, float32."""
        done = tf.minimum(tf.cast(step, tf.float32) / self.steps, 1.0)
        return self.initial * 0.5 * (1 + tf.cos(math.pi * done))

    def get_config(self) -> dict[str, Any]:
        """As Keras asks for it; these models are not saved."""
        return {"initial": self.initial}


def _initial_rate(model: keras.Model) -> float:
    config = model.optimizer.get_config()
    optimizer = type(model.optimizer).from_config(config)
    rate = getattr(optimizer, "_learning_rate", None)
    start = rate(0) if callable(rate) else rate
    return float(keras.ops.convert_to_numpy(start)) if start is not None else 0.0


def _compiled(model: keras.Model, small: keras.Model, initial: float) -> _Rate:
    """Compiles a model as another one is, but for the rate of its optimizer."""
    compile_alike(model, small)
    rate, config = _Rate(initial), model.optimizer.get_config()
    if "learning_rate" in config:
        settings = dict(small._compile_config.config)
        settings["optimizer"] = type(model.optimizer).from_config({**config, "learning_rate": rate})
        small.compile(**settings)
    small.optimizer.build(small.trainable_variables)
    return rate


def _trained(model: keras.Model, rate: _Rate, course: Course) -> float:
    """The loss of a model after a training."""
    order = np.random.default_rng(course.seed)
    data, batch = course.train, course.train.batch
    rate.steps.assign(course.epochs * -(-data.samples // batch))
    for _ in range(course.epochs):
        shuffled = data.part(order.permutation(data.samples))
        model.fit(*shuffled.arrays, batch_size=batch, shuffle=False, verbose=0)
    judged = course.judged_on
    found = model.evaluate(*judged.arrays, batch_size=batch, verbose=0, return_dict=True)
    return float(found["loss"])


def _agree(whole: keras.Model, small: keras.Model, inputs: Any) -> bool:
    """Whether two models give the same, but for rounding.

    Statistics of some 100,000 numbers each, in float32 and in another order, make it 0.2 % behind
    fourteen batch normalizations.
    """
    for one, other in zip(*(tf.nest.flatten(m(inputs)) for m in (whole, small)), strict=True):
        a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
        if np.abs(a - b).max(initial=0) > ROUNDING * np.abs(b).max(initial=0):
            return False
    return True

"""Statistics of batch normalizations, computed anew over data."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import keras
import tensorflow as tf

from nasmon.capture import wrapped_calls
from nasmon.isolation import seeds_kept
from nasmon.probe_set import ProbeSet


def recalibrate(model: keras.Model, data: ProbeSet) -> None:
    """Resets what batch normalizations know of their inputs, and averages it over all chunks.

    Each normalizes by its chunk meanwhile, as in training; dropout and the like are off. Frozen
    layers (``trainable=False``) keep their statistics.

    Args:
        model: built; nothing but those statistics is changed.
        data: of the size of a training's batches, or larger.
    """
    Recalibration(model)(data)


class Recalibration:
    """``recalibrate`` of one model whose weights change, traced once."""

    def __init__(self, model: keras.Model) -> None:
        self._norms = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
        ]
        # the share that what is known so far has in the average, for each dtype that is averaged in
        self._shares = {
            dtype: tf.Variable(0.0, dtype=dtype)
            for dtype in {layer.moving_mean.dtype for layer in self._norms}
        }
        self._model = model
        self._forward: Callable[..., Any] | None = None

    def __call__(self, data: ProbeSet) -> None:
        """See ``recalibrate``."""
        if not self._norms:
            return
        with _training(self._norms, self._shares), seeds_kept():
            for number, chunk in enumerate(data.chunks):
                # the average of all so far: the first one is taken as it is
                for share in self._shares.values():
                    share.assign(number / (number + 1))
                if self._forward is None:
                    traced = tf.function(lambda x: self._model(x, training=False), autograph=False)
                    self._forward = traced.get_concrete_function(chunk)
                self._forward(chunk)


@contextmanager
def _training(norms: Sequence[keras.Layer], momenta: Mapping[str, tf.Variable]) -> Iterator[None]:
    """Has these layers work as in training, with those momenta by dtype."""
    own = [layer.momentum for layer in norms]
    try:
        for layer in norms:
            layer.momentum = momenta[layer.moving_mean.dtype]
        with wrapped_calls(norms, _as_in_training):
            yield
    finally:
        for layer, share in zip(norms, own, strict=True):
            layer.momentum = share


def _as_in_training(layer: keras.Layer) -> Callable[..., Any]:
    call = layer.call

    @wraps(call)
    def trained(*args: Any, **kwargs: Any) -> Any:
        # whatever was asked for
        return call(*args, **{**kwargs, "training": True})

    return trained

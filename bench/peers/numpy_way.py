"""The plain way: ``predict`` with every monitored layer's output, ``np.cov``, ``eigvalsh``."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from bench.peers.keras_training import KerasTraining
from bench.peers.schedule import EPOCH, EVERY, STEPS, Variant, Watched
from nasmon import list_layers


def activations_model(model: keras.Model) -> keras.Model:
    """From the model's input to the outputs of the layers that nasmon monitors."""
    names = [info.name for info in list_layers(model)]
    return keras.Model(model.inputs, [model.get_layer(name).output for name in names])


def spectra(activations: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    """Eigenvalues [C], ascending, of the covariance of each layer over all positions of ``x``."""
    found = []
    for output in activations.predict(x, verbose=0):
        rows = output.reshape(-1, output.shape[-1])
        covariance = np.atleast_2d(np.cov(rows, rowvar=False))
        found.append(np.linalg.eigvalsh(covariance))
    return found


class NumpyCallback(keras.callbacks.Callback):
    """Takes the spectra at the end of every epoch."""

    def __init__(self, activations: keras.Model, x: np.ndarray) -> None:
        super().__init__()
        self.readings: list[list[np.ndarray]] = []
        self._activations, self._x = activations, x

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Takes one."""
        self.readings.append(spectra(self._activations, self._x))


class NumpyWay:
    """Reads as often as nasmon does, and as many samples.

    Args:
        samples: of a reading every ``EVERY`` batches, and of one an epoch.
    """

    def __init__(self, samples: tuple[int, int]) -> None:
        self._training = KerasTraining()
        activations = activations_model(self._training.model)
        self._callbacks = [
            NumpyCallback(activations, self._training.validation[:count]) for count in samples
        ]
        positions = [int(np.prod(output.shape[1:-1])) for output in activations.outputs]
        self.variants: Sequence[Variant] = [
            Variant(
                monitor="NumPy",
                when=when,
                every=every,
                every_in_block=EVERY,
                samples=count,
                layers=len(positions),
                rows=float(np.mean(positions)),
            )
            for when, every, count in zip(
                (f"every {EVERY} batches", "every epoch"), (EVERY, EPOCH), samples, strict=True
            )
        ]
        for index in range(len(self.variants)):
            self.watched(index)

    def plain(self, index: int) -> float:
        """Seconds of a block without readings."""
        return self._training.block([])

    def watched(self, index: int) -> Watched:
        """Seconds of a block with them."""
        callback = self._callbacks[index]
        callback.readings.clear()
        seconds = self._training.block([callback])
        if len(callback.readings) != STEPS // EVERY:
            raise RuntimeError(f"{len(callback.readings)} readings in a block of {STEPS} steps")
        return Watched(seconds, 0)

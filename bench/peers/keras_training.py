"""The Keras side: ``nano_u`` as ``python -m train`` trains it by default, in blocks."""

import time
from collections.abc import Sequence

import keras
import numpy as np

from bench.peers.schedule import BATCH, EPOCH, EVERY, STEPS
from bench.trainings import segmentation


class KerasTraining:
    """A training that goes on from block to block.

    Attributes:
        model: nano_u.
        validation: inputs to probe with, [N, H, W, 3].
    """

    def __init__(self) -> None:
        keras.utils.set_random_seed(0)
        made = segmentation("nano_u")
        self.model, self.validation = made.model, made.validation
        images, _ = next(iter(made.train))
        if (len(made.train), len(images)) != (EPOCH, BATCH):
            raise ValueError(
                f"an epoch has {len(made.train)} batches of {len(images)}; bench/peers/schedule.py "
                f"says {EPOCH} of {BATCH}"
            )
        self._batches = made.train.repeat()
        # all of it is traced before anything is timed
        self.block([])

    def block(self, callbacks: Sequence[keras.callbacks.Callback]) -> float:
        """Seconds of ``STEPS`` steps; to ``fit``, an epoch ends after every ``EVERY`` of them."""
        begun = time.perf_counter()
        self.model.fit(
            self._batches,
            steps_per_epoch=EVERY,
            epochs=STEPS // EVERY,
            callbacks=list(callbacks),
            shuffle=False,
            verbose=0,
        )
        return time.perf_counter() - begun

    def weights(self) -> dict[str, np.ndarray]:
        """All weights, trainable or not, by ``layer/weight``."""
        return {
            f"{layer.name}/{weight.name}": np.asarray(weight)
            for layer in self.model.layers
            for weight in layer.weights
        }

"""nasmon on Keras's ``nano_u``, with nothing postponed: its budget is switched off."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers.keras_training import KerasTraining
from bench.peers.numpy_way import activations_model, spectra
from bench.peers.reference import Reference, assert_same_spectra
from bench.peers.schedule import BATCH, EPOCH, EVERY, STEPS, Variant, Watched
from nasmon import Monitor, NASMonitorCallback

_EVERY_BATCHES = {"log_freq": "batch", "batch_freq": EVERY}

# when, steps between two readings, settings
MODES: Sequence[tuple[str, int, dict[str, Any]]] = (
    (f"every {EVERY} batches", EVERY, _EVERY_BATCHES),
    ("every epoch", EPOCH, {"log_freq": "epoch"}),
    (f"every {EVERY} batches, all rows", EVERY, {**_EVERY_BATCHES, "max_rows": 10**9}),
)


class Piece(NASMonitorCallback):
    """Watches pieces of one long training."""

    def on_train_end(self, logs: Any = None) -> None:
        """The training goes on in the next piece."""


class Nasmon:
    """All modes, writing TensorBoard and CSV files as they do by default.

    Args:
        folder: for those files, and for ``Reference``, which the others are checked against.
    """

    def __init__(self, folder: Path) -> None:
        self._training = KerasTraining()
        self._write_reference(folder)
        self._callbacks = [
            Piece(
                self._training.validation,
                log_dir=folder / f"nasmon{number}",
                overhead_budget=None,
                on_error="raise",
                **settings,
            )
            for number, (_, _, settings) in enumerate(MODES)
        ]
        for callback in self._callbacks:
            self._training.block([callback])
        self.variants: Sequence[Variant] = [
            self._variant(when, every, callback)
            for (when, every, _), callback in zip(MODES, self._callbacks, strict=True)
        ]

    def plain(self, index: int) -> float:
        """Seconds of a block without the monitor."""
        return self._training.block([])

    def watched(self, index: int) -> Watched:
        """Seconds of a block with it."""
        callback, samples = self._callbacks[index], self.variants[index].samples
        before = len(callback.readings)
        seconds = self._training.block([callback])
        taken = [reading.samples for reading in callback.readings[before:]]
        if taken != [samples] * (STEPS // EVERY):
            raise RuntimeError(f"a block of {STEPS} steps has readings of {taken} samples")
        return Watched(seconds, 0)

    def _variant(self, when: str, every: int, callback: Piece) -> Variant:
        reading = callback.readings[-1]
        layers = len(reading.layers)
        rows = sum(reading[info.name]["rows"] for info in reading.layers)
        return Variant(
            monitor="nasmon",
            when=when,
            every=every,
            every_in_block=EVERY,
            samples=reading.samples,
            layers=layers,
            rows=rows / layers / reading.samples,
        )

    def _write_reference(self, folder: Path) -> None:
        """Checks nasmon against NumPy, and leaves what the twin is checked against."""
        model, x = self._training.model, self._training.validation[:BATCH]
        monitor = Monitor(model, x, samples=BATCH, max_rows=10**9)
        reading = monitor.read(0)
        names = [info.name for info in reading.layers]
        expected = dict(zip(names, spectra(activations_model(model), x), strict=True))
        assert reading.spectra is not None
        found = dict(zip(names, reading.spectra.eigenvalues, strict=True))
        assert_same_spectra("nasmon", found, expected)
        outputs = np.asarray(model(x, training=False))
        Reference(self._training.weights(), x, outputs, expected).save(folder)

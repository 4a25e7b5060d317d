"""What a training says of its length: how many steps when it begins, and soon how long it takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras

from nasmon.terminal import count_of

_TIMED = 1
"""The epoch whose time is taken: the first one traces the model and sets the monitor up."""


class Pace(keras.callbacks.Callback):
    """Prints epochs and steps when training begins, and the time to go after the second epoch."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = 0.0

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Says what will be done."""
        epochs, steps = self.params["epochs"], self.params["steps"]
        print(f"training: {count_of(epochs, 'epoch')} of {count_of(steps, 'step')}", flush=True)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Notes when the timed epoch begins."""
        if epoch == _TIMED:
            self._begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Says how long the rest takes, validation and readings among it."""
        left = self.params["epochs"] - epoch - 1
        if epoch == _TIMED and left:
            seconds = left * (time.perf_counter() - self._begun)
            print(f"{count_of(left, 'epoch')} to go: about {rough_time(seconds)}", flush=True)


def rough_time(seconds: float) -> str:
    """A time as one says it of what is yet to come.

    Example:
        >>> [rough_time(seconds) for seconds in (3, 44, 100, 3000, 20_000)]
        ['10 seconds', '40 seconds', '2 minutes', '50 minutes', '6 hours']
    """
    if seconds < 75:
        return f"{max(10, 10 * round(seconds / 10))} seconds"
    minutes = round(seconds / 60)
    return count_of(minutes, "minute") if minutes < 90 else count_of(round(seconds / 3600), "hour")

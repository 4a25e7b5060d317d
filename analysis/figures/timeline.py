"""Where readings stand along the x axis: at epochs, training steps, or just one after another."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasmon.analysis.run import Run


class Timeline(NamedTuple):
    """The x values of a run's readings."""

    label: str  # "Epoch", "Training step" or "Reading"
    x: np.ndarray  # [readings] float64, rising

    def at(self, index: int) -> str:
        """One reading in words, such as "epoch 24"."""
        return f"{self.label.lower()} {self.x[index]:,.0f}"


def timeline(epochs: np.ndarray, steps: np.ndarray) -> Timeline:
    """Epochs, from 1, if no two readings share one; else training steps.

    Where neither rises, as in the joined rows of two trainings, readings are counted from 1.

    Args:
        epochs: [readings], counted from 0; -1 where a hand-written loop gave none.
        steps: [readings], training steps so far.
    """
    return _shared([(epochs, steps)])[0]


def timelines(runs: Sequence[Run]) -> list[Timeline]:
    """One timeline a run, all in the same unit."""
    return _shared([(r.readings["epoch"].to_numpy(), r.readings["step"].to_numpy()) for r in runs])


def _shared(moments: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Timeline]:
    if all(_rises(epochs) for epochs, _ in moments):
        return [Timeline("Epoch", epochs.astype(np.float64) + 1) for epochs, _ in moments]
    if all(_rises(steps) for _, steps in moments):
        return [Timeline("Training step", steps.astype(np.float64)) for _, steps in moments]
    return [Timeline("Reading", np.arange(1.0, len(steps) + 1)) for _, steps in moments]


def _rises(values: np.ndarray) -> bool:
    # written so that a NaN fails
    return bool((values >= 0).all() and (np.diff(values) > 0).all())

"""Keras's progress bar, for work that takes long."""

import time
from collections.abc import Mapping
from typing import Any

import keras


class SlowBar:
    """Steps done of steps, shown once they have taken a while.

    Args:
        steps: in all.
        unit: what a step is called, such as "group".
        after: seconds before anything is shown.
    """

    def __init__(self, steps: int, unit: str, after: float = 2.0) -> None:
        self._steps, self._unit, self._after = steps, unit, after
        self._begun = time.perf_counter()
        self._bar: Any = None

    def done(self, steps: int, values: Mapping[str, float] | None = None) -> None:
        """So many are done; values to show beside that."""
        if self._bar is None:
            if time.perf_counter() - self._begun < self._after:
                return
            self._bar = keras.utils.Progbar(
                self._steps, unit_name=self._unit, stateful_metrics=list(values or ())
            )
        self._bar.update(steps, list((values or {}).items()))

"""What a reading costs the batches after it, which the budget keeps room for.

One training of one monitor, without a budget, that reads every ten batches. Batches are timed
between the callbacks' hooks, so a reading's own time is in none of them; the first five after a
reading are compared with the next five, which stand for an undisturbed training of that moment.
"""

import statistics
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from bench.interleaved import error_of_the_median
from bench.results import command_of, write_section
from bench.trainings import Training, segmentation
from nasmon import NASMonitorCallback
from nasmon.budget import AFTERMATH

BETWEEN = 10
"""Batches from one reading to the next."""

DISTURBED = BETWEEN // 2
"""The batches after a reading that may be slower for it; the rest of them are taken not to be."""

READINGS = 150
LEFT_OUT = 3
"""Readings at the start, while the machine settles."""


class Hooks(keras.callbacks.Callback):
    """Notes when each batch begins, as the last callback, or ends, as the first."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[float] = []
        self.ended: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """After all other hooks, if this comes last."""
        self.begun.append(time.perf_counter())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Before all other hooks, if this comes first."""
        self.ended.append(time.perf_counter())


def test_batches_after_a_reading(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """What they lose, by the median reading, is within what the budget keeps free for it."""
    keras.utils.set_random_seed(0)
    made = segmentation("nano_u")
    watching = NASMonitorCallback(
        made.validation,
        log_dir=tmp_path,
        log_freq="batch",
        batch_freq=BETWEEN,
        overhead_budget=None,
        on_error="raise",
    )
    seconds = benchmark.pedantic(batch_seconds, args=(made, watching), rounds=1)
    # batches between one reading and the next, in a row each
    after = seconds[BETWEEN * LEFT_OUT :].reshape(-1, BETWEEN)
    readings = [reading.probe_seconds for reading in watching.readings]
    assert len(readings) == READINGS
    reading = statistics.median(readings[LEFT_OUT:])
    assert reading > 0
    lost = after[:, :DISTURBED].sum(axis=1) - after[:, DISTURBED:].sum(axis=1)
    share, error = float(np.median(lost)) / reading, error_of_the_median(lost) / reading
    benchmark.extra_info.update(share=round(share, 3), error=round(error, 3))
    print(f"\n{benchmark.extra_info}")
    write_table(after, reading, share, error)
    assert share - 2 * error <= AFTERMATH


def batch_seconds(made: Training, watching: NASMonitorCallback) -> np.ndarray:
    """Seconds of each batch, from the first after a reading to the last before one.

    Returns:
        float64 ``[BETWEEN * (READINGS - 1)]``.
    """
    first, last = Hooks(), Hooks()
    made.model.fit(
        made.train.repeat(),
        epochs=1,
        shuffle=False,
        steps_per_epoch=BETWEEN * READINGS,
        verbose=0,
        callbacks=[first, watching, last],
    )
    steps = [reading.step for reading in watching.readings]
    assert steps == list(range(BETWEEN, BETWEEN * READINGS + 1, BETWEEN))
    return np.subtract(first.ended, last.begun)[BETWEEN:]


def write_table(after: np.ndarray, reading: float, share: float, error: float) -> None:
    """Milliseconds by how long ago the reading was."""
    settled = np.median(after[:, DISTURBED:])
    rows = []
    for position, column in enumerate(after.T):
        median, error_here = np.median(column), error_of_the_median(column)
        slower = f"{1000 * (median - settled):+.2f} ± {1000 * error_here:.2f}"
        rows.append((position + 1, f"{1000 * median:.1f}", slower))
    write_section(
        "After a reading",
        command_of(__file__),
        [
            f"nano_u, a reading every {BETWEEN} batches without a budget, {len(after)} readings of "
            f"{1000 * reading:.0f} ms each: medians of the batches after them, and what they are "
            f"slower than batches {DISTURBED + 1} to {BETWEEN}. Before the next reading, the first "
            f"{DISTURBED} batches lose {100 * share:.0f} ± {100 * error:.0f} % of a reading's time "
            f"against the other {BETWEEN - DISTURBED}; the budget keeps {100 * AFTERMATH:.0f} % "
            "free for it."
        ],
        ("batch after a reading", "ms", "slower by, ms"),
        rows,
    )

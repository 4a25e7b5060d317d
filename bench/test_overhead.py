"""What a training pays for being watched: runs with and without the monitor, in turn.

Setting up is paid once a run and shown apart; the ratio is that of the training that follows. The
runs with the monitor are pieces of one long run to it: its account goes on from one to the next,
and none of them is its last.

A machine that is shared has slow spells, and a reading that is postponed is in some of the runs
only. So the extra time is told in two parts as well: that in the callback's hooks, by a clock
around them, of which the mean counts; and what else a run takes longer, of which the median does.
"""

import math
import statistics
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from bench.interleaved import Ratios, interleave, seconds_of
from bench.results import command_of, write_section
from bench.self_time import SelfTime, hooks_of
from bench.trainings import TRAININGS, Training
from nasmon import NASMonitorCallback, Reading
from nasmon.capture import capture
from nasmon.kernels.rows import rows_of
from nasmon.taps import choose_taps, layers_of
from tests.oracle import assert_metrics

BUDGET = 0.05
PAIRS = (8, 32)
"""At least and at most so many a row: as many as ``SECONDS`` have room for."""

SECONDS = 45.0
SAMPLES = (16, 64, 256)


class Mode(NamedTuple):
    """When the monitor reads, and what that should cost."""

    name: str
    settings: dict[str, Any]
    target: float
    share: float  # of an epoch, in a run


MODES = (
    Mode("epoch", {"log_freq": "epoch"}, 0.01, 1),
    Mode("every 10 batches", {"log_freq": "batch", "batch_freq": 10}, 0.03, 0.5),
    Mode("every batch", {"log_freq": "batch", "batch_freq": 1}, BUDGET, 0.5),
)


class Piece(NASMonitorCallback):
    """Watches pieces of one long training."""

    def set_params(self, params: dict[str, Any]) -> None:
        """Has no piece take itself for the end of the training."""
        super().set_params({**params, "epochs": 10**6})

    def on_train_end(self, logs: Any = None) -> None:
        """The training goes on in the next piece."""


class Extra(NamedTuple):
    """What the runs took longer, as shares of the runs without the monitor."""

    whole: Ratios
    hooks: float
    rest: float
    error: float  # the standard error of hooks and rest together

    @property
    def together(self) -> float:
        """Hooks and rest."""
        return self.hooks + self.rest

    @classmethod
    def of(cls, whole: Ratios, hooks: Sequence[float]) -> "Extra":
        """From the pairs, and the seconds that each run with the monitor spent in its hooks."""
        unwatched, share = whole.seconds_b, sum(hooks) / sum(whole.seconds_b)
        # the standard error of a ratio of means
        residuals = [inside - share * b for inside, b in zip(hooks, unwatched, strict=True)]
        error = statistics.stdev(residuals) * math.sqrt(len(hooks)) / sum(unwatched)
        others = [a - inside for a, inside in zip(whole.seconds_a, hooks, strict=True)]
        ratios = [a / b for a, b in zip(others, unwatched, strict=True)]
        rest = Ratios(ratios, others, unwatched)
        return cls(whole, share, rest.median - 1, math.hypot(error, rest.error))


class Measured(NamedTuple):
    """A row of the table."""

    training: str
    mode: Mode
    samples: int
    extra: Extra
    callback: Piece
    readings: Sequence[Reading]


NAMES = ("nano_u", "bu_net", "MobileNetV2", "subclassed")
ROWS: list[Measured] = []


@cache
def training(name: str) -> Training:
    """A training that has run for an epoch, so that all of it is traced."""
    keras.utils.set_random_seed(0)
    made = TRAININGS[name]()
    made.model.fit(made.train, epochs=1, shuffle=False, verbose=0)
    return made


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Writes the table when all of it was measured."""
    yield
    if len(ROWS) == len(NAMES) * len(MODES) * len(SAMPLES):
        write_table()


@pytest.mark.parametrize("samples", SAMPLES)
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name.replace(" ", "_"))
@pytest.mark.parametrize("name", NAMES)
def test_watched_over_unwatched(
    benchmark: Any, tmp_path: Path, name: str, mode: Mode, samples: int
) -> None:
    made = training(name)
    data = made.train.take(max(10, int(mode.share * len(made.train))))
    callback = Piece(
        made.validation, log_dir=tmp_path, samples=samples, on_error="raise", **mode.settings
    )

    hooks: list[float] = []
    taken: list[int] = []

    def run(callbacks: list[Any]) -> None:
        made.model.fit(data, epochs=1, callbacks=callbacks, shuffle=False, verbose=0)

    def run_watched() -> None:
        spent, before = SelfTime(), len(callback.readings)
        with spent.watching({"hooks": hooks_of(callback)}):
            run([callback])
        hooks.append(spent.seconds["hooks"])
        taken.append(len(callback.readings) - before)

    run_watched()
    first = list(callback.readings)
    check_reading(made, callback)
    # as at the begin of a training: no room is left from before
    account = callback.monitor.budget
    account.probe_seconds = account._trained = 0.0
    before = len(callback.readings)
    fitting = math.ceil(SECONDS / (2 * seconds_of(lambda: run([]))))
    pairs = min(max(fitting, PAIRS[0]), PAIRS[1])
    extra = Extra.of(interleave(run_watched, lambda: run([]), pairs), hooks[1:])
    readings = callback.readings[before:]
    row = Measured(name, mode, samples, extra, callback, readings)
    ROWS.append(row)
    benchmark.extra_info.update(extra.whole.info(), **facts(row))
    print(f"\n{benchmark.extra_info}")
    benchmark.pedantic(run_watched, rounds=1)
    # by its own account, which every reading may overdraw by what it was dearer than the last
    dearest = max((reading.probe_seconds for reading in (*first, *readings)), default=0.0)
    assert account.overhead <= BUDGET * 1.01 + dearest / account.training_seconds
    # and by the clock, above the budget by no more than the pairs' own spread explains
    assert extra.together - 2 * extra.error <= BUDGET
    whole = extra.whole
    if len(set(taken[1 : 1 + pairs])) == 1:
        assert whole.median - 2 * whole.error <= 1 + BUDGET
    else:
        # of readings in some of the runs only, a median sees none, or counts them as if in all
        assert whole.mean - 2 * whole.standard_error <= 1 + BUDGET


def check_reading(made: Training, callback: Piece) -> None:
    """A whole reading is what NumPy makes of the activations, before any time is taken."""
    monitor = callback.monitor
    reading = monitor.read(0)
    taps = choose_taps(made.model, "auto")
    captured = capture(made.model, layers_of(taps), made.validation[: reading.samples])
    tap = min(taps, key=lambda t: abs(t.info.channels - 32))
    (tensor,) = tap.tensors(captured)
    chunks, most = monitor._probe.chunks, monitor._probe._max_rows
    parts = (rows_of(part, tap.axis, most, chunks) for part in tf.split(tensor, chunks))
    rows = np.concatenate(list(parts))
    assert_metrics(reading[tap.name], rows, "redundancy_score trace effective_rank rows")


def facts(row: Measured) -> dict[str, Any]:
    """What a row says besides the ratios."""
    monitor, taken = row.callback.monitor, row.readings
    seconds = [reading.probe_seconds for reading in taken]
    return {
        "training": row.training,
        "mode": row.mode.name,
        "samples": row.samples,
        "taken": int(np.median([reading.samples for reading in taken])) if taken else "-",
        "readings": len(taken),
        "postponed": monitor.postponed,
        "extra": f"{100 * row.extra.together:+.1f} ± {100 * row.extra.error:.1f}",
        "in_hooks": f"{100 * row.extra.hooks:.1f}",
        "own_account": round(monitor.overhead, 4),
        "reading_ms": round(1000 * float(np.median(seconds))) if taken else "-",
        "setup_seconds": round(monitor.setup_seconds, 2),
    }


def write_table() -> None:
    """The table of overheads in ``bench/RESULTS.md``."""
    rows = []
    for row in ROWS:
        known, whole, over = facts(row), row.extra.whole, row.extra.together
        low, high = whole.quartiles
        verdict = "met" if over <= row.mode.target else "missed"
        if abs(over - row.mode.target) <= 2 * row.extra.error:
            verdict = f"{verdict}, within the spread"
        if not row.readings:
            verdict = "no reading"
        rows.append(
            (
                *(known[key] for key in ("training", "mode", "samples", "taken")),
                len(whole.ratios),
                *(
                    f"{100 * (whole.median - 1):+.1f}",
                    f"{100 * (low - 1):+.1f} to {100 * (high - 1):+.1f}",
                ),
                *(known[key] for key in ("extra", "in_hooks")),
                f"{100 * known['own_account']:.1f}",
                *(known[key] for key in ("readings", "postponed", "reading_ms", "setup_seconds")),
                f"{100 * row.mode.target:.0f}: {verdict}",
            )
        )
    write_section(
        "What a training pays",
        command_of(__file__),
        [
            f"Runs with and without the monitor in turn, {PAIRS[0]} pairs a row and more, budget "
            f"{100 * BUDGET:.0f} %. Extra time in percent of the run without: the median of the "
            "pairwise ratios, and their quartiles; and the same in two parts, of which one is in "
            "the callback's hooks (by a clock around them; their mean, for a reading that is "
            "postponed is in some of the runs only) and the other is the median of what the rest "
            "of a run takes longer (a shared machine has slow spells): both together with their "
            "standard error, which decides about the target, and the hooks alone. Own account: "
            "what the monitor says it cost. Samples: asked for, and what a reading took, "
            "the median (in batch mode no more than the estimate needs)."
        ],
        (
            *("training", "reading", "samples", "taken", "pairs"),
            *("median %", "quartiles %", "extra %", "in hooks %"),
            *("own account %", "readings", "postponed", "ms a reading", "set-up s", "target %"),
        ),
        rows,
    )

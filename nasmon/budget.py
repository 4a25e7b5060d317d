"""The monitor's budget: what it has cost, and whether another reading may run.

Time is of three kinds: training, readings, setting up. What is none of them (validation, a
checkpoint, the pause between two epochs) counts for nothing: it would only make a share of the
training look smaller.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from nasmon.errors import UsageError

DEFAULT_BUDGET = 0.05

RECENT = 3
"""Readings that the next one's cost is judged by: the dearest of them, as a machine has jitter;
no more, so that one slow moment is soon forgotten."""

AFTERMATH = 0.25
"""What a reading costs the batches after it, which find caches and memory cold, as a share of its
own time. 5 to 15 % were measured on a CPU (bench/test_aftermath.py); by the clock, trainings lost
16 % more than the account said (bench/test_overhead.py). Room is kept for that and some more; no
account shows it."""


def room_of(share: float) -> float:
    """What a budget leaves for the readings themselves, both as shares of the training."""
    return share / (1 + AFTERMATH)


class Price(NamedTuple):
    """What a reading costs, in seconds."""

    chunk: float  # each chunk of the probe set
    rest: float  # once a reading: spectra, metrics, the copy to the host, writing it down

    def of(self, chunks: int) -> float:
        """Seconds of a reading of so many chunks."""
        return self.rest + self.chunk * chunks


class OverheadBudget:
    """Keeps the readings within a share of the training time.

    The training's clock stands still until ``resume``, and while a reading or the set-up runs.

    Args:
        share: of the training time, above 0; 0.05 is 5 %. None for no limit.
        clock: seconds from a monotonic clock.

    Attributes:
        setup_seconds: paid once: caching the probe set, tracing, compiling.
        probe_seconds: paid by readings, writing them down included.

    Raises:
        ValueError: ``share`` is not above 0.
    """

    def __init__(
        self,
        share: float | None = DEFAULT_BUDGET,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if share is not None and not (isinstance(share, (int, float)) and share > 0):
            raise UsageError(
                f"overhead_budget is {share!r}; pass a share of the training time above 0, such as "
                "0.05 for 5 %, or None for no limit"
            )
        self.share = share
        self.setup_seconds = 0.0
        self.probe_seconds = 0.0
        self._clock = clock
        self._trained = 0.0
        self._resumed: float | None = None
        self._prices: deque[Price] = deque(maxlen=RECENT)

    @property
    def training_seconds(self) -> float:
        """Wall time of the training alone, so far."""
        running = 0.0 if self._resumed is None else self._clock() - self._resumed
        return self._trained + running

    @property
    def overhead(self) -> float:
        """Seconds of all readings over seconds of training, so far; NaN before any training."""
        training = self.training_seconds
        return self.probe_seconds / training if training > 0 else float("nan")

    def now(self) -> float:
        """Seconds on the budget's clock."""
        return self._clock()

    def resume(self) -> None:
        """The training goes on."""
        if self._resumed is None:
            self._resumed = self._clock()

    def pause(self) -> None:
        """The training stands still: a validation, a checkpoint, the end of an epoch."""
        if self._resumed is not None:
            self._trained += self._clock() - self._resumed
            self._resumed = None

    def abandon(self) -> None:
        """A training was broken off: the time since it last went on counts for nothing."""
        self._resumed = None

    @contextmanager
    def setting_up(self) -> Iterator[None]:
        """Counts the time inside as set-up."""
        with self._aside() as elapsed:
            try:
                yield
            finally:
                self.setup_seconds += elapsed()

    @contextmanager
    def reading(self) -> Iterator[Callable[[], float]]:
        """Counts the time inside as a reading's; yields the seconds since it began."""
        with self._aside() as elapsed:
            counted = 0.0

            def so_far() -> float:
                nonlocal counted
                seconds = elapsed()
                self.probe_seconds += seconds - counted
                counted = seconds
                return seconds

            try:
                yield so_far
            finally:
                so_far()

    def add(self, seconds: float, trained: float = 0.0) -> None:
        """Counts time that a reading took where no clock of the host saw it.

        Args:
            seconds: of the reading.
            trained: seconds that passed as the training's meanwhile; those of both are the
                reading's alone.
        """
        self.probe_seconds += seconds
        self._trained -= min(seconds, trained)

    def learn(self, price: Price) -> None:
        """Takes note of what a reading cost."""
        self._prices.append(price)

    def expected(self, chunks: int) -> float:
        """Seconds that a reading of so many chunks is expected to take; 0 if none was seen."""
        return max((price.of(chunks) for price in self._prices), default=0.0)

    def chunks(self, most: int, fewest: int, remaining: float | None = None) -> int:
        """How many chunks a reading may take now.

        Args:
            most: chunks of a whole reading.
            fewest: chunks below which the estimate would be too weak.
            remaining: seconds of training that are left, as far as that is known; room is kept for
                the run's last reading, which is never dropped.

        Returns:
            ``most`` if there is room for them, else as many as there is room for but not fewer
            than ``fewest``, else 0: the reading has to wait.
        """
        if self.share is None:
            return most
        training, share = self.training_seconds, room_of(self.share)
        room = share * training - self.probe_seconds
        if remaining is not None:
            in_the_end = share * (training + remaining) - self.probe_seconds
            room = min(room, in_the_end - self.expected(fewest))
        fitting = (n for n in range(most, fewest - 1, -1) if self.expected(n) <= room)
        return next(fitting, 0)

    @contextmanager
    def _aside(self) -> Iterator[Callable[[], float]]:
        """Stops the training's clock; yields the seconds since."""
        runs = self._resumed is not None
        self.pause()
        begun = self._clock()
        try:
            yield lambda: self._clock() - begun
        finally:
            if runs:
                self.resume()

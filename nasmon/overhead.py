"""What the monitor costs, as a share of the training it watches."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class OverheadMeter:
    """Adds up the seconds of readings and of setting up, against the wall time around them.

    Args:
        clock: seconds from a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._started = clock()
        self.setup_seconds = 0.0  # paid once: caching the probe set, tracing, compiling
        self.probe_seconds = 0.0  # paid by readings, writing them down included

    @property
    def overhead(self) -> float:
        """Seconds of all readings so far over seconds of everything but the monitor."""
        spent = self.setup_seconds + self.probe_seconds
        training = self._clock() - self._started - spent
        return self.probe_seconds / training if training > 0 else float("nan")

    @contextmanager
    def setting_up(self) -> Iterator[None]:
        """Counts the time inside as set-up."""
        begun = self._clock()
        try:
            yield
        finally:
            self.setup_seconds += self._clock() - begun

    @contextmanager
    def probing(self) -> Iterator[Callable[[], float]]:
        """Counts the time inside as that of a reading; yields the seconds since it began."""
        begun = self._clock()
        earlier = self.probe_seconds

        def elapsed() -> float:
            self.probe_seconds = earlier + self._clock() - begun
            return self._clock() - begun

        try:
            yield elapsed
        finally:
            elapsed()

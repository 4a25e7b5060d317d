"""A and B in turn, in one process: the only timing that means anything on a shared machine."""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple


class Ratios(NamedTuple):
    """How long A took over how long B took, pair by pair."""

    ratios: list[float]
    seconds_a: list[float]
    seconds_b: list[float]

    @property
    def median(self) -> float:
        """The median of the pairwise ratios."""
        return statistics.median(self.ratios)

    @property
    def mean(self) -> float:
        """The mean of the pairwise ratios: of what happens in some of the pairs only, the share."""
        return statistics.fmean(self.ratios)

    @property
    def standard_error(self) -> float:
        """Of the mean, from the spread of the pairs."""
        return statistics.stdev(self.ratios) / math.sqrt(len(self.ratios))

    @property
    def error(self) -> float:
        """The standard error of the median, from the quartiles of the pairs."""
        return error_of_the_median(self.ratios)

    @property
    def undisturbed(self) -> float:
        """The fastest quarter of A over the fastest quarter of B.

        Other work on the machine only ever adds time, a tenth and more here; a quarter of the runs
        or so is spared.
        """
        quarter = max(1, len(self.ratios) // 4)
        fastest = (sum(sorted(s)[:quarter]) for s in (self.seconds_a, self.seconds_b))
        return next(fastest) / next(fastest)

    @property
    def quartiles(self) -> tuple[float, float]:
        """The first and the third quartile of the pairwise ratios."""
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return low, high

    def info(self) -> dict[str, object]:
        """What a benchmark stores beside its figure."""
        return {
            "pairs": len(self.ratios),
            "undisturbed_ratio": round(self.undisturbed, 4),
            "median_ratio": round(self.median, 4),
            "mean_ratio": round(self.mean, 4),
            "standard_error": round(self.standard_error, 4),
            "quartiles": [round(quartile, 4) for quartile in self.quartiles],
            "median_seconds": [
                round(statistics.median(self.seconds_a), 6),
                round(statistics.median(self.seconds_b), 6),
            ],
        }


def error_of_the_median(values: Sequence[float]) -> float:
    """The standard error of a median, from the quartiles: as a normal distribution has it."""
    low, _, high = statistics.quantiles(values, n=4)
    return math.sqrt(math.pi / 2) * (high - low) / 1.349 / math.sqrt(len(values))


SETTLING = 0.05
"""Seconds until another library's threads have gone to sleep: OpenBLAS has its own spin for 25 ms
after a product, and whoever runs next is left with one core less. (Not by sleeping: then the
cores themselves have to wake.)"""


def interleave(
    a: Callable[[], object], b: Callable[[], object], pairs: int, calls: int | None = None
) -> Ratios:
    """Times A and B ``pairs`` times, now A first, now B; warm up before.

    Args:
        a: must wait for its own result, on whatever device.
        b: likewise.
        pairs: at least 2.
        calls: for what takes milliseconds: as many calls in a row for each time, of which the
            median counts, after some that do not; None for one plain call.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            run = (a, b)[which]
            if calls is not None:
                settled = time.perf_counter() + SETTLING
                while time.perf_counter() < settled:
                    run()
            times[which].append(statistics.median(seconds_of(run) for _ in range(calls or 1)))
    ratios = [one / other for one, other in zip(*times, strict=True)]
    return Ratios(ratios, *times)


def seconds_of(run: Callable[[], object]) -> float:
    """By the clock, of one call."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun

"""A and B in turn, in one process: the only timing that means anything on a shared machine."""

import statistics
import time
from collections.abc import Callable
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
    def undisturbed(self) -> float:
        """The fastest quarter of A over the fastest quarter of B.

        Other work on the machine only ever adds time, a tenth and more here; a quarter of the runs
        or so is spared.
        """
        quarter = max(1, len(self.ratios) // 4)
        fastest = (sum(sorted(s)[:quarter]) for s in (self.seconds_a, self.seconds_b))
        return next(fastest) / next(fastest)

    def info(self) -> dict[str, object]:
        """What a benchmark stores beside its figure."""
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return {
            "pairs": len(self.ratios),
            "undisturbed_ratio": round(self.undisturbed, 4),
            "median_ratio": round(self.median, 4),
            "quartiles": [round(low, 4), round(high, 4)],
            "median_seconds": [
                round(statistics.median(self.seconds_a), 6),
                round(statistics.median(self.seconds_b), 6),
            ],
        }


def interleave(a: Callable[[], object], b: Callable[[], object], pairs: int) -> Ratios:
    """Times A and B ``pairs`` times, now A first, now B; warm up before.

    Args:
        a: must wait for its own result, on whatever device.
        b: likewise.
        pairs: at least 2.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for which in (0, 1) if pair % 2 == 0 else (1, 0):
            begun = time.perf_counter()
            (a, b)[which]()
            times[which].append(time.perf_counter() - begun)
    ratios = [one / other for one, other in zip(*times, strict=True)]
    return Ratios(ratios, *times)

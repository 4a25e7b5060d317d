"""What a program's counts say it takes on a GPU: a prediction, from launches alone."""

from typing import NamedTuple

from bench.gpu.tables import Counted

IN_GRAPHS = (1.7, 2.8)
"""Microseconds from one launch to the next in programs of which XLA puts parts into CUDA graphs,
least and most, over all launches, those in no graph too: measured on an H100 with programs of 525
to 28,155 small kernels."""

BY_THE_HOST = 3.5
"""The same of a program without graphs, measured there with one of 1,629."""


class Span(NamedTuple):
    """Milliseconds, least and most."""

    least: float
    most: float

    def __str__(self) -> str:
        least, most = (f"{each:.1f}" if each >= 10 else f"{each:.2f}" for each in self)
        return least if least == most else f"{least} to {most}"

    def times(self, count: int) -> "Span":
        """Of so many runs."""
        return Span(count * self.least, count * self.most)

    def plus(self, other: "Span") -> "Span":
        """One after the other."""
        return Span(self.least + other.least, self.most + other.most)


def launched(row: Counted) -> int:
    """Kernels, copies and calls of libraries: what the profiler sees."""
    return int(row.kernels) + int(row.copies) + int(row.calls)


def launching(row: Counted) -> Span:
    """What launching takes; arithmetic and memory come on top where they take longer than that."""
    return launching_of(launched(row), int(row.graphs) > 0)


def launching_of(launches: int, has_graphs: bool = True) -> Span:
    """The same of so many launches; a program has graphs wherever XLA finds a use for them."""
    rates = IN_GRAPHS if has_graphs else (BY_THE_HOST, BY_THE_HOST)
    least, most = (each * launches / 1e3 for each in rates)
    return Span(least, most)

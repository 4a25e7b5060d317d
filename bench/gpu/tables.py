"""The two tables that bench/GPU.md is made from: what was measured, and what was counted."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO, TypeVar

from bench.gpu.command_line import WrongUseError

MEASURED = Path(__file__).parent.with_name("gpu.csv")
COUNTED = Path(__file__).parent.with_name("gpu_counts.csv")


class Measured(NamedTuple):
    """A row of gpu.csv, every cell as it stands there; "" for what was not measured."""

    date: str
    card: str
    driver: str
    runner: str  # what compiled and ran it, with its version
    of: str  # a network, or layers x channels
    part: str  # "forward", "absorb", "measure", ...
    variant: str  # whose program, see ``page.STANDING``
    program: str  # its fingerprint; "" from before there were any
    milliseconds: str  # median of the runs, waited for
    host_ms: str  # until the call returns
    kernels: str  # and copies, as the profiler saw them
    busy_ms: str  # in them
    compile_s: str
    difference: str  # from what TensorFlow put out on a CPU, see ``agreement``
    note: str


class Counted(NamedTuple):
    """A row of gpu_counts.csv, from a compilation for a card that is not there."""

    date: str
    compiler: str  # JAX, whose XLA it is, with its version
    of: str
    part: str
    program: str
    kernels: str
    copies: str  # within the device, and memory set to zeros
    calls: str  # of libraries: convolutions and the like
    graphed: str  # of these three, in CUDA graphs
    graphs: str  # launches of graphs
    submissions: str  # by the host: graphs, and what is in none
    unknown_loops: str  # whose trips only the device knows, counted as one
    compile_s: str


Row = TypeVar("Row", Measured, Counted)


def read(path: Path, kind: type[Row]) -> list[Row]:
    """All rows of a table; none if there is no file.

    Raises:
        WrongUseError: the file has other columns.
    """
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            heading, *rows = csv.reader(file)
            if tuple(heading) != kind._fields or any(len(r) != len(heading) for r in rows):
                raise ValueError("other columns")
    except (OSError, ValueError) as error:
        raise WrongUseError(
            f"{path} is no table with the columns {','.join(kind._fields)} ({error}); name "
            "another with --csv"
        ) from None
    return [kind(*row) for row in rows]


def append(path: Path, row: Measured) -> None:
    """Adds a row, and the heading to a file that is not there."""
    begun = path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        _write(file, [row] if begun else [Measured._fields, row])


def replace(path: Path, rows: Sequence[Counted]) -> None:
    """Puts rows in the place of those of the same programs, and others behind them."""
    fresh = {(row.of, row.part): row for row in rows}
    kept = {(row.of, row.part): row for row in read(path, Counted)}
    with path.open("w", newline="", encoding="utf-8") as file:
        _write(file, [Counted._fields, *(kept | fresh).values()])


def _write(file: TextIO, rows: Iterable[Sequence[str]]) -> None:
    csv.writer(file, lineterminator="\n").writerows(rows)

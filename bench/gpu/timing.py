"""How long a loaded program takes, and what the profiler sees of it."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.gpu.xla import import_jax, started

FEWEST = 3
"""Runs of a program that takes longer than ``SECONDS``."""

SECONDS = 2.0
"""After which no more runs are begun, whatever was asked for."""


class Timed(NamedTuple):
    """Medians over runs, in ms."""

    device: float  # until all outputs are there
    host: float  # until the call returns


class Profiled(NamedTuple):
    """What ran on a GPU in one run."""

    kernels: int  # and copies: all that was launched
    busy: float  # ms in them


def timed(program: Any, arrays: Sequence[Any], repeats: int) -> Timed:
    """Times a program that has run before."""
    device: list[float] = []
    host: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(device) < repeats and (len(device) < FEWEST or time.perf_counter() < end):
        begun = time.perf_counter()
        outputs = started(program, arrays)
        host.append(1e3 * (time.perf_counter() - begun))
        _wait(outputs)
        device.append(1e3 * (time.perf_counter() - begun))
    return Timed(statistics.median(device), statistics.median(host))


def profiled(program: Any, arrays: Sequence[Any]) -> Profiled | None:
    """Has the profiler watch one run; None if it saw no GPU."""
    jax = import_jax()
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            _wait(started(program, arrays))
        (file,) = Path(folder).rglob("*.xplane.pb")
        data = jax.profiler.ProfileData.from_file(str(file))
        nanoseconds = [event.duration_ns for event in _on_gpus(data)]
    return Profiled(len(nanoseconds), sum(nanoseconds) / 1e6) if nanoseconds else None


def _on_gpus(data: Any) -> Iterator[Any]:
    for plane in data.planes:
        for line in plane.lines if "GPU" in plane.name else ():
            # the others sum the same up by module and operation
            if "Stream" in line.name:
                yield from line.events


def _wait(outputs: Sequence[Any]) -> None:
    for output in outputs:
        output.block_until_ready()

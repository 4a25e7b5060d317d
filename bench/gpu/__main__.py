"""``python -m bench.gpu`` writes bench/GPU.md: on paper, what the kernels would take on an H100.

Every figure comes from the text of the compiled programs (``bench.hlo.traffic``) and the rates
in ``bench.gpu.h100``. The same TensorFlow gives the same page.
"""

import inspect
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

from bench.gpu.h100 import (
    BANDWIDTH,
    FLOAT32,
    FLOAT64,
    LAUNCH,
    SHARE,
    SOLVER_LAUNCHES,
    TF32,
    Estimate,
    estimate,
    solver,
)
from bench.gpu.page import PAGE, count, number, percent, seconds, table
from bench.gpu.resnet import Network, resnet50
from bench.hlo.programs import parse
from bench.hlo.traffic import Counts, counts
from nasmon.budget import AFTERMATH, DEFAULT_BUDGET, room_of
from nasmon.kernels.compiled import CompiledKernels
from nasmon.kernels.devices import CPU
from nasmon.kernels.rows import ROWS_PER_CHANNEL
from nasmon.monitor import DEFAULT_MAX_ROWS, Monitor
from nasmon.probe_set import DEFAULT_CHUNK

# rows x channels of one chunk, from real networks
SHAPES = (
    *((307200, 4), (76800, 8), (19200, 16), (49152, 64)),
    *((6144, 256), (1536, 512), (4096, 1024)),
)

BATCH, IMAGES = 256, 1_281_167  # of a training step; of ImageNet

FORWARD_AND_BACKWARD = 3  # a training step in forward passes


class Part(NamedTuple):
    """A part of a reading."""

    name: str
    counts: Counts
    estimate: Estimate


def counted(program: Any, *arguments: object) -> Counts:
    """What one run of a ``tf.function`` takes, as compiled for this device."""
    text = program.experimental_get_compiler_ir(*arguments)(stage="optimized_hlo")
    return counts(parse(text))


class Reading(NamedTuple):
    """The programs of a reading."""

    absorb: Counts  # one chunk
    spectra: Counts  # covariances, and the eigenvalues of narrow layers
    outside: Counts  # eigenvalues of wide ones
    metrics: Counts


def reading(rows: Sequence[tuple[int, int]], chunks: int = 1) -> Reading:
    """The programs for layers whose chunks have these rows and channels."""
    kernels = CompiledKernels([c for _, c in rows], [n * chunks for n, _ in rows])
    zeros = {shape: tf.zeros(shape) for shape in set(rows)}
    states = kernels.empty()
    absorb = counted(kernels._absorb, states, tuple((zeros[shape],) for shape in rows))
    spectra = counted(kernels._begin, states)
    covariances, to_solve = kernels._begin(states)
    outside = Counts(0, 0, 0, 0, 0)
    solved = []
    for matrices, inside in zip(to_solve, kernels._inside, strict=True):
        if not inside:
            outside += solver(matrices.shape[-1], matrices.shape[0])
            matrices = matrices[..., 0]
        solved.append(matrices)
    metrics = counted(kernels._end, states, covariances, tuple(solved))
    return Reading(absorb, spectra, outside, metrics)


def of_network(network: Network, chunks: int) -> list[Part]:
    """The parts of a whole reading of a network."""
    found = reading(network.rows, chunks)
    arithmetic = 2 * network.macs * network.chunk / (SHARE * TF32)
    low, high = (network.kernels * each for each in LAUNCH)
    forward = Counts(0, 0, 2 * network.macs * network.chunk, 0, network.kernels)
    one = Estimate(0.0, arithmetic, (low, high))
    return [
        Part("forward pass, a chunk", forward, one),
        Part("absorb, a chunk", found.absorb, estimate(found.absorb)),
        Part("covariances, narrow eigenvalues", found.spectra, estimate(found.spectra)),
        Part("wide eigenvalues, cuSOLVER", found.outside, estimate(found.outside)),
        Part("metrics", found.metrics, estimate(found.metrics)),
    ]


def absorb_table(readings: dict[tuple[int, int], Reading]) -> str:
    """One row a shape."""
    rows = []
    for (n, channels), found in readings.items():
        own, taken = found.absorb, estimate(found.absorb)
        rows.append(
            (
                *(f"{n} x {channels}", number(4 * n * channels), number(own.bytes_moved)),
                *(number(own.float32), number(own.float64), own.launches),
                seconds(4 * n * channels / BANDWIDTH),
                *(seconds(taken.memory), seconds(taken.arithmetic)),
                *(seconds(max(taken.memory, taken.arithmetic)), _span(taken.launching)),
            )
        )
    return table(
        *("rows x channels", "activations, bytes", "moved, bytes", "float32 ops", "float64 ops"),
        *("launches", "activations once", "moved", "arithmetic", "implied", "launching"),
        rows=rows,
    )


def measure_table(readings: dict[tuple[int, int], Reading]) -> str:
    """Two rows a width: eigenvalues, wherever they are found, and metrics."""
    rows = []
    for (_, channels), found in readings.items():
        wide = channels > CPU.widest
        parts = {
            "covariance, eigenvalues in XLA" if not wide else "covariance": found.spectra,
            "eigenvalues in cuSOLVER (assumed)": found.outside,
            "metrics": found.metrics,
        }
        for name, own in parts.items():
            if own.launches:
                taken = estimate(own)
                rows.append(
                    (
                        *(channels, name, number(own.bytes_moved), number(own.float64)),
                        *(own.launches, seconds(max(taken.memory, taken.arithmetic))),
                        _span(taken.launching),
                    )
                )
    return table(
        *("channels", "kernel", "moved, bytes", "float64 ops", "launches", "implied"),
        "launching",
        rows=rows,
    )


def batch_table(channels: int, batches: Sequence[int]) -> str:
    """What many layers of one width take together."""
    rows = []
    for layers in batches:
        own = reading([(4096, channels)] * layers).spectra
        taken = estimate(own)
        implied = seconds(max(taken.memory, taken.arithmetic))
        rows.append((layers, own.launches, implied, _span(taken.launching)))
    return table("layers", "launches", "implied", "launching", rows=rows)


def parts_table(parts: Sequence[Part], chunks: int) -> str:
    """One row a part of a reading, and their sum."""
    rows = []
    for part in parts:
        runs = chunks if part.name.endswith("a chunk") else 1
        own, taken = part.counts, part.estimate
        rows.append(
            (
                *(part.name, runs, number(own.bytes_moved) if own.bytes_moved else "-"),
                *(number(own.float32 + own.float64), own.launches),
                *(seconds(max(taken.memory, taken.arithmetic)), _span(taken.launching)),
                _span(taken.longest, runs),
            )
        )
    return table(
        *("part", "runs", "moved, bytes", "ops", "launches", "implied", "launching"),
        "longest of them, all runs",
        rows=rows,
    )


def reading_seconds(parts: Sequence[Part], chunks: int) -> tuple[float, float]:
    """A whole reading, at each of LAUNCH."""
    runs = [chunks if part.name.endswith("a chunk") else 1 for part in parts]
    low, high = zip(*(part.estimate.longest for part in parts), strict=True)
    sums = [sum(r * s for r, s in zip(runs, each, strict=True)) for each in (low, high)]
    return sums[0], sums[1]


def overhead_table(spent: tuple[float, float], step: float) -> str:
    """What a reading every so many steps costs, and what the budget leaves of it."""
    rows = []
    steps_of_epoch = IMAGES // BATCH
    for name, every in (
        *((f"epoch ({steps_of_epoch} steps)", steps_of_epoch), ("100 steps", 100)),
        *(("10 steps", 10), ("step", 1)),
    ):
        asked = [100 * each / (every * step) for each in spent]
        kept = [min(1.0, room_of(DEFAULT_BUDGET) / (share / 100)) for share in asked]
        verdict = (
            "all" if min(kept) == 1 else f"one in {count(1 / kept[0])} to {count(1 / kept[1])}"
        )
        rows.append((name, f"{percent(asked[0])} to {percent(asked[1])} %", verdict))
    return table("a reading every", "overhead without a budget", "readings kept", rows=rows)


def _span(both: tuple[float, float], runs: int = 1) -> str:
    low, high = (seconds(runs * each) for each in both)
    return low if low == high else f"{low} to {high}"


def fewest_chunks(network: Network, chunks: int) -> int:
    """Chunks that give every layer ten rows a channel, or as near as all of them come."""
    return min(chunks, max(-(-ROWS_PER_CHANNEL * c // n) for n, c in network.rows))


def page() -> str:
    """The text of GPU.md."""
    samples = inspect.signature(Monitor).parameters["samples"].default
    chunks = samples // DEFAULT_CHUNK
    readings = {shape: reading([shape]) for shape in SHAPES}
    network = resnet50(DEFAULT_CHUNK, DEFAULT_MAX_ROWS, chunks)
    parts = of_network(network, chunks)
    spent = reading_seconds(parts, chunks)
    solving = next(p.estimate.longest[0] for p in parts if "cuSOLVER" in p.name)
    step = FORWARD_AND_BACKWARD * 2 * network.macs * BATCH / (SHARE * TF32)
    narrow = 64
    return PAGE.format(
        tensorflow=version("tensorflow"),
        keras=version("keras"),
        bandwidth=BANDWIDTH / 1e12,
        float32=round(FLOAT32 / 1e12),
        float64=round(FLOAT64 / 1e12),
        tf32=round(TF32 / 1e12),
        launches=" to ".join(f"{1e6 * each:g}" for each in LAUNCH),
        share=f"{100 * SHARE:g}",
        solver_launches=SOLVER_LAUNCHES,
        widest=CPU.widest,
        absorb=absorb_table(readings),
        measure=measure_table(readings),
        narrow=narrow,
        batches=batch_table(narrow, (1, 16)),
        layers=len(network.rows),
        samples=samples,
        chunks=chunks,
        chunk=DEFAULT_CHUNK,
        max_rows=DEFAULT_MAX_ROWS,
        gmacs=f"{network.macs / 1e9:.2f}",
        kept=number(chunks * sum(n for n, _ in network.rows)),
        kept_bytes=number(4 * chunks * sum(n * c for n, c in network.rows)),
        all_rows=number(chunks * network.all_rows),
        wide=sum(c > CPU.widest for _, c in network.rows),
        parts=parts_table(parts, chunks),
        spent=_span(spent),
        solver_share=f"{100 * solving / spent[0]:.0f}",
        fewest=fewest_chunks(network, chunks),
        batch=BATCH,
        step=seconds(step),
        images_a_second=number(BATCH / step),
        overheads=overhead_table(spent, step),
        budget=f"{100 * DEFAULT_BUDGET:g}",
        aftermath=f"{100 * AFTERMATH:g}",
        apart=" to ".join(count(each / (room_of(DEFAULT_BUDGET) * step)) for each in spent),
    )


if __name__ == "__main__":
    Path(__file__).parent.with_name("GPU.md").write_text(page(), "utf-8")

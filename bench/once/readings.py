"""Ten thousand readings in a process of their own: ``python -m bench.once.readings``.

Prints as JSON what a reading takes and what the process holds, block by block. The monitor writes
CSV and TensorBoard files; its model is tiny, so that what a reading leaves behind would show.
"""

import gc
import json
import tempfile
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench.resident import resident_bytes
from nasmon import Monitor, Reading

READINGS = 10_000

BLOCK = 500


def main() -> None:
    """Takes the readings and prints their figures."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8,)), *(keras.layers.Dense(8, activation="tanh") for _ in range(4))]
    )
    x = np.random.default_rng(0).standard_normal((64, 8), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        monitor = Monitor(
            model, x, samples=64, chunk=64, log_dir=folder, csv_path=Path(folder) / "run.csv"
        )
        print(json.dumps(take(monitor)))
        rows = len((Path(folder) / "run.csv").read_text().splitlines())
        assert rows == READINGS + 1
        monitor.close()


def take(monitor: Monitor) -> dict[str, Any]:
    """Takes all readings.

    Returns:
        ``seconds``: of each reading, [blocks][BLOCK]; ``resident`` and ``traces``: after each
        block, in bytes and as a count; ``kept``: bytes that a reading keeps in ``readings``;
        ``layers``: how many there are.
    """
    seconds, resident, traces = [], [], []
    for block in range(READINGS // BLOCK):
        times = []
        for step in range(block * BLOCK, (block + 1) * BLOCK):
            begun = time.perf_counter()
            monitor.read(step)
            times.append(time.perf_counter() - begun)
        seconds.append(times)
        gc.collect()
        resident.append(resident_bytes())
        traces.append(monitor.trace_count())
    assert len(monitor.readings) == READINGS
    assert len(monitor.to_frame()) == READINGS * len(monitor.layers)
    return {
        "seconds": seconds,
        "resident": resident,
        "traces": traces,
        "kept": kept_bytes(monitor.readings[READINGS // 2]),
        "layers": len(monitor.layers),
    }


def kept_bytes(reading: Reading, copies: int = 1000) -> int:
    """Bytes of a reading without spectra, less what it shares with the others.

    Python's own count of what copies of it take, made as ``without_spectra`` makes them.
    """
    assert reading.spectra is None
    tracemalloc.start()
    begun, _ = tracemalloc.get_traced_memory()
    made = [
        replace(
            reading,
            step=reading.step + copy,
            metrics=reading.metrics.copy(),
            probe_seconds=reading.probe_seconds + copy,
            overhead=reading.overhead + copy,
        )
        for copy in range(copies)
    ]
    ended, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (ended - begun) // len(made)


if __name__ == "__main__":
    main()

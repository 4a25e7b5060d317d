"""Made-up readings of a large network, and files to write them to."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nasmon.kernels.metric_table import METRICS
from nasmon.reading import LayerInfo, Reading, Spectra
from nasmon.sinks.opening import open_sinks
from nasmon.sinks.sink import Sink

LAYERS = 43
WIDTHS = (16, 24, 32, 64, 96, 128, 192, 256)
VARIANTS = 8
"""Different spectra that take turns: making new ones would cost more than writing them."""


def network() -> tuple[LayerInfo, ...]:
    """43 layers of 16 to 256 channels, as ``describe`` would tell of them."""
    layers = []
    for index in range(LAYERS):
        width = WIDTHS[index * len(WIDTHS) // LAYERS]
        name = f"stage{index // 8}/block{index % 8}_pointwise"
        layers.append(LayerInfo(name, "Conv2D", width, False, 9 * width, 1e6 * width))
    return tuple(layers)


def readings(count: int) -> Iterator[Reading]:
    """As many readings, each of other numbers, with spectra."""
    rng = np.random.default_rng(0)
    layers = network()
    spectra = [_spectra(rng, layers) for _ in range(VARIANTS)]
    for step in range(count):
        yield Reading(
            epoch=step // 100,
            step=step + 1,
            layers=layers,
            metrics=rng.random((LAYERS, len(METRICS))) * 100,
            samples=32,
            probe_seconds=float(rng.random()),
            overhead=float(rng.random()) / 20,
            spectra=spectra[step % VARIANTS],
        )


class Files:
    """The sinks of a run, as a monitor opens them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.csv = folder, folder / "run.csv"
        self.sinks: list[Sink] = open_sinks(folder, self.csv, "error")
        assert [type(sink).__name__ for sink in self.sinks] == [
            *("CsvSink", "RunSink", "TensorBoardSink")
        ]

    def write(self, reading: Reading) -> None:
        """Writes one reading to all of them."""
        for sink in self.sinks:
            sink.write(reading)

    def timed(self, reading: Reading) -> float:
        """Seconds of a write."""
        begun = time.perf_counter()
        self.write(reading)
        return time.perf_counter() - begun

    def close(self) -> None:
        """Removes what is large, for temporary folders are kept for a while."""
        for file in self.folder.iterdir():
            os.unlink(file)


def _spectra(rng: np.random.Generator, layers: tuple[LayerInfo, ...]) -> Spectra:
    """Eigenvalues and correlations of rows whose variance falls off along the directions."""
    eigenvalues, correlations = [], []
    for layer in layers:
        rows = rng.standard_normal((2 * layer.channels, layer.channels))
        mixed = (rows / np.arange(1, layer.channels + 1)) @ rng.standard_normal(
            (layer.channels, layer.channels)
        )
        covariance = np.cov(mixed, rowvar=False)
        eigenvalues.append(np.clip(np.linalg.eigvalsh(covariance)[::-1], 0, None))
        correlations.append(np.asarray(np.corrcoef(mixed, rowvar=False)))
    return Spectra(tuple(eigenvalues), tuple(correlations))

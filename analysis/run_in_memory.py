"""A run as the readings tell it that a monitor holds, without a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from nasmon.analysis.companions import Absence, Companion
from nasmon.analysis.layer_file import LayerHistory
from nasmon.analysis.run import Run
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.reading import Reading
from nasmon.record.files import RUN_COLUMNS
from nasmon.record.spectra import LayerSpectrum, SpectraAt


class Holder(Protocol):
    """What a ``Monitor`` has of a run."""

    @property
    def model_name(self) -> str:
        """Of the model that it reads."""

    @property
    def readings(self) -> Sequence[Reading]:
        """So far."""

    @property
    def thresholds(self) -> Mapping[str, float]:
        """All of ``DEFAULT_THRESHOLDS``."""


@dataclass(frozen=True, eq=False)
class RunInMemory(Run):
    """A run of which only readings are known.

    Attributes:
        taken: its readings, at least one; all of the same layers.
    """

    taken: tuple[Reading, ...] = ()

    def absent(self, kind: Companion) -> Absence | None:
        """Why something is not known; None if it is."""
        if kind == "layers" or (kind == "spectra" and self.spectra is not None):
            return None
        return Absence(
            f"the readings in memory do not tell the {kind}",
            "end the run, and give the path of its CSV, such as nasmon.plot(callback.csv_path)",
        )

    @property
    def has_layers(self) -> bool:
        """Every reading has its layers."""
        return True

    def latest_layers(self, readings: int) -> pd.DataFrame:
        """The CSV's, which is not read here."""
        raise AssertionError("pictures of readings in memory need no rows of a file")

    def layer_history(self, metric: str) -> LayerHistory:
        """As of a run that was recorded."""
        if metric not in METRIC_NAMES:
            raise UsageError(f"metric is {metric!r}; use one of {', '.join(METRIC_NAMES)}")
        column = METRIC_NAMES.index(metric)
        return LayerHistory(
            layers=tuple(info.name for info in self.taken[0].layers),
            epochs=self.readings["epoch"].to_numpy(),
            steps=self.readings["step"].to_numpy(),
            values=np.stack([reading.metrics[:, column] for reading in self.taken], axis=1),
        )

    @cached_property
    def spectra(self) -> tuple[SpectraAt, SpectraAt] | None:
        """Those of the first reading and of the latest one that still holds them."""
        held = [reading for reading in self.taken if reading.spectra is not None]
        return (_spectra_at(held[0]), _spectra_at(held[-1])) if held else None

    @property
    def width_evidence(self) -> None:
        """Found out when a run ends, for its files."""
        return None


def run_in_memory(holder: Holder) -> RunInMemory:
    """The run that a monitor holds.

    Raises:
        UsageError: it has taken no reading.
    """
    name, readings = holder.model_name, tuple(holder.readings)
    if not readings:
        raise UsageError(f"no reading of {name} was taken yet; there is nothing to draw")
    rows = [(one.epoch, one.step, *one.aggregates.values(), *one.costs) for one in readings]
    table = pd.DataFrame(rows, columns=list(RUN_COLUMNS), dtype=np.float64)
    return RunInMemory(Path(name), name, table, record=None, taken=readings)


def _spectra_at(reading: Reading) -> SpectraAt:
    assert reading.spectra is not None
    nothing = np.empty((0, 0), np.float32)  # pictures show no correlations of single channels
    layers = {
        info.name: LayerSpectrum(eigenvalues, nothing)
        for info, eigenvalues in zip(reading.layers, reading.spectra.eigenvalues, strict=True)
    }
    return SpectraAt(reading.epoch, reading.step, layers)

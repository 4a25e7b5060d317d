"""The spectra of a run's first and latest reading, ``<stem>_spectra.npz``: its layout."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.lib.npyio import NpzFile

from nasmon.reading import Reading
from nasmon.record.files import whole_file
from nasmon.record.npz_file import opened_arrays

Arrays = dict[str, np.ndarray]
"""By the names that they have in the file."""


_TO_CONTINUE = 'it cannot be continued; remove it, or pass if_exists="overwrite"'


class LayerSpectrum(NamedTuple):
    """One layer's spectrum at one reading."""

    eigenvalues: np.ndarray  # [C] float64, descending
    correlations: np.ndarray  # [C, C] float32, NaN for dead channels


class SpectraAt(NamedTuple):
    """All layers' spectra at one reading."""

    epoch: int
    step: int
    layers: dict[str, LayerSpectrum]


def arrays_of(which: Literal["first", "latest"], reading: Reading) -> Arrays:
    """A reading's spectra, fetched from the device if need be; none if they were let go."""
    matrices = reading.correlations
    if reading.spectra is None or matrices is None:
        return {}
    arrays: Arrays = {which: np.array([reading.epoch, reading.step])}
    arrays[f"{which}/layers"] = np.array([info.name for info in reading.layers])
    for index, eigenvalues in enumerate(reading.spectra.eigenvalues):
        arrays[f"{which}/eigenvalues/{index}"] = eigenvalues
    for index, correlations in enumerate(matrices):
        arrays[f"{which}/correlations/{index}"] = correlations.astype(np.float32, copy=False)
    return arrays


def write_spectra(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes both readings' arrays; a file already there is replaced only by a whole one."""
    with whole_file(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def first_arrays(path: Path) -> Arrays:
    """The arrays of the first reading, for a run that continues it.

    Raises:
        UsageError: the file is damaged.
    """
    with opened_arrays(path, _TO_CONTINUE) as file:
        return {name: file[name] for name in file.files if name.startswith("first")}


def read_spectra(path: Path) -> tuple[SpectraAt, SpectraAt]:
    """The spectra of the first and the latest reading.

    Raises:
        UsageError: the file is damaged.
    """
    with opened_arrays(path, "remove it to go on without them") as file:
        return _spectra_at("first", file), _spectra_at("latest", file)


def _spectra_at(which: str, file: NpzFile) -> SpectraAt:
    epoch, step = map(int, file[which])
    layers = {
        str(name): _layer_spectrum(which, index, file)
        for index, name in enumerate(file[f"{which}/layers"])
    }
    return SpectraAt(epoch, step, layers)


def _layer_spectrum(which: str, index: int, file: NpzFile) -> LayerSpectrum:
    eigenvalues = file[f"{which}/eigenvalues/{index}"]
    correlations = file[f"{which}/correlations/{index}"]
    are_numbers = {eigenvalues.dtype.kind, correlations.dtype.kind} <= set("fiu")
    square = eigenvalues.ndim == 1 and correlations.shape == 2 * eigenvalues.shape
    if not (are_numbers and square):
        raise ValueError(f"layer {index} of {which}")
    return LayerSpectrum(eigenvalues, correlations)

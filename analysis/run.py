"""A recorded run, as its files tell it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasmon.analysis.csv_files import check_lengths, read_columns, read_header, read_tail
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.files import LAYER_COLUMNS, RUN_COLUMNS, layers_path, record_path, spectra_path
from nasmon.record.run import Record, read_record
from nasmon.record.spectra import SpectraAt, read_spectra
from nasmon.thresholds import thresholds_of

REQUIRED = (
    *("epoch", "step", "redundancy_score", "correlation_mean", "correlation_std"),
    *("trace", "condition_number"),
)
"""What a run's CSV must have; its other columns read NaN where they are missing."""

_BEGINNING = "epoch,step,redundancy_score"
_SUFFIXES = ("_nas_metrics", "_metrics")


class LayerHistory(NamedTuple):
    """One metric of all layers over the run."""

    layers: tuple[str, ...]  # in the model's order
    epochs: np.ndarray  # [readings]
    steps: np.ndarray  # [readings]
    values: np.ndarray  # [layers, readings] float64, NaN where undefined


@dataclass(frozen=True, eq=False)
class Run:
    """What a run recorded; the rows by layer and the spectra are read when they are asked for.

    Attributes:
        path: the run's CSV.
        name: the model's name.
        readings: one row a reading, RUN_COLUMNS as float64.
        record: what ran; None if its file is not there, as for a CSV copied alone.
        notes: what a reader should know, a line each: rows left out, files that are not there.

    Example:
        >>> readings = pd.DataFrame({"epoch": [0], "step": [10]})
        >>> Run(Path("mine.csv"), "mine", readings, record=None).thresholds()["high_redundancy"]
        0.7
    """

    path: Path
    name: str
    readings: pd.DataFrame
    record: Record | None
    notes: list[str] = field(default_factory=list)

    def thresholds(self, config: Path | None = None) -> dict[str, float]:
        """The thresholds that hold for it, as ``nasmon.thresholds.thresholds_of`` finds them."""
        return thresholds_of(self.record.thresholds if self.record else None, config)

    @property
    def has_layers(self) -> bool:
        """Whether the rows by layer are there."""
        return layers_path(self.path).exists()

    def latest_layers(self, readings: int) -> pd.DataFrame:
        """The rows by layer of the last ``readings`` readings, oldest first.

        Returns:
            LAYER_COLUMNS and ``reading``, counted from 0 at the oldest of them; in each reading
            the layers in the model's order. Of a long run only the end of the file is read.

        Raises:
            UsageError: the file is not there, or is damaged.
        """
        path = self._checked_layers_path()
        layers = len(self.record.layers) if self.record else _layers_of_first_reading(path)
        table, notes = read_tail(path, LAYER_COLUMNS, (readings + 1) * layers)
        self._note(notes)
        table = self._whole_readings(table)
        numbers = _reading_numbers(table)
        last = int(numbers.max()) if len(numbers) else -1
        chosen = numbers > last - min(readings, len(self.readings))
        table = table[chosen].assign(reading=numbers[chosen])
        table["reading"] -= table["reading"].min() if len(table) else 0
        return table.reset_index(drop=True)

    def layer_history(self, metric: str) -> LayerHistory:
        """One metric of every layer at every reading.

        Args:
            metric: one of METRIC_NAMES.

        Raises:
            UsageError: no such metric; the file is not there, or is damaged.
        """
        if metric not in METRIC_NAMES:
            raise UsageError(f"metric is {metric!r}; use one of {', '.join(METRIC_NAMES)}")
        path = self._checked_layers_path()
        table, notes = read_columns(path, ("epoch", "step", "layer", metric))
        self._note(notes)
        table = self._whole_readings(table)
        numbers = _reading_numbers(table)
        codes, names = pd.factorize(table["layer"])
        values = np.full((len(names), int(numbers.max(initial=-1)) + 1), np.nan)
        values[codes, numbers] = table[metric].to_numpy()
        firsts = np.unique(numbers, return_index=True)[1]
        return LayerHistory(
            layers=tuple(str(name) for name in names),
            epochs=table["epoch"].to_numpy()[firsts],
            steps=table["step"].to_numpy()[firsts],
            values=values,
        )

    @cached_property
    def spectra(self) -> tuple[SpectraAt, SpectraAt] | None:
        """The spectra of the first and the latest reading; None if they were not recorded."""
        path = spectra_path(self.path)
        return read_spectra(path) if path.exists() else None

    @cached_property
    def history(self) -> pd.DataFrame | None:
        """The training's own history, a row an epoch; None if there is none."""
        path = self.record.history if self.record else None
        if path is None or not path.exists():
            return None
        table, notes = read_columns(path, read_header(path))
        self._note(notes)
        return table if len(table) else None

    def _checked_layers_path(self) -> Path:
        path = layers_path(self.path)
        if not path.exists():
            raise UsageError(
                f"{path} is not there; copy it beside {self.path.name}, or train again"
            )
        missing = [name for name in LAYER_COLUMNS if name not in read_header(path)]
        if missing:
            raise UsageError(f"{path} has no column {', '.join(missing)}; train again")
        return path

    def _whole_readings(self, table: pd.DataFrame) -> pd.DataFrame:
        """Without the rows of a reading that the run's CSV does not have: it was cut short."""
        last = self.readings.iloc[-1]
        known = (table["epoch"] == last["epoch"]) & (table["step"] == last["step"])
        positions = np.flatnonzero(known.to_numpy())
        return table.iloc[: positions[-1] + 1] if len(positions) else table

    def _note(self, notes: list[str]) -> None:
        self.notes.extend(note for note in notes if note not in self.notes)


def newest_run(folder: Path = Path("logs")) -> Path:
    """The CSV of the run below ``folder`` that was written to last and holds a reading.

    Raises:
        UsageError: there is none.

    Example:
        >>> newest_run(Path("nowhere"))
        Traceback (most recent call last):
        nasmon.errors.UsageError: no run with a reading was found under nowhere/; train with the \
monitor on (make train NAS=1), or pass --csv PATH
    """
    found = [path for path in folder.rglob("*.csv") if _holds_a_run(path)]
    if not found:
        raise UsageError(
            f"no run with a reading was found under {folder}/; train with the monitor on "
            "(make train NAS=1), or pass --csv PATH"
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def load_run(path: Path, name: str | None = None) -> Run:
    r"""Reads a run's CSV and record, and checks both.

    Args:
        path: the run's CSV.
        name: the model's name, to be used instead of the recorded one.

    Raises:
        UsageError: there is no such file; it is empty, damaged or not one of ours.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> header = "epoch,step,redundancy_score,correlation_mean,correlation_std,trace"
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "mine_nas_metrics.csv"
        ...     _ = path.write_text(f"{header},condition_number\n0,10,0.5,0.2,0.1,3.0,9.0\n")
        ...     run = load_run(path)
        >>> run.name, float(run.readings["redundancy_score"].iloc[-1])
        ('mine', 0.5)
    """
    header = read_header(path)
    if "layer" in header and path.stem.endswith("_layers"):
        run = path.with_name(f"{path.stem.removesuffix('_layers')}.csv")
        raise UsageError(f"{path} holds the rows by layer; give the run's own CSV, {run}")
    missing = [column for column in REQUIRED if column not in header]
    if "step" in missing and "redundancy_score" in missing:
        raise UsageError(
            f"{path} is not a CSV of nasmon: it has the columns {', '.join(header[:6])}; give the "
            "one that a run wrote, such as logs/nas/nano_u_nas_metrics.csv"
        )
    if missing:
        raise UsageError(
            f"{path} has no column {', '.join(missing)}; give a CSV that nasmon wrote, or train "
            "again"
        )
    check_lengths(path)
    there = [column for column in RUN_COLUMNS if column in header]
    readings, notes = read_columns(path, there)
    if not len(readings):
        raise UsageError(f"{path} holds no reading yet; wait for the first one, or train again")
    record = read_record(record_path(path)) if record_path(path).exists() else None
    recorded = record.model_name if record else _name_from(path)
    return Run(path, name or recorded, readings.reindex(columns=list(RUN_COLUMNS)), record, notes)


def _layers_of_first_reading(path: Path) -> int:
    with open(path, encoding="utf-8") as file:
        file.readline()
        moments = (line.split(",")[:2] for line in file)
        first = next(moments, None)
        return 1 + sum(1 for _ in takewhile(lambda moment: moment == first, moments))


def _reading_numbers(table: pd.DataFrame) -> np.ndarray:
    """Which reading each row belongs to, counted from 0: a new one where epoch or step change."""
    moments = table[["epoch", "step"]].to_numpy()
    changes = (moments[1:] != moments[:-1]).any(axis=1)
    return np.concatenate([[0], np.cumsum(changes)])[: len(table)]


def _holds_a_run(path: Path) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.readline().startswith(_BEGINNING) and file.readline().endswith("\n")
    except (OSError, UnicodeDecodeError):
        return False


def _name_from(path: Path) -> str:
    for suffix in _SUFFIXES:
        if path.stem.endswith(suffix) and path.stem != suffix:
            return path.stem.removesuffix(suffix)
    return path.stem


_DEEPEST = 4
"""How many folders above a run's file may serve to tell it from another."""


def distinct_names(runs: Sequence[Run]) -> tuple[str, ...]:
    """The models' names; equal ones are told apart by their file, folder, or number."""
    tellers: tuple[Callable[[Run], str], ...] = (
        lambda run: run.path.stem,
        # from the file upwards: of logs/nas and logs/narrower/nas the folders above nas differ
        *(partial(_folder, depth=depth) for depth in range(_DEEPEST)),
        lambda run: str(run.path),
    )
    names = [run.name for run in runs]
    for name in {name for name in names if names.count(name) > 1}:
        alike = [index for index, run in enumerate(runs) if run.name == name]
        told = [[teller(runs[index]) for index in alike] for teller in tellers]
        words = next((texts for texts in told if len(set(texts)) == len(texts)), told[-1])
        for index, word in zip(alike, words, strict=True):
            names[index] = f"{name} ({word})"
    if len(set(names)) < len(names):
        names = [f"{index}: {name}" for index, name in enumerate(names, 1)]
    return tuple(names)


def _folder(run: Run, depth: int) -> str:
    names = [folder.name for folder in run.path.absolute().parents]
    return names[depth] if depth < len(names) else ""

"""The rows by layer that lie beside a run's CSV, read as far as they are asked for."""

from collections.abc import Sequence
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nasmon.analysis.companions import (
    WITHOUT,
    Absence,
    companion_file,
    companion_path,
    foreign_layers,
    left_out_note,
    not_there,
    of_another_run,
)
from nasmon.analysis.csv_files import read_columns, read_header, read_tail
from nasmon.analysis.layer_rows import reading_numbers, rows_of_run, up_to, whole_readings
from nasmon.analysis.one_run import MOMENT, Choice, sorted_note
from nasmon.analysis.table_file import TableFile
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.files import LAYER_COLUMNS

_LATER_COLUMNS: dict[str, Any] = {"kind": "", "params": np.nan, "macs": np.nan, "tied_to": ""}
"""What the first nasmon did not write, and what stands for it."""

MOST_LAYER_BYTES = 1 << 27
"""Of a file whose end does not do, unpacked: some 700,000 rows, which take a second and 400 MB."""

MOST_HISTORY_BYTES = 1 << 28
"""Of one of which a few columns are read: some 1.5 million rows, of as many layers and readings."""

_FIRST_READING = 1 << 22
"""Bytes in which the end of the first reading is looked for: those of some 20,000 layers."""


class LayerHistory(NamedTuple):
    """One metric of all layers over the run."""

    layers: tuple[str, ...]  # in the model's order
    epochs: np.ndarray  # [readings]
    steps: np.ndarray  # [readings]
    values: np.ndarray  # [layers, readings] float64, NaN where undefined


class LayerFile:
    """The rows by layer of one run.

    Args:
        csv_path: the run's CSV.
        readings: of the run.
        choice: which of the runs in its CSV it is.
        names: of the layers in the model's order, as far as it is known.
        notes: where what a reader should know is added.
    """

    def __init__(
        self,
        csv_path: Path,
        readings: pd.DataFrame,
        choice: Choice,
        names: Sequence[str],
        notes: list[str],
    ) -> None:
        self.path = companion_path(csv_path, "layers")
        self._csv_path, self._choice, self._names, self._notes = csv_path, choice, names, notes
        # a column that holds nothing is none
        told = [name for name in readings if name in MOMENT or readings[name].notna().any()]
        self._readings = readings[told]

    @cached_property
    def absence(self) -> Absence | None:
        """Why there are no rows by layer of this run; None if there are.

        Raises:
            UsageError: the file is damaged.
        """
        if companion_file(self._csv_path, "layers") is None:
            return not_there(self._csv_path, "layers")
        rows = self._end(1)
        reason = foreign_layers(rows, self._last, self._readings) if len(rows) else ""
        if not reason:
            return None
        self._note([left_out_note(self._csv_path, "layers", reason)])
        return of_another_run(self._csv_path, "layers")

    @cached_property
    def widths(self) -> dict[str, int] | None:
        """Channels by layer at the latest reading; None if there are no rows, or damaged ones."""
        try:
            latest = pd.DataFrame() if self.absence else whole_readings(self._end(1))[0]
        except UsageError:
            # whoever needs the rows says so
            return None
        if not len(latest) or not (latest["channels"] >= 1).all():
            return None
        latest = latest[latest["reading"] == latest["reading"].max()]
        return dict(zip(latest["layer"].astype(str), latest["channels"].astype(int), strict=True))

    @property
    def moments(self) -> pd.DataFrame:
        """Epochs and steps of the last readings, with those that the CSV does not have."""
        nothing = pd.DataFrame(columns=list(MOMENT))
        return nothing if self.widths is None else self._unbounded(1)[list(MOMENT)]

    def latest(self, readings: int) -> pd.DataFrame:
        """See ``Run.latest_layers``."""
        self._check()
        rows = self._end(readings)
        first = rows["reading"].max() - min(readings, len(self._readings)) + 1
        rows = rows[rows["reading"] >= first]
        rows = rows.assign(reading=rows["reading"] - (rows["reading"].min() if len(rows) else 0))
        return rows.reset_index(drop=True)

    def history(self, metric: str) -> LayerHistory:
        """See ``Run.layer_history``."""
        if metric not in METRIC_NAMES:
            raise UsageError(f"metric is {metric!r}; use one of {', '.join(METRIC_NAMES)}")
        self._check()
        file = self._file._replace(most=MOST_HISTORY_BYTES)
        rows = self._bounded(self._all(file, (*MOMENT, "layer", metric)))
        numbers = rows["reading"].to_numpy()
        codes, names = pd.factorize(rows["layer"])
        values = np.full((len(names), int(numbers.max(initial=-1)) + 1), np.nan)
        values[codes, numbers] = rows[metric].to_numpy()
        firsts = np.unique(numbers, return_index=True)[1]
        return LayerHistory(
            layers=tuple(str(name) for name in names),
            epochs=rows["epoch"].to_numpy()[firsts],
            steps=rows["step"].to_numpy()[firsts],
            values=values,
        )

    @property
    def _file(self) -> TableFile:
        return TableFile(self.path, WITHOUT["layers"], MOST_LAYER_BYTES)

    @cached_property
    def _columns(self) -> tuple[str, ...]:
        header = read_header(self._file)
        missing = [n for n in LAYER_COLUMNS if n not in header and n not in _LATER_COLUMNS]
        if missing:
            raise UsageError(f"{self.path} has no column {', '.join(missing)}; {WITHOUT['layers']}")
        return tuple(name for name in LAYER_COLUMNS if name in header)

    @cached_property
    def _last(self) -> pd.Series:
        """The run's last reading that has an epoch and a step."""
        known = self._readings.dropna(subset=list(MOMENT))
        return (known if len(known) else self._readings).iloc[-1]

    def _check(self) -> None:
        if self.absence:
            raise UsageError(self.absence.sentence)

    def _end(self, readings: int) -> pd.DataFrame:
        """The rows of the last readings and some more, up to the run's last one."""
        return self._bounded(self._unbounded(readings))

    def _bounded(self, rows: pd.DataFrame) -> pd.DataFrame:
        rows = up_to(rows, self._last)
        return rows.assign(reading=reading_numbers(rows))

    def _unbounded(self, readings: int) -> pd.DataFrame:
        if not self._choice.is_plain:
            return self._whole
        columns = self._columns
        layers = max(len(self._names), self._layers_of_first_reading)
        tail = read_tail(self._file, columns, (readings + 1) * layers)
        if tail is None:
            return self._whole
        rows = self._bounded(tail.rows)
        if len(rows) and foreign_layers(rows, self._last, self._readings):
            # sorted by something else, or not this run's: all of the file will tell
            return self._whole
        self._note(tail.notes)
        return self._filled(tail.rows)

    @cached_property
    def _whole(self) -> pd.DataFrame:
        return self._filled(self._all(self._file, self._columns))

    def _all(self, file: TableFile, columns: Sequence[str]) -> pd.DataFrame:
        table = read_columns(file, columns)
        rows, was_sorted = rows_of_run(table, self._choice, self._last, self._names)
        self._note([*table.notes, *([sorted_note(self.path)] if was_sorted else ())])
        return rows

    def _filled(self, rows: pd.DataFrame) -> pd.DataFrame:
        """With all of LAYER_COLUMNS."""
        absent = {name: value for name, value in _LATER_COLUMNS.items() if name not in rows}
        return rows.assign(**absent)[list(LAYER_COLUMNS)]

    @cached_property
    def _layers_of_first_reading(self) -> int:
        with open(self.path, "rb") as file:
            lines = file.read(_FIRST_READING).splitlines()[1:]
        moments = [line.split(b",")[:2] for line in lines]
        return 1 + sum(1 for _ in takewhile(lambda moment: moment == moments[0], moments))

    def _note(self, notes: Sequence[str]) -> None:
        self._notes.extend(note for note in notes if note not in self._notes)

"""A recorded run, as its files tell it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from nasmon.analysis.companions import (
    Absence,
    Companion,
    companion_file,
    foreign_evidence,
    foreign_record,
    foreign_spectra,
    left_out_note,
    not_there,
    of_another_run,
)
from nasmon.analysis.layer_file import LayerFile, LayerHistory
from nasmon.analysis.one_run import MOMENT, Choice
from nasmon.analysis.run_table import ReadingsTable, model_name_from, read_readings
from nasmon.analysis.task_history import read_history
from nasmon.record.run import Record, read_record
from nasmon.record.spectra import SpectraAt, read_spectra
from nasmon.record.widths import WidthEvidence, read_widths_file
from nasmon.thresholds import thresholds_of
from nasmon.widths.graph import groups_of


@dataclass(frozen=True, eq=False)
class Run:
    """What a run recorded; the rows by layer and the spectra are read when they are asked for.

    Attributes:
        path: the run's CSV.
        name: the model's name.
        readings: one row a reading, RUN_COLUMNS as float64.
        record: what ran; None if its file is not there, as for a CSV copied alone.
        notes: what a reader should know, a line each: rows left out, files of another run.
        choice: which of the runs in the CSV it is.
        has_steps: False for the CSV of another monitor, where the epoch stands for the step.
        layer_file: the rows by layer; looked for beside the CSV if None.
        lacking: why a file is of no use, as far as it is known.

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
    choice: Choice = Choice(1, 1, False)
    has_steps: bool = True
    layer_file: LayerFile | None = None
    lacking: dict[Companion, Absence] = field(default_factory=dict)

    def thresholds(self, config: Path | None = None) -> dict[str, float]:
        """The thresholds that hold for it, as ``nasmon.thresholds.thresholds_of`` finds them."""
        return thresholds_of(self.record.thresholds if self.record else None, config)

    def absent(self, kind: Companion) -> Absence | None:
        """Why one of the files beside the CSV is of no use; None if it is.

        Raises:
            UsageError: the file is damaged.
        """
        if kind == "layers":
            found = self._layers.absence
        else:
            attribute = "width_evidence" if kind == "widths" else kind
            is_there = getattr(self, attribute)
            found = None if is_there else self.lacking.get(kind, not_there(self.path, kind))
        if found and found.state == not_there(self.path, kind).state:
            return not_there(self.path, kind, self.has_steps)
        return found

    @property
    def steps(self) -> np.ndarray:
        """[readings] training steps so far; NaN where the CSV has none."""
        steps = self.readings["step"].to_numpy(np.float64)
        return steps if self.has_steps else np.full(len(steps), np.nan)

    @property
    def has_layers(self) -> bool:
        """Whether the rows by layer are there."""
        return self._layers.absence is None

    def latest_layers(self, readings: int) -> pd.DataFrame:
        """The rows by layer of the last ``readings`` readings, oldest first.

        Returns:
            LAYER_COLUMNS and ``reading``, counted from 0 at the oldest of them; in each reading
            the layers in the model's order. Of a long run only the end of the file is read.

        Raises:
            UsageError: the file is not there, is another run's, or is damaged.
        """
        return self._layers.latest(readings)

    def layer_history(self, metric: str) -> LayerHistory:
        """One metric of every layer at every reading.

        Args:
            metric: one of METRIC_NAMES.

        Raises:
            UsageError: no such metric; the file is not there, is another run's, or is damaged.
        """
        return self._layers.history(metric)

    @cached_property
    def spectra(self) -> tuple[SpectraAt, SpectraAt] | None:
        """The spectra of the first and the latest reading; None if there are none of this run.

        Raises:
            UsageError: the file is damaged.
        """
        file = companion_file(self.path, "spectra")
        if file is None:
            return None
        spectra = read_spectra(file.path)
        moments = self._moments(spectra[1])
        reason = foreign_spectra(spectra[1], moments, self.choice, self._widths())
        reason = reason or self._not_vouched_for()
        if not reason:
            return spectra
        self._leave_out("spectra", reason)
        return None

    @cached_property
    def width_evidence(self) -> WidthEvidence | None:
        """What fewer channels would lose; None if it is not there, or is not this run's.

        Raises:
            UsageError: the file is damaged.
        """
        file = companion_file(self.path, "widths")
        if file is None or self.record is None or not self.record.owners:
            return None
        evidence = read_widths_file(file.path)
        moments = self.readings[list(MOMENT)]
        groups = groups_of(self.record.owners)
        reason = foreign_evidence(evidence, moments, self.choice, groups)
        if not reason:
            return evidence
        self._leave_out("widths", reason)
        return None

    @cached_property
    def history(self) -> pd.DataFrame | None:
        """The training's own history, a row an epoch; None if there is none of this run."""
        path = self.record.history if self.record else None
        if path is None:
            return None
        table, notes = read_history(path, self.choice)
        self._note(notes)
        return table

    @cached_property
    def _layers(self) -> LayerFile:
        return self.layer_file or LayerFile(self.path, self.readings, self.choice, (), self.notes)

    def _moments(self, latest: SpectraAt) -> pd.DataFrame:
        """Epochs and steps of all readings; a killed run may have one that its CSV has not."""
        both = [self.readings[list(MOMENT)], self._layers.moments]
        moments = pd.concat(both, ignore_index=True)
        goes_on = self.record is not None and self.record.status == "running"
        if goes_on and latest.step > self.readings["step"].iloc[-1]:
            # it was read since the CSV was
            moments.loc[len(moments)] = [latest.epoch, latest.step]
        return moments

    def _widths(self) -> dict[str, int] | None:
        if self._layers.widths or self.record is None:
            return self._layers.widths
        return {layer.name: layer.channels for layer in self.record.layers}

    def _not_vouched_for(self) -> str:
        """Why spectra are not to be trusted whose widths cannot be checked."""
        others = of_another_run(self.path, "layers") == self._layers.absence or self.lacking
        return "so is what could tell its layers" if others and self._widths() is None else ""

    def _leave_out(self, kind: Companion, reason: str) -> None:
        self.lacking[kind] = of_another_run(self.path, kind)
        self._note([left_out_note(self.path, kind, reason)])

    def _note(self, notes: Sequence[str]) -> None:
        self.notes.extend(note for note in notes if note not in self.notes)


def load_run(path: Path, name: str | None = None, number: int | None = None) -> Run:
    r"""Reads a run's CSV and record, and checks both.

    Args:
        path: the run's CSV, as nasmon wrote it or as a spreadsheet saved it, packed or not.
        name: the model's name, to be used instead of the recorded one.
        number: which of several runs in the file, from 1; None for the last.

    Raises:
        UsageError: there is no such file or run; it is empty, damaged or not one of ours.

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
    table = read_readings(path, number)
    record = _record_beside(path)
    names = [layer.name for layer in record.layers] if record else []
    layers = LayerFile(path, table.readings, table.choice, names, table.notes)
    reason = _foreign(record, table, layers) if record else ""
    if reason:
        record = None
        table.notes.append(left_out_note(path, "record", reason))
    return Run(
        path=path,
        name=name or (record.model_name if record else model_name_from(path)),
        readings=table.readings,
        record=record,
        notes=table.notes,
        choice=table.choice,
        has_steps=table.has_steps,
        layer_file=layers,
        lacking={"record": of_another_run(path, "record")} if reason else {},
    )


def _record_beside(path: Path) -> Record | None:
    file = companion_file(path, "record")
    return read_record(file.path) if file else None


def _foreign(record: Record, table: ReadingsTable, layers: LayerFile) -> str:
    last, read = float(table.readings["step"].iloc[-1]), layers.moments["step"]
    # of a full disk or a killed run, whose CSV lacks the reading that was last begun
    ends = (last, *read[read > last])
    return foreign_record(record, ends, table.choice, layers.widths)

"""The readings of a run, from a CSV of ours or from that of the monitor before it."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from nasmon.analysis.companions import unpacked_path
from nasmon.analysis.csv_files import read_columns, read_header
from nasmon.analysis.one_run import Choice, choice_note, chosen_run
from nasmon.analysis.table_file import TableFile
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import AGGREGATED
from nasmon.record.files import RUN_COLUMNS
from nasmon.short_names import shortened

REQUIRED = (
    *("epoch", "redundancy_score", "correlation_mean", "correlation_std"),
    *("trace", "condition_number"),
)
"""What a run's CSV must have; its other columns read NaN where they are missing."""

_EXAMPLE = "such as logs/nas/nano_u_nas_metrics.csv"
_SUFFIXES = ("_nas_metrics", "_metrics")
_ANY_MODEL = ("nas_metrics", "metrics")
"""Names of files that say nothing about the model: their folder may."""


class ReadingsTable(NamedTuple):
    """What a run's CSV holds."""

    readings: pd.DataFrame  # RUN_COLUMNS as float64, one row a reading
    choice: Choice
    has_steps: bool  # False where the epoch stands in the step's place
    notes: list[str]


def read_readings(path: Path, number: int | None) -> ReadingsTable:
    """Reads a run's CSV.

    Args:
        path: the CSV.
        number: which of several runs in the file, from 1; None for the last.

    Raises:
        UsageError: there is no such file or run; it is empty, damaged or not one of ours.
    """
    file = TableFile(path, f"give the CSV that a run wrote, {_EXAMPLE}")
    header = read_header(file)
    _check_header(path, header)
    file = TableFile(path, "give another run's CSV")
    table = read_columns(file, [column for column in RUN_COLUMNS if column in header])
    if not len(table.rows):
        raise UsageError(
            f"{path} holds no reading yet; wait for the first one, or give another run's CSV"
        )
    has_steps = "step" in header
    if not has_steps:
        table = table._replace(rows=table.rows.assign(step=table.rows["epoch"]))
    readings, choice = chosen_run(path, table, number)
    notes = [*table.notes, *choice_note(path, choice), *_lacking(path, header)]
    return ReadingsTable(readings.reindex(columns=list(RUN_COLUMNS)), choice, has_steps, notes)


def model_name_from(path: Path) -> str:
    """A model's name, from that of its CSV; or of its folder, if the file's says nothing.

    Example:
        >>> model_name_from(Path("logs/nas/nano_u_nas_metrics.csv.gz"))
        'nano_u'
        >>> model_name_from(Path("experiments/run_1/metrics.csv"))
        'run_1'
    """
    stem = unpacked_path(path).stem
    if stem in _ANY_MODEL:
        return path.absolute().parent.name or stem
    return next((stem.removesuffix(end) for end in _SUFFIXES if stem.endswith(end)), stem) or stem


def _check_header(path: Path, header: Sequence[str]) -> None:
    if {"layer", "channels"} <= set(header):
        run = path.with_name(path.name.replace("_layers.csv", ".csv"))
        where = f", {run}" if run != path else ""
        raise UsageError(f"{path} holds the rows by layer; give the run's own CSV{where}")
    missing = [column for column in REQUIRED if column not in header]
    if not {"step", *REQUIRED[1:]} & set(header):
        columns = ", ".join(shortened(name, 40) for name in header[:6])
        raise UsageError(
            f"{path} is not a CSV of nasmon: it has the columns {columns}; give the one that a "
            f"run wrote, {_EXAMPLE}"
        )
    if missing:
        raise UsageError(f"{path} has no column {', '.join(missing)}; give a CSV that nasmon wrote")


def _lacking(path: Path, header: Sequence[str]) -> list[str]:
    """What a CSV of another monitor, or of the first nasmon, does not tell."""
    unknown = [metric.name for metric in AGGREGATED if metric.name not in header]
    notes = []
    if "step" not in header:
        notes.append(f"{path} has no column step: the epoch stands in its place")
    if unknown:
        notes.append(f"{path} has no column {', '.join(unknown)}: these are not known")
    return notes

"""Reading the history of a run's training."""

from pathlib import Path

import numpy as np
import pandas as pd

from nasmon.analysis.csv_files import read_columns, read_header
from nasmon.analysis.one_run import Choice, runs_in
from nasmon.analysis.table_file import TableFile

_WITHOUT = "remove it to go on without the task metric"


def read_history(path: Path, choice: Choice) -> tuple[pd.DataFrame | None, list[str]]:
    """The history of a training, a row an epoch.

    Args:
        path: its CSV, which may be packed.
        choice: the run's place among those of its CSV: a file that went on from training to
            training holds as many histories.

    Returns:
        None if there is none of this run; and notes.

    Raises:
        UsageError: the file is damaged.
    """
    packed = path.with_name(f"{path.name}.gz")
    file = TableFile(packed if packed.exists() and not path.exists() else path, _WITHOUT)
    if not file.path.exists():
        return None, []
    names = [name for name in read_header(file) if name]
    table = read_columns(file, list(dict.fromkeys(names)))
    rows = table.rows
    if not len(rows):
        return None, table.notes
    epochs = rows["epoch"].to_numpy() if "epoch" in rows else np.arange(len(rows))
    pieces = runs_in(epochs, epochs, table.repeated).positions
    if len(pieces) == choice.runs:
        return rows.iloc[pieces[choice.number - 1]].reset_index(drop=True), table.notes
    if not choice.is_last:
        return None, [*table.notes, f"{file.path} does not tell of run {choice.number}"]
    notes = [*table.notes]
    if len(pieces) > 1:
        notes.append(f"{file.path} holds {len(pieces)} trainings; this is about the last one")
    return rows.iloc[pieces[-1]].reset_index(drop=True), notes

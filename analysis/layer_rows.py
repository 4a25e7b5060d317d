"""The rows by layer of one run: which they are, in which order, and of which reading each is."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from nasmon.analysis.csv_files import Table
from nasmon.analysis.one_run import MOMENT, Choice, rising_pieces, runs_in


def rows_of_run(
    table: Table, choice: Choice, last: pd.Series, names: Sequence[str]
) -> tuple[pd.DataFrame, bool]:
    """The rows by layer of one run.

    Args:
        table: all rows by layer of a file, in any order.
        choice: the run's place among those of its CSV.
        last: the run's last reading, with epoch and step.
        names: of the layers in the model's order, as far as it is known.

    Returns:
        The rows, reading by reading, and whether they stood in another order in the file. A killed
        run may have begun one more reading than its CSV has.
    """
    positions = _as_written(table, choice, last)
    if positions is not None:
        return table.rows.iloc[positions], False
    positions = np.concatenate([np.arange(0), *_by_layer(table, choice, last)])
    places, steps = _places(table.rows["layer"], names), table.rows["step"].to_numpy()
    positions = positions[np.lexsort((places[positions], steps[positions]))]
    return table.rows.iloc[positions], bool((np.diff(positions) < 0).any())


def up_to(rows: pd.DataFrame, last: pd.Series) -> pd.DataFrame:
    """Without rows of a reading that the run's CSV does not have: it was cut short."""
    positions = np.flatnonzero(are_of(rows, last))
    return rows.iloc[: positions[-1] + 1] if len(positions) else rows


def reading_numbers(rows: pd.DataFrame) -> np.ndarray:
    """Which reading each row belongs to, counted from 0: a new one where epoch or step change."""
    moments = rows[list(MOMENT)].to_numpy()
    changes = (moments[1:] != moments[:-1]).any(axis=1)
    return np.concatenate([[0], np.cumsum(changes)])[: len(rows)]


def whole_readings(rows: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Without a last reading that has fewer layers than the one before it: it was cut short.

    Args:
        rows: with ``reading``, counted from 0.

    Returns:
        The rows, and whether some were left out.
    """
    sizes = rows.groupby("reading").size().to_numpy()
    if len(sizes) < 2 or sizes[-1] >= sizes[-2]:
        return rows, False
    return rows[rows["reading"] < len(sizes) - 1], True


def are_of(rows: pd.DataFrame, reading: pd.Series) -> np.ndarray:
    """Which rows are of one reading, with its epoch and step."""
    return ((rows["epoch"] == reading["epoch"]) & (rows["step"] == reading["step"])).to_numpy()


def _as_written(table: Table, choice: Choice, last: pd.Series) -> np.ndarray | None:
    """The run's rows if they stand as the monitor writes them, one reading after the other."""
    pieces = rising_pieces(table.rows["step"].to_numpy(), table.repeated)
    if len(pieces) != choice.runs:
        return None
    piece = pieces[choice.number - 1]
    return piece if are_of(table.rows.iloc[piece], last).any() else None


def _places(layers: pd.Series, names: Sequence[str]) -> np.ndarray:
    """Where each row's layer stands in the model, or else in the file."""
    codes, found = pd.factorize(layers)
    if set(found) <= set(names):
        return np.array([names.index(name) for name in found], int)[codes]
    return codes


def _by_layer(table: Table, choice: Choice, last: pd.Series) -> Iterator[np.ndarray]:
    """Positions of the run's rows of one layer after the other."""
    epochs, steps = (table.rows[name].to_numpy() for name in MOMENT)
    of_last = are_of(table.rows, last)
    codes = pd.factorize(table.rows["layer"])[0]
    for code in range(codes.max(initial=-1) + 1):
        rows = np.flatnonzero(codes == code)
        repeated = np.unique(np.searchsorted(rows, table.repeated)).tolist()
        pieces = [rows[piece] for piece in runs_in(epochs[rows], steps[rows], repeated).positions]
        yield from _chosen(pieces, choice, of_last)


def _chosen(
    pieces: Sequence[np.ndarray], choice: Choice, of_last: np.ndarray
) -> Sequence[np.ndarray]:
    """The run's piece of a layer: by its number, or the last one with the run's last reading."""
    if len(pieces) == choice.runs:
        return [pieces[choice.number - 1]]
    # whether it is the run's, its numbers tell
    return [piece for piece in pieces if of_last[piece].any()][-1:] or pieces[-1:]

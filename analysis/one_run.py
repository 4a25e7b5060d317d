"""Which rows of a file are one run's, and in which order its readings were taken.

Two runs may stand one behind the other in one file, and a spreadsheet may have sorted a run's rows
by any column. Steps of one run rise, so both show where steps fall.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasmon.analysis.csv_files import Table
from nasmon.errors import UsageError

MOMENT = ("epoch", "step")
"""The columns that tell a reading from another."""


class RunsInFile(NamedTuple):
    """The runs that a table holds."""

    positions: list[np.ndarray]  # of each run's rows, in the order of its readings
    was_sorted: bool  # whether the rows of the one run stood in another order


class Choice(NamedTuple):
    """One run of those that a file holds."""

    number: int  # from 1
    runs: int  # how many the file holds
    was_sorted: bool

    @property
    def is_plain(self) -> bool:
        """Whether the file holds nothing but this run, in its order."""
        return self.runs == 1 and not self.was_sorted

    @property
    def is_last(self) -> bool:
        """Whether no later run is in the file."""
        return self.number == self.runs


def runs_in(epochs: np.ndarray, steps: np.ndarray, repeated: Sequence[int] = ()) -> RunsInFile:
    """Splits rows into runs.

    A run begins where the step falls, or where the header stands once more. Rows of one run that
    were sorted by something else are told by this: all steps differ, later steps are of later
    epochs, and not every piece begins like a run, at the smallest epoch.

    Args:
        epochs: [rows], in the file's order.
        steps: [rows].
        repeated: rows before which the header stands once more.

    Example:
        >>> runs = runs_in(np.array([0, 1, 0, 1]), np.array([10, 20, 10, 20]))
        >>> [positions.tolist() for positions in runs.positions]
        [[0, 1], [2, 3]]
    """
    pieces = rising_pieces(steps, repeated)
    if len(pieces) > 1 and not repeated and _is_one_sorted(epochs, steps, pieces):
        return RunsInFile([np.argsort(steps, kind="stable")], True)
    return RunsInFile(pieces or [np.arange(0)], False)


def rising_pieces(steps: np.ndarray, repeated: Sequence[int] = ()) -> list[np.ndarray]:
    """Positions of the rows between two falls of the step, or two headers; no piece is empty.

    Args:
        steps: [rows], in the file's order.
        repeated: rows before which the header stands once more.
    """
    falls = np.flatnonzero(steps[1:] < steps[:-1]) + 1
    starts = sorted({*falls.tolist(), *repeated} - {0})
    return [piece for piece in np.split(np.arange(len(steps)), starts) if len(piece)]


def chosen_run(path: Path, table: Table, number: int | None) -> tuple[pd.DataFrame, Choice]:
    """The readings of one run, in its order.

    Args:
        path: the file, for messages.
        table: its rows, with epoch and step.
        number: of the run, from 1; None for the last one.

    Raises:
        UsageError: there is no run of that number, or rows of several runs are mixed.
    """
    epochs, steps = (table.rows[name].to_numpy() for name in MOMENT)
    runs = runs_in(epochs, steps, table.repeated)
    if _are_mixed(epochs, runs.positions):
        raise UsageError(
            f"{path} holds the readings of several runs, sorted into one another; give the CSV of "
            "one run, or sort it by run and step"
        )
    count = len(runs.positions)
    if number is not None and not 1 <= number <= count:
        held = "one run" if count == 1 else f"{count} runs"
        raise UsageError(
            f"run {number} is asked for and {path} holds {held}; use a number from 1 to {count}"
        )
    choice = Choice(number or count, count, runs.was_sorted)
    rows = table.rows.iloc[runs.positions[choice.number - 1]]
    return rows.reset_index(drop=True), choice


def choice_note(path: Path, choice: Choice) -> list[str]:
    """What a reader must know of the choice."""
    if choice.was_sorted:
        return [sorted_note(path)]
    if choice.runs == 1:
        return []
    which = "the last one" if choice.is_last else f"number {choice.number}"
    return [
        f"{path} holds {choice.runs} runs one behind the other; this is about {which} (choose "
        f"with --run, from 1 to {choice.runs})"
    ]


def sorted_note(path: Path) -> str:
    """What a reader must know of rows that stood in another order."""
    return f"the rows of {path} do not stand in the order of their steps and were sorted back"


def _is_one_sorted(epochs: np.ndarray, steps: np.ndarray, pieces: Sequence[np.ndarray]) -> bool:
    if len(np.unique(steps)) < len(steps):
        return False
    if not (np.diff(epochs[np.argsort(steps, kind="stable")]) >= 0).all():
        return False
    if (epochs == epochs[0]).all():
        # a hand-written loop that tells no epochs: two runs have one fall, sorted rows have many
        return len(pieces) > 2
    return bool(_late(epochs, pieces).any())


def _are_mixed(epochs: np.ndarray, pieces: Sequence[np.ndarray]) -> bool:
    """Whether most pieces are short and do not begin like a run: a sorted file of several."""
    # in rows of any order a piece has two on average
    short = len(epochs) < 3 * len(pieces)
    return len(pieces) > 2 and short and bool(_late(epochs, pieces).mean() > 0.5)


def _late(epochs: np.ndarray, pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Which pieces begin later than at the smallest epoch."""
    return epochs[[piece[0] for piece in pieces]] > epochs.min()

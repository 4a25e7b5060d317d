"""How runs are called: after their model, their file, or where that lies."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from nasmon.analysis.companions import unpacked_path
from nasmon.analysis.run import Run

_DEEPEST = 4
"""How many folders above a run's file may serve to tell it from another."""


def distinct_names(runs: Sequence[Run]) -> tuple[str, ...]:
    """The models' names; equal ones are told apart by their file, folder, or number."""
    tellers: tuple[Callable[[Run], str], ...] = (
        lambda run: unpacked_path(run.path).stem,
        # from the file upwards: of logs/nas and logs/narrower/nas the folders above nas differ
        *(partial(_folder, depth=depth) for depth in range(_DEEPEST)),
        lambda run: str(run.path),
        lambda run: f"{run.path.name}, run {run.choice.number}",
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
    names = [folder.name for folder in Path(run.path).absolute().parents]
    return names[depth] if depth < len(names) else ""

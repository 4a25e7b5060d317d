"""How a run's model was made from a larger one, as the file beside its CSV tells it."""

from pathlib import Path
from typing import NamedTuple

from nasmon.analysis.companions import unpacked_path
from nasmon.analysis.run import Run, load_run
from nasmon.record.files import shrunk_path
from nasmon.record.shrunk import SHRUNK, ShrunkRecord, read_shrunk


class Origins(NamedTuple):
    """Where a model comes from."""

    record: ShrunkRecord
    beside: tuple[ShrunkRecord, ...]  # of smaller models of the same one, itself among them


def origins_of(run: Run) -> Origins | None:
    """Where a run's model comes from; None where it was not made from another one.

    A file of another model is left out, with a note in the run's.

    Raises:
        UsageError: the file is damaged.
    """
    path = shrunk_path(unpacked_path(run.path))
    if not path.exists():
        return None
    record = read_shrunk(path)
    if run.record is not None and run.record.params != record.params:
        run.notes.append(
            f"{path} is of a model of {record.params:,} parameters and was left out: the run's has "
            f"{run.record.params:,}"
        )
        return None
    # another one's damage is not this one's
    others = [one for one in sorted(path.parent.glob("*_shrunk.json")) if SHRUNK.is_of(one)]
    found = {other: read_shrunk(other) for other in others if not other.samefile(path)}
    same = [one for one in found.values() if _same(one.model, record.model)]
    beside = sorted([record, *same], key=lambda one: -one.params)
    return Origins(record, tuple(beside))


def made_of(run: Run) -> tuple[ShrunkRecord, ...]:
    """The smaller models of a run's, as the files beside its CSV tell, largest first.

    Raises:
        UsageError: a file is damaged.
    """
    csv = unpacked_path(run.path)
    found = [
        read_shrunk(one) for one in sorted(csv.parent.glob("*_shrunk.json")) if SHRUNK.is_of(one)
    ]
    own = [one for one in found if one.csv is not None and _same(one.csv, csv)]
    return tuple(sorted(own, key=lambda one: -one.params))


def original_runs(run: Run) -> list[Run]:
    """The run of the model that a run's was made from, to hold it against; none if not known.

    Raises:
        UsageError: a file is damaged.
    """
    origins = origins_of(run)
    csv = origins.record.csv if origins else None
    if csv is None:
        return []
    if not csv.exists():
        run.notes.append(f"{csv}, the run of what the model was made from, is not there")
        return []
    return [load_run(csv)]


def _same(a: Path, b: Path) -> bool:
    return a.resolve() == b.resolve()

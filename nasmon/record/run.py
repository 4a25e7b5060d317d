"""The record of a run, ``<stem>_run.json``: what ran, and how the layers' widths hang together.

Here stands what it holds, and how it is read and written; nothing here needs TensorFlow.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nasmon.record.json_file import JsonFile, relative
from nasmon.widths.graph import Cost, Owner, Structure, channels_of
from nasmon.widths.int8 import Block, Int8Program, Step, check_program
from nasmon.widths.segments import Segments

RECORD = JsonFile(
    "nasmon run",
    1,
    "is not the record of a nasmon run",
    "remove it to go on without savings and the task metric",
)


class LayerRecord(NamedTuple):
    """A monitored layer."""

    name: str
    kind: str
    channels: int
    params: int  # its own parameters
    macs: int | None  # its own multiply-adds for one input; None if not known
    tied_to: str  # whose width it shares, "" for its own
    rank_limit: int | None  # the most directions its input lets it have, if fewer than channels
    widths: Segments  # what its width is made of; () if not known
    rows: int | None = None  # that enter a whole reading


class Rebuild(NamedTuple):
    """How to train the same model with other widths.

    Example:
        >>> rebuild = Rebuild(
        ...     ("python", "train_mine.py"), "--widths", ("conv1", "conv2"), (("--out", "runs/1"),)
        ... )
        >>> rebuild.flag
        '--widths'
    """

    command: tuple[str, ...]  # without the widths and without where it writes
    flag: str  # what the widths are called, such as "--widths"
    layers: tuple[str, ...]  # whose widths are given there, in this order
    places: tuple[tuple[str, str], ...]  # flags that say where it writes, and their values so far


class Record(NamedTuple):
    """What is known about a run besides its readings."""

    model_name: str
    status: str  # "running", "ended", "interrupted" or "failed"
    error: str | None
    started: str  # ISO 8601, UTC
    ended: str | None
    command: tuple[str, ...]
    seed: int | None
    samples: int
    versions: dict[str, str]
    thresholds: dict[str, float]
    layers: tuple[LayerRecord, ...]
    params: int  # of the whole model
    macs: int | None  # of the whole model for one input; None if not known
    structure: Structure | None  # None where it is not known
    rebuild: Rebuild | None
    history: Path | None  # the training history's CSV
    earlier: tuple[dict[str, Any], ...] = ()  # started, ended, status, command of continued runs
    last_step: int | None = None  # of the CSV when the run was closed; None before, or if not known
    unknown_structure: str = ""  # why there is no structure

    @property
    def owners(self) -> tuple[Owner, ...]:
        """The owners of widths; () where they are not known."""
        return self.structure.owners if self.structure else ()

    @property
    def costs(self) -> tuple[Cost, ...]:
        """The costs of layers; () where they are not known."""
        return self.structure.costs if self.structure else ()

    @property
    def int8(self) -> Int8Program | None:
        """The model as a small device runs it; None where that is not known."""
        return self.structure.int8 if self.structure else None


def write_record(path: Path, record: Record) -> None:
    """Writes a record; one already there is replaced only when the new one is whole."""
    RECORD.write(path, {**_plain(record), "history": relative(record.history, path.parent)})


def read_record(path: Path) -> Record:
    """Reads a record.

    Raises:
        UsageError: it is not one of ours, or from another version.
    """
    return RECORD.read(path, _record)


def _plain(value: Any) -> Any:
    """NamedTuples as dictionaries, all the way down."""
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _record(tree: dict[str, Any], folder: Path) -> Record:
    structure, rebuild = tree["structure"], tree["rebuild"]
    defaults = Record._field_defaults
    values = {name: tree[name] for name in Record._fields if name not in defaults}
    # what records of earlier versions lack
    values |= {name: tree.get(name, default) for name, default in defaults.items()}
    values |= {
        "earlier": tuple(values["earlier"]),
        "command": tuple(tree["command"]),
        "thresholds": {name: float(value) for name, value in tree["thresholds"].items()},
        "layers": tuple(LayerRecord(**_tupled(layer, "widths")) for layer in tree["layers"]),
        "structure": structure and _structure(structure),
        "rebuild": rebuild and Rebuild(**_tupled(rebuild, "command", "layers", "places")),
        "history": folder / tree["history"] if tree["history"] else None,
    }
    return Record(**values)


def _structure(tree: dict[str, Any]) -> Structure:
    owners = tuple(Owner(**owner) for owner in tree["owners"])
    costs = tuple(Cost(**_tupled(c, "inputs", "outputs")) for c in tree["costs"])
    # records of earlier versions lack it
    int8 = tree.get("int8")
    return Structure(owners, costs, None if int8 is None else _int8(int8, owners))


def _int8(tree: dict[str, Any], owners: Sequence[Owner]) -> Int8Program:
    program = Int8Program(
        tensors=tuple(Block(**_tupled(block, "widths")) for block in tree["tensors"]),
        steps=tuple(Step(**_tupled(step, "reads", "writes")) for step in tree["steps"]),
        outputs=tuple(tree["outputs"]),
        constants=tuple(Block(**_tupled(block, "widths")) for block in tree["constants"]),
        overhead=tree["overhead"],
    )
    check_program(program, channels_of(owners))
    return program


def _tupled(tree: dict[str, Any], *names: str) -> dict[str, Any]:
    """Lists of those names as tuples, for records never change."""
    return {**tree, **{name: _tuple(tree[name]) for name in names}}


def _tuple(value: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(_tuple(one) if isinstance(one, list) else one for one in value)

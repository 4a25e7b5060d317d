"""What a model became in 8-bit integers, ``<stem>_int8.json``.

Nothing here needs TensorFlow.
"""

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from nasmon.record.json_file import JsonFile, from_folder, relative, with_nan, without_nan
from nasmon.widths.objectives import OBJECTIVES

EXPORTED = JsonFile(
    "nasmon int8",
    1,
    "does not tell of a model in int8",
    "remove it to go on without what the model became in 8-bit integers",
)


class ExportedRecord(NamedTuple):
    """A model as a LiteRT file of 8-bit integers."""

    model: Path  # that it was made from
    digest: str  # SHA-256 of that file, so that a later one is told from it
    file: Path
    samples: int  # of the training data, that ranges of activations were found with
    float32: dict[str, float]  # metrics on validation data, of the model
    int8: dict[str, float]  # and of the file
    change: str  # of the metric that counts, with its interval, in words
    flash: int  # bytes of the file
    ram: int  # bytes of the tensors that it needs at once
    busiest: str  # the operation at which it does, such as "CONV_2D"
    predicted_flash: int | None  # from the model's graph alone; None where it is not known
    predicted_ram: int | None
    operations: dict[str, int]  # how many there are of each kind
    seconds: dict[str, float]

    @property
    def sizes(self) -> list[tuple[str, int, int | None]]:
        """What the file takes: the unit, how much, and what was predicted."""
        return [
            (one.unit, getattr(self, one.name), getattr(self, f"predicted_{one.name}"))
            for one in OBJECTIVES
            if one.in_bytes
        ]


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_exported(path: Path, record: ExportedRecord) -> None:
    """Writes a record; one already there is replaced only when the new one is whole."""
    tree = record._asdict()
    tree |= {name: relative(tree[name], path.parent) for name in ("model", "file")}
    tree |= {name: without_nan(tree[name]) for name in ("float32", "int8")}
    EXPORTED.write(path, tree)


def read_exported(path: Path) -> ExportedRecord:
    """Reads a record.

    Raises:
        UsageError: it is not one of ours, is damaged, or from another version.
    """
    return EXPORTED.read(path, _exported)


def _exported(tree: dict[str, Any], folder: Path) -> ExportedRecord:
    values = {name: tree[name] for name in ExportedRecord._fields}
    values |= {name: from_folder(folder, tree[name]) for name in ("model", "file")}
    values |= {name: with_nan(tree[name]) for name in ("float32", "int8")}
    for name in ("flash", "ram", "samples"):
        values[name] = int(tree[name])
    for name in ("predicted_flash", "predicted_ram"):
        values[name] = None if tree[name] is None else int(tree[name])
    values["operations"] = {kind: int(count) for kind, count in tree["operations"].items()}
    if values["float32"].keys() != values["int8"].keys():
        raise ValueError("float32 and int8 have other metrics")
    return ExportedRecord(**values)

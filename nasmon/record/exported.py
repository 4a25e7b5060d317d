"""What a model became in 8-bit integers, ``<stem>_int8.json``.

Nothing here needs TensorFlow.
"""

import hashlib
import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

from nasmon.errors import UsageError
from nasmon.record.files import whole_file

EXPORTED_FORMAT, EXPORTED_VERSION = "nasmon int8", 1

WITHOUT_EXPORTED = "remove it to go on without what the model became in 8-bit integers"


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


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_exported(path: Path, record: ExportedRecord) -> None:
    """Writes a record; one already there is replaced only when the new one is whole."""
    tree = {"format": EXPORTED_FORMAT, "version": EXPORTED_VERSION, **record._asdict()}
    for name in ("model", "file"):
        # from where the record lies, so that a folder of runs can be moved
        tree[name] = os.path.relpath(tree[name], path.parent)
    for name in ("float32", "int8"):
        tree[name] = {key: v if math.isfinite(v) else None for key, v in tree[name].items()}
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(tree, indent=1, allow_nan=False), "utf-8")


def read_exported(path: Path) -> ExportedRecord:
    """Reads a record.

    Raises:
        UsageError: it is not one of ours, is damaged, or from another version.
    """
    try:
        tree = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}); {WITHOUT_EXPORTED}") from None
    if not isinstance(tree, dict) or tree.get("format") != EXPORTED_FORMAT:
        raise UsageError(f"{path} does not tell of a model in int8; {WITHOUT_EXPORTED}")
    if tree.get("version") != EXPORTED_VERSION:
        raise UsageError(
            f"{path} has version {tree.get('version')}, this nasmon reads {EXPORTED_VERSION}; use "
            f"the nasmon that wrote it, or {WITHOUT_EXPORTED}"
        )
    try:
        return _exported(tree, path.parent)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is damaged ({type(error).__name__}: {error}); {WITHOUT_EXPORTED}"
        ) from None


def _exported(tree: dict[str, Any], folder: Path) -> ExportedRecord:
    values = {name: tree[name] for name in ExportedRecord._fields}
    for name in ("model", "file"):
        values[name] = Path(os.path.normpath(folder / tree[name]))
    for name in ("float32", "int8"):
        values[name] = {k: math.nan if v is None else float(v) for k, v in tree[name].items()}
    for name in ("flash", "ram", "samples"):
        values[name] = int(tree[name])
    for name in ("predicted_flash", "predicted_ram"):
        values[name] = None if tree[name] is None else int(tree[name])
    values["operations"] = {kind: int(count) for kind, count in tree["operations"].items()}
    if values["float32"].keys() != values["int8"].keys():
        raise ValueError("float32 and int8 have other metrics")
    return ExportedRecord(**values)

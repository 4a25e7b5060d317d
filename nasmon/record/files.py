"""What the files of a run are called and hold, for those who write them and those who read them.

Imports nothing heavy, so that a command can ask before it loads TensorFlow.

The run's CSV is one row a reading, ``RUN_COLUMNS``; all its companions lie beside it and are named
after its stem: the rows by layer (``LAYER_COLUMNS``), the record of what ran (JSON), the spectra of
the first and the latest reading (NPZ), and what fewer channels would lose (NPZ and CSV).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from nasmon.errors import UsageError
from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES

COST_COLUMNS = ("probe_seconds", "overhead", "thinned", "postponed")

RUN_COLUMNS = ("epoch", "step", *(m.name for m in AGGREGATED), *COST_COLUMNS)

LAYER_COLUMNS = (
    *("epoch", "step", "layer", "kind", "channels", "params", "macs", "tied_to"),
    *METRIC_NAMES,
)


def metrics_path(log_dir: Path, model_name: str) -> Path:
    """The run's CSV, one row a reading, where no other path is given."""
    # a Keras name may hold a slash
    return log_dir / f"{model_name.replace('/', '_')}_nas_metrics.csv"


def layers_path(csv_path: Path) -> Path:
    """The rows by layer of the run that is recorded at ``csv_path``."""
    return csv_path.with_name(f"{csv_path.stem}_layers.csv")


def record_path(csv_path: Path) -> Path:
    """What ran: model, layers, widths, versions, command, and how it ended."""
    return csv_path.with_name(f"{csv_path.stem}_run.json")


def spectra_path(csv_path: Path) -> Path:
    """Eigenvalues and correlations of the first and the latest reading."""
    return csv_path.with_name(f"{csv_path.stem}_spectra.npz")


def widths_path(csv_path: Path) -> Path:
    """What fewer channels would lose, of each group of widths."""
    return csv_path.with_name(f"{csv_path.stem}_widths.npz")


def curves_path(csv_path: Path) -> Path:
    """The same as a table, for people."""
    return csv_path.with_name(f"{csv_path.stem}_widths.csv")


def beside(csv_path: Path) -> list[Path]:
    """What stands beside the run's CSV and is written as wholes, not row by row."""
    return [place(csv_path) for place in (record_path, spectra_path, widths_path, curves_path)]


def shrunk_path(csv_path: Path) -> Path:
    """How the model was made from a larger one, where it was."""
    return csv_path.with_name(f"{csv_path.stem}_shrunk.json")


def exported_path(csv_path: Path) -> Path:
    """What the model became in 8-bit integers, where it was exported."""
    return csv_path.with_name(f"{csv_path.stem}_int8.json")


def given_path(path: str | os.PathLike[str]) -> str:
    """A path as it is when it is given: absolute, for the process may change its folder later.

    A URL, such as of a bucket that TensorFlow writes to, is kept as it is.
    """
    text = os.fspath(path)
    return text if "://" in text else os.path.abspath(os.path.expanduser(text))


def local_path(path: str | os.PathLike[str]) -> Path:
    """A place for a run's CSV as an absolute path.

    Raises:
        UsageError: it is a URL.
    """
    if "://" in os.fspath(path):
        raise UsageError(
            f"{path} is not on this machine; pass csv_path= with a local file, or False for no CSV"
        )
    return Path(given_path(path))


def csv_of_run(
    csv_path: str | os.PathLike[str] | Literal[False] | None, log_dir: str | None, name: str
) -> Path | None:
    """Where the CSV of a model of that name goes; None for nowhere.

    Args:
        csv_path: where it is to go; into the TensorBoard folder if None, nowhere if False.
        log_dir: the TensorBoard folder, if there is one.
        name: the model's.

    Raises:
        UsageError: the folder is a URL.
    """
    if csv_path:
        return Path(csv_path)
    if csv_path is False or log_dir is None:
        return None
    return metrics_path(local_path(log_dir), name)


def check_regular(path: Path, named: str) -> None:
    """Refuses a place to write that holds what is no file of ours to replace.

    Args:
        path: where a file is to be written.
        named: what the user named it with, such as "csv_path".

    Raises:
        UsageError: there is a folder, a device, a pipe or a socket, or it cannot be looked at.
    """
    try:
        kind = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}); give another {named}"
        ) from None
    special = special_kind(kind)
    if special:
        raise UsageError(f"{path} is {special}, not a file; give another {named}")


def regular_only(path: str, flags: int) -> int:
    """An ``opener`` for ``open``: waits for nobody, and opens nothing but regular files.

    Raises:
        OSError: there is a folder, a device, a pipe or a socket, or it cannot be opened.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    special = special_kind(os.fstat(descriptor).st_mode)
    if special:
        os.close(descriptor)
        raise OSError(None, f"it is {special}", path)
    return descriptor


def special_kind(mode: int) -> str | None:
    """What lies at a path, such as "a folder", by its mode; None for a regular file."""
    if stat.S_ISREG(mode):
        return None
    kinds = {"a folder": stat.S_ISDIR, "a pipe": stat.S_ISFIFO, "a socket": stat.S_ISSOCK}
    return next((name for name, fits in kinds.items() if fits(mode)), "a device")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to instead; what is written there takes its place when the block ends well.

    So a reader never meets half a file, and a file already there is lost only to a whole one. A
    link stays one: what it leads to is replaced.

    Raises:
        UsageError: what is there is no regular file.
    """
    check_regular(path, "place")
    path = Path(os.path.realpath(path))
    # of a short name, for the file's own may be as long as names can be
    unfinished = path.with_name(f".{os.getpid()}.unfinished{path.suffix}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)

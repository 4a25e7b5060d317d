"""What a run's event files are called."""

import hashlib
import os
import re
from pathlib import Path

from nasmon.record.files import given_path

LONGEST_NAME = 100
"""Of a run, in the name of its event file: TensorFlow puts up to 120 characters before it."""

BEGINNING = "events.out.tfevents"


def suffix_of(run: str) -> str:
    """What the names of a run's event files end in.

    Example:
        >>> suffix_of("nano_u_nas_metrics")
        '.nano_u_nas_metrics.nasmon'
    """
    return f".{_short_name(run)}.nasmon"


def files_of(run: str, log_dir: str | os.PathLike[str]) -> list[Path]:
    """A run's event files that lie on this machine, in the order in which TensorBoard reads them.

    Args:
        run: the stem of its CSV; "run" if it has none.
        log_dir: the folder that TensorBoard is pointed at.

    Raises:
        OSError: it cannot be read.
    """
    folder = Path(given_path(log_dir))
    # the process's number and its writer's stand before the suffix, or it is another run's
    name = re.compile(
        rf"{re.escape(BEGINNING)}\..*\.\d+\.\d+{re.escape(suffix_of(run))}", re.DOTALL
    )
    try:
        return sorted(path for path in folder.iterdir() if name.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        # or it is on another machine
        return []


def _short_name(run: str) -> str:
    """A run's name, or what tells it from others if it is too long for a file's."""
    if len(run.encode()) <= LONGEST_NAME:
        return run
    digest = hashlib.sha256(run.encode()).hexdigest()[:16]
    return f"{run.encode()[: LONGEST_NAME - 17].decode(errors='ignore')}-{digest}"

"""Finding the run that was recorded last."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from nasmon.analysis.csv_files import holds_rows, read_header
from nasmon.analysis.run import Run, load_run
from nasmon.analysis.run_table import REQUIRED
from nasmon.analysis.table_file import TableFile
from nasmon.errors import UsageError

LOGS = Path("logs")
"""Where runs are looked for."""


def run_of(csv: str | None, model_name: str | None = None, number: int | None = None) -> Run:
    """The run that a command is asked about.

    Args:
        csv: its CSV; the one that was recorded last if None, with a note of newer files in which
            nothing was recorded.
        model_name: as for ``load_run``.
        number: as for ``load_run``.

    Raises:
        UsageError: as of ``newest_run`` and ``load_run``.
    """
    if csv is not None:
        return load_run(Path(csv), model_name, number)
    path = newest_run()
    written = path.stat().st_mtime
    newer = [
        str(one)
        for one in _csv_files(LOGS, "*_nas_metrics.csv")
        if one.is_file() and one.stat().st_mtime > written and not _holds_a_run(one)
    ]
    run = load_run(path, model_name, number)
    if newer:
        note = f"{', '.join(sorted(newer))} was written later and holds no reading; this is {path}"
        run.notes.insert(0, note)
    return run


def newest_run(folder: Path = LOGS) -> Path:
    """The CSV of the run below ``folder`` that was written to last and holds a reading.

    Raises:
        UsageError: there is none.

    Example:
        >>> newest_run(Path("nowhere"))
        Traceback (most recent call last):
        nasmon.errors.UsageError: no run with a reading was found under nowhere/; train with the \
monitor on (make train NAS=1), or pass --csv PATH
    """
    found = [path for path in _csv_files(folder, "*.csv") if _holds_a_run(path)]
    if not found:
        raise UsageError(
            f"no run with a reading was found under {folder}/; train with the monitor on "
            "(make train NAS=1), or pass --csv PATH"
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def _csv_files(folder: Path, pattern: str) -> Iterator[Path]:
    return chain(folder.rglob(pattern), folder.rglob(f"{pattern}.gz"))


def _holds_a_run(path: Path) -> bool:
    try:
        file = TableFile(path, "")
        header = read_header(file)
        return set(REQUIRED) <= set(header) and "layer" not in header and holds_rows(file)
    except UsageError:
        return False

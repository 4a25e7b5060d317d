"""Finding the run that was recorded last."""

from itertools import chain
from pathlib import Path

from nasmon.analysis.csv_files import holds_rows, read_header
from nasmon.analysis.run_table import REQUIRED
from nasmon.analysis.table_file import TableFile
from nasmon.errors import UsageError


def newest_run(folder: Path = Path("logs")) -> Path:
    """The CSV of the run below ``folder`` that was written to last and holds a reading.

    Raises:
        UsageError: there is none.

    Example:
        >>> newest_run(Path("nowhere"))
        Traceback (most recent call last):
        nasmon.errors.UsageError: no run with a reading was found under nowhere/; train with the \
monitor on (make train NAS=1), or pass --csv PATH
    """
    places = chain(folder.rglob("*.csv"), folder.rglob("*.csv.gz"))
    found = [path for path in places if _holds_a_run(path)]
    if not found:
        raise UsageError(
            f"no run with a reading was found under {folder}/; train with the monitor on "
            "(make train NAS=1), or pass --csv PATH"
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def _holds_a_run(path: Path) -> bool:
    try:
        file = TableFile(path, "")
        header = read_header(file)
        return set(REQUIRED) <= set(header) and "layer" not in header and holds_rows(file)
    except UsageError:
        return False

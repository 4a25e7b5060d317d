"""Files that should hold tables: what they are, and their bytes, packed by gzip or not."""

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

from nasmon.errors import UsageError
from nasmon.record.files import special_kind

MOST_BYTES = 1 << 26
"""Of a run's CSV or history, unpacked: some 400,000 readings, which take a second and 300 MB."""

_PACKED = b"\x1f\x8b"  # what a file of gzip begins with


class TableFile(NamedTuple):
    """A file that should hold a table.

    Attributes:
        path: where it is.
        remedy: what to do if it cannot be read, for the end of a sentence.
        most: bytes that are read of it, unpacked.
    """

    path: Path
    remedy: str
    most: int = MOST_BYTES


def special_place(path: Path) -> str | None:
    """What a path is, such as "a folder", if neither a file nor nothing at all."""
    try:
        return special_kind(path.stat().st_mode)
    except OSError:
        # whoever opens it tells what is wrong
        return None


def check_is_file(file: TableFile) -> None:
    """Refuses what has no end to be read to, such as a pipe or a device.

    Raises:
        UsageError: it is no file.
    """
    kind = special_place(file.path)
    if kind:
        raise UsageError(f"{file.path} is {kind}, not a file; {file.remedy}")


def content_of(file: TableFile) -> bytes:
    """All bytes of a file, unpacked.

    Raises:
        UsageError: as ``beginning_of``, or there are more than may be.
    """
    content = beginning_of(file, file.most + 1)
    check_size(file, len(content), file.most)
    return content


def check_size(file: TableFile, size: int, most: int, but: str = "") -> None:
    """Refuses what would take too long, or more memory than there may be.

    Raises:
        UsageError: ``size`` is more than ``most``.
    """
    if size > most:
        raise UsageError(f"{file.path} {but}is larger than {most:,} bytes; {file.remedy}")


def beginning_of(file: TableFile, most: int) -> bytes:
    """The first bytes of a file, unpacked.

    Raises:
        UsageError: there is no such file, or it cannot be read or unpacked.
    """
    check_is_file(file)
    try:
        with open(file.path, "rb") as opened:
            if opened.read(len(_PACKED)) == _PACKED:
                with gzip.open(file.path) as unpacked:
                    return unpacked.read(most)
            opened.seek(0)
            return opened.read(most)
    except FileNotFoundError:
        raise UsageError(f"{file.path} does not exist; {file.remedy}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{file.path} cannot be unpacked ({error}); {file.remedy}") from None
    except OSError as error:
        raise UsageError(f"{file.path} cannot be read ({error.strerror}); {file.remedy}") from None

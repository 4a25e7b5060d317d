"""The NPZ files of a run: how they are opened, whoever made them.

A file may come from anywhere. No pickle is loaded, and what the archive and its arrays claim to
hold is checked before any of it is read: a bomb of a few kB may claim to be hundreds of GB.
"""

import lzma
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.lib import format as npy
from numpy.lib.npyio import NpzFile

from nasmon.errors import UsageError, first_line
from nasmon.record.files import regular_only

MOST_UNPACKED = 1 << 26
"""Bytes that the arrays of a smaller file may take: nasmon packs nothing, another program may."""

UNREADABLE = (
    *(OSError, EOFError, BadZipFile, zlib.error, lzma.LZMAError),
    *(KeyError, ValueError, TypeError, AttributeError, OverflowError),
    # of a header that is no Python or nested too deep
    *(SyntaxError, TokenError, MemoryError, RecursionError),
    # of an archive that is packed or encrypted in a way that is not known
    *(NotImplementedError, RuntimeError),
)
"""What damaged archives and headers, and those who make something of them, raise."""


@contextmanager
def opened_arrays(path: Path, remedy: str) -> Iterator[NpzFile]:
    """The arrays of a file, to be read and checked inside of the block.

    Args:
        path: of the file.
        remedy: what to do if it is damaged, for the end of a sentence.

    Raises:
        UsageError: it is damaged, or the block found it to be.
    """
    try:
        # opened here, for NumPy leaves a damaged file open
        with (
            open(path, "rb", opener=regular_only) as opened,
            np.load(opened, allow_pickle=False) as file,
        ):
            if not isinstance(file, NpzFile) or file.zip is None:
                raise ValueError("it is no archive of arrays")
            _check_sizes(file.zip, os.fstat(opened.fileno()).st_size)
            yield file
    except UNREADABLE as error:
        reason = f"{type(error).__name__}: {first_line(error)}".removesuffix(": ")
        raise UsageError(f"{path} is damaged ({reason}); {remedy}") from None


def check_unpacked(archive: ZipFile, size: int) -> int:
    """Refuses a bomb: an archive of ``size`` bytes that claims to hold far more.

    Returns:
        The bytes that it holds.

    Raises:
        ValueError: it does.
    """
    unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > max(size, MOST_UNPACKED):
        raise ValueError(f"{size:,} bytes that claim to be {unpacked:,}")
    return unpacked


def _check_sizes(archive: ZipFile, size: int) -> None:
    check_unpacked(archive, size)
    for member in archive.infolist():
        held, claimed = member.file_size, _claimed(archive, member)
        if held != claimed:
            raise ValueError(f"{member.filename} claims {claimed:,} bytes and has {held:,}")


def _claimed(archive: ZipFile, member: ZipInfo) -> int:
    """The bytes that an array should have, with its header."""
    with archive.open(member) as file:
        version = npy.read_magic(file)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds a pickle, which is never loaded")
        # of empty texts there could be any number
        return file.tell() + math.prod(shape) * max(1, dtype.itemsize)

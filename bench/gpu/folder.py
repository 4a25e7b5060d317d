"""A folder of programs: what ``export`` writes and the other commands read.

``programs.json`` lists them; ``NAME.hlo.pb`` is a program as TensorFlow lowers it for a GPU, before
XLA optimises it; ``NAME.expected.npz`` has its outputs as found by TensorFlow, thinned.
"""

import hashlib
import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.gpu.agreement import SCALES
from bench.gpu.command_line import WrongUseError
from bench.gpu.inputs import KINDS, Input

LIST = "programs.json"


class Program(NamedTuple):
    """A program, and how to check it."""

    of: str  # a network, or a batch of matrices such as "16x64"
    part: str  # "forward", "absorb", "measure" or "eigenvalues"
    fingerprint: str  # as ``fingerprint`` tells it
    inputs: tuple[Input, ...]
    tolerance: float | None  # of the difference from what is expected; None if nothing is
    scale: str  # what the difference is divided by, see ``agreement.SCALES``

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.part}-{self.of}"


def fingerprint(text: str) -> str:
    """Twelve digits that tell one program from another, whatever its instructions are called.

    Args:
        text: as ``experimental_get_compiler_ir`` gives it at the stage "hlo"; in another process
            the same program has other names in it.
    """
    _, _, body = text.partition("\n")  # the first line is the module's name
    body = re.sub(r", metadata=\{[^}]*\}", "", body)
    numbers: dict[str, int] = {}
    body = re.sub(r"%?[A-Za-z_][\w.\-]*\.\d+\b", lambda m: f"%{_number(m[0], numbers)}", body)
    return hashlib.sha256(body.encode()).hexdigest()[:12]


def _number(name: str, numbers: dict[str, int]) -> int:
    return numbers.setdefault(name.lstrip("%"), len(numbers))


def write_list(folder: Path, programs: Sequence[Program]) -> None:
    """Writes the list of a folder's programs."""
    entries = [
        program._asdict() | {"inputs": [each._asdict() for each in program.inputs]}
        for program in programs
    ]
    (folder / LIST).write_text(json.dumps(entries, indent=1), "utf-8")


def write_program(
    folder: Path, program: Program, module: bytes, expected: Sequence[np.ndarray] = ()
) -> None:
    """Writes the files of one program."""
    _module(folder, program).write_bytes(module)
    if program.tolerance is not None:
        np.savez(_expected(folder, program), *expected)


def read_list(folder: Path, only: str = "") -> list[Program]:
    """The programs of a folder whose names hold ``only``, in the order in which they were written.

    Raises:
        WrongUseError: there is no such folder or list, it is damaged, or no name holds ``only``.
    """
    path = folder / LIST
    if not folder.is_dir():
        raise WrongUseError(
            f"there is no folder {folder}; make one with python -m bench.gpu.export"
        )
    try:
        entries = json.loads(path.read_text("utf-8"))
        programs = [_program(entry) for entry in entries]
    except FileNotFoundError:
        raise WrongUseError(
            f"{path} is not there; give a folder that bench.gpu.export wrote"
        ) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise WrongUseError(f"{path} is damaged ({reason}); export again") from None
    chosen = [program for program in programs if only in program.name]
    if not chosen:
        there = ", ".join(program.name for program in programs) or "no programs"
        raise WrongUseError(f"--only is {only!r}, which no name holds; there are: {there}")
    return chosen


def read_module(folder: Path, program: Program) -> bytes:
    """A program as TensorFlow lowered it.

    Raises:
        WrongUseError: its file is not there.
    """
    try:
        return _module(folder, program).read_bytes()
    except OSError as error:
        raise WrongUseError(
            f"{_module(folder, program)} cannot be read ({error.strerror}); export again"
        ) from None


def read_expected(folder: Path, program: Program) -> list[np.ndarray]:
    """Its outputs as TensorFlow found them, thinned.

    Raises:
        WrongUseError: the file is not there, or damaged.
    """
    path = _expected(folder, program)
    try:
        with np.load(path) as saved:
            return [saved[f"arr_{position}"] for position in range(len(saved.files))]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WrongUseError(f"{path} cannot be read ({error}); export again") from None


def _program(entry: dict[str, Any]) -> Program:
    program = Program(**entry)
    inputs = tuple(_input(Input(**each)) for each in entry["inputs"])
    if program.scale not in SCALES:
        raise ValueError(f"scale is {program.scale!r}")
    tolerance = None if program.tolerance is None else float(program.tolerance)
    texts = (str(program.of), str(program.part), str(program.fingerprint))
    return Program(*texts, inputs, tolerance, program.scale)


def _input(given: Input) -> Input:
    if given.kind not in KINDS:
        raise ValueError(f"an input's kind is {given.kind!r}")
    shape = tuple(int(length) for length in given.shape)
    dtype = np.dtype(given.dtype).name
    return Input(given.kind, shape, dtype, int(given.seed), float(given.value))


def _module(folder: Path, program: Program) -> Path:
    return folder / f"{program.name}.hlo.pb"


def _expected(folder: Path, program: Program) -> Path:
    return folder / f"{program.name}.expected.npz"

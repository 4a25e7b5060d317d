"""``python -m bench.gpu.run FOLDER`` runs exported programs, checks and times them.

It needs jax and NumPy alone. The programs run on JAX's default device; what each takes is added to
bench/gpu.csv. The exit code is 1 if a program fails or disagrees with what TensorFlow put out.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np

from bench.gpu.agreement import difference, thin
from bench.gpu.command_line import Parser, WrongUseError, counting_number, run_command
from bench.gpu.folder import Program, read_expected, read_list, read_module
from bench.gpu.inputs import draw
from bench.gpu.tables import MEASURED, Measured, append, read
from bench.gpu.timing import Profiled, Timed, profiled, timed
from bench.gpu.xla import compiled, import_jax, started

VARIANT = "nasmon"
"""Whose programs they are; which of its programs, the fingerprint tells."""

LINE = "{:28} {:>10} {:>9} {:>9} {:>9} {:>9} {:>11} {}"


class Compiled(NamedTuple):
    """A program to run."""

    loaded: Any
    seconds: float


class Result(NamedTuple):
    """What a program did."""

    difference: float | None  # None if it is only timed
    timed: Timed
    profiled: Profiled | None

    def agrees(self, program: Program) -> bool:
        """Whether the difference is one that rounding explains."""
        if self.difference is None or program.tolerance is None:
            return True
        return self.difference <= program.tolerance


def build_parser() -> Parser:
    """The command line."""
    parser = Parser("run", __doc__)
    parser.add_folder("what bench.gpu.export wrote")
    parser.add_only()
    parser.add_argument(
        "--threads",
        type=counting_number,
        default=2,
        metavar="N",
        help="programs to compile side by side (default: 2)",
    )
    parser.add_argument(
        "--repeats", type=counting_number, default=20, metavar="N", help="runs (default: 20)"
    )
    parser.add_argument(
        "--csv", type=Path, default=MEASURED, metavar="PATH", help="default: bench/gpu.csv"
    )
    parser.add_argument("--note", default="", metavar="TEXT", help="to stand in every row")
    return parser


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and ends the process: 0, 1 if something disagrees, 2 for wrong use."""
    run_command(build_parser(), _run, arguments)


def _run(given: argparse.Namespace) -> int:
    programs = read_list(given.folder, given.only)
    modules = [read_module(given.folder, program) for program in programs]
    read(given.csv, Measured)  # what is no such table is refused before an hour of running
    if not given.csv.parent.is_dir():
        raise WrongUseError(f"--csv is {given.csv}, in a folder that is not there")
    jax = import_jax()
    device = jax.devices()[0]
    machine = _machine(jax, device)
    print(f"{machine['runner']}, {machine['card']}, median of up to {given.repeats} runs")
    headings = ("ms", "host ms", "kernels", "busy ms", "compile s", "difference", "")
    print(LINE.format("program", *headings), flush=True)
    faults = 0
    with ThreadPoolExecutor(given.threads) as pool:
        compiling = [pool.submit(_compiled, module, device) for module in modules]
        # nothing runs while something compiles, which would take the host from it
        made = [future.exception() or future.result() for future in compiling]
    for program, ready in zip(programs, made, strict=True):
        if not isinstance(ready, Compiled):
            faults += 1
            print(f"{program.name:28} does not compile: {_first_line(ready)}", flush=True)
            continue
        try:
            result = _result(given.folder, program, ready.loaded, device, given.repeats)
        except jax.errors.JaxRuntimeError as error:
            faults += 1
            print(f"{program.name:28} does not run: {_first_line(error)}", flush=True)
            continue
        agrees = result.agrees(program)
        faults += not agrees
        row = _row(program, ready.seconds, result, machine, given.note)
        _show(row, "" if agrees else f"DISAGREES: more than {program.tolerance:g}")
        if agrees:
            append(given.csv, row)
    print(f"{faults} of {len(programs)} failed" if faults else "all agree")
    return 1 if faults else 0


def _compiled(module: bytes, device: Any) -> Compiled:
    begun = time.perf_counter()
    loaded = compiled(module, device)
    return Compiled(loaded, time.perf_counter() - begun)


def _result(folder: Path, program: Program, loaded: Any, device: Any, repeats: int) -> Result:
    arrays = [import_jax().device_put(draw(given), device) for given in program.inputs]
    outputs = [np.asarray(output) for output in started(loaded, arrays)]
    apart = None
    if program.tolerance is not None:
        expected = read_expected(folder, program)
        pairs = zip(map(thin, outputs), expected, strict=False)
        apart = max(difference(*pair, program.scale) for pair in pairs)
        if len(outputs) != len(expected):
            apart = np.inf
    del outputs
    return Result(apart, timed(loaded, arrays, repeats), profiled(loaded, arrays))


def _machine(jax: Any, device: Any) -> dict[str, str]:
    return {
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "card": device.device_kind,
        "driver": _driver() if device.platform == "gpu" else "",
        "runner": f"jax {jax.__version__}",
    }


def _driver() -> str:
    """The version of NVIDIA's driver; "" where its tool is not installed."""
    if shutil.which("nvidia-smi") is None:
        return ""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()
    return told[0] if told else ""


def _row(
    program: Program, seconds: float, result: Result, machine: dict[str, str], note: str
) -> Measured:
    flags = os.environ.get("XLA_FLAGS")
    seen = result.profiled
    return Measured(
        **machine,
        of=program.of,
        part=program.part,
        variant=VARIANT,
        program=program.fingerprint,
        milliseconds=f"{result.timed.device:.3f}",
        host_ms=f"{result.timed.host:.3f}",
        kernels=f"{seen.kernels}" if seen else "",
        busy_ms=f"{seen.busy:.3f}" if seen else "",
        compile_s=f"{seconds:.1f}",
        difference="" if result.difference is None else f"{result.difference:.1e}",
        note="; ".join(filter(None, (note, flags and f"XLA_FLAGS={flags}"))),
    )


def _show(row: Measured, remark: str) -> None:
    numbers = (row.milliseconds, row.host_ms, row.kernels, row.busy_ms, row.compile_s)
    print(
        LINE.format(f"{row.part}-{row.of}", *numbers, row.difference, remark).rstrip(), flush=True
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())

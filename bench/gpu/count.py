"""``python -m bench.gpu.count FOLDER`` compiles exported programs for an H100 that is not there.

It needs jax with its plugin for NVIDIA GPUs (``jax[cuda13]``), but neither a GPU nor TensorFlow,
and tells what one run of each program launches: as much as the profiler sees on a real one.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NoReturn

from bench.gpu.command_line import Parser, WrongUseError, run_command
from bench.gpu.folder import Program, read_list, read_module
from bench.gpu.tables import COUNTED, Counted, read, replace
from bench.gpu.thunks import Counts, counts_in
from bench.gpu.xla import absent_device, dump, import_jax

LINE = "{:28} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>12} {:>10}"


def build_parser() -> Parser:
    """The command line."""
    parser = Parser("count", __doc__)
    parser.add_folder("what bench.gpu.export wrote")
    parser.add_only()
    parser.add_argument(
        "--csv",
        type=Path,
        nargs="?",
        const=COUNTED,
        metavar="PATH",
        help="write the counts, too: in place of earlier ones of the same programs "
        "(bench/gpu_counts.csv if no file is named)",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and ends the process: 0, 1 if a program fails, 2 for wrong use."""
    run_command(build_parser(), _count, arguments)


def _count(given: argparse.Namespace) -> int:
    programs = read_list(given.folder, given.only)
    if given.csv is not None:
        if not given.csv.parent.is_dir():
            raise WrongUseError(f"--csv is {given.csv}, in a folder that is not there")
        read(given.csv, Counted)
    device = absent_device()
    headings = ("all", "kernels", "copies", "calls", "graphed", "graphs", "submissions")
    print(LINE.format("program", *headings, "compile s"), flush=True)
    rows, failed = [], 0
    for program in programs:
        try:
            counted, seconds = _counted(read_module(given.folder, program), device)
        except import_jax().errors.JaxRuntimeError as error:
            failed += 1
            print(f"{program.name:28} does not compile: {str(error)[:300]}", flush=True)
            continue
        rows.append(_row(program, counted, seconds))
        _show(program, counted, seconds)
    if given.csv is not None:
        replace(given.csv, rows)
    return 1 if failed else 0


def _counted(module: bytes, device: Any) -> tuple[Counts, float]:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        dump(module, device, Path(folder))
        return counts_in(Path(folder)), time.perf_counter() - begun


def _row(program: Program, counted: Counts, seconds: float) -> Counted:
    numbers = {name: str(number) for name, number in counted._asdict().items()}
    return Counted(
        date=f"{datetime.now(timezone.utc):%Y-%m-%d}",
        compiler=f"jax {import_jax().__version__}",
        of=program.of,
        part=program.part,
        program=program.fingerprint,
        submissions=str(counted.submissions),
        compile_s=f"{seconds:.1f}",
        **numbers,
    )


def _show(program: Program, counted: Counts, seconds: float) -> None:
    numbers = (counted.launched, counted.kernels, counted.copies, counted.calls)
    line = (*numbers, counted.graphed, counted.graphs, counted.submissions, f"{seconds:.1f}")
    remark = " (loops of unknown length counted once)" if counted.unknown_loops else ""
    print(LINE.format(program.name, *line) + remark, flush=True)


if __name__ == "__main__":
    sys.exit(main())

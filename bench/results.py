"""bench/RESULTS.md: a section for each benchmark, written by the benchmark that measured it."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")

OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS")
"""Variables that change which kernels NumPy's own library runs, and so what we compare with."""

_SET = {name: os.environ[name] for name in OPENBLAS if name in os.environ}
BLAS_SETTINGS = f"NumPy's BLAS ran with {_SET}." if _SET else "NumPy's BLAS ran at its defaults."

_PACKAGES = ("tensorflow", "keras", "numpy")


def command_of(benchmark: str) -> str:
    """What to type to run a benchmark again.

    Args:
        benchmark: its file, as in ``command_of(__file__)``.
    """
    return f"make bench BENCH=bench/{Path(benchmark).name}"


def write_section(
    title: str,
    command: str,
    paragraphs: Sequence[str],
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    path: Path = RESULTS,
) -> None:
    """Replaces one section of the results, or adds it; the others stay as they are.

    Args:
        title: of the section, by which it is found again.
        command: what to type to measure it again.
        paragraphs: what the figures are.
        headings: of the table.
        rows: of the table; written with ``str``.
        path: of the file.
    """
    table = [_row(headings), _row(["---"] * len(headings)), *map(_row, rows)]
    made = f"`{command}`, {datetime.now(timezone.utc):%Y-%m-%d}, {machine()}."
    section = "\n\n".join([f"## {title}", *paragraphs, "\n".join(table), made])
    begin, end = f"<!-- {title} -->\n", f"\n<!-- end of {title} -->\n"
    text = path.read_text("utf-8") if path.exists() else _HEAD
    found = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    block = f"{begin}{section}{end}"
    text = found.sub(lambda _: block, text) if found.search(text) else f"{text}\n{block}"
    path.write_text(text, "utf-8")


def machine() -> str:
    """Versions and hardware, in a line."""
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{versions}, Python {platform.python_version()}, {_processor()}, {cores} cores"


def _processor() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text("utf-8"))
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _row(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


_HEAD = """# Results

Written by the benchmarks themselves. Machines differ and shared ones are noisy: each figure is a
ratio of two things timed in turn in one process wherever it can be.
"""

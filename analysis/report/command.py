"""The command line of ``python -m analysis.report``."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from nasmon.analysis.command_line import (
    Parser,
    existing_parent,
    run_command,
    run_numbers,
    say_notes,
)
from nasmon.analysis.newest import run_of
from nasmon.analysis.recommend.advice import recommendations
from nasmon.analysis.recommend.asking import add_asked, asked_for
from nasmon.analysis.report.page import MARKER, page
from nasmon.analysis.run import Run, load_run
from nasmon.analysis.shrunk import original_runs
from nasmon.errors import UsageError
from nasmon.record.files import whole_file
from nasmon.terminal import printable, printed

_HEAD = 4096  # bytes of a page in which its marker stands


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and ends the process: 0 when written, 2 for input it cannot use.

    Args:
        arguments: the command line without the program's name; None for the process's own.
    """
    parser = build_parser()
    run_command(parser, lambda parsed: _report(parser, parsed), arguments)


def build_parser() -> Parser:
    """The options of the command."""
    parser = Parser("report", "Write all about a recorded run into one HTML page.")
    parser.add_run()
    parser.add_argument(
        "--compare",
        nargs="+",
        metavar="PATH",
        help="earlier runs to hold it against, the baseline first (default, of a model that was "
        "made from another: that one's run)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="page to write (default: <model>_report.html beside the CSV)",
    )
    parser.add_argument("--model-name", metavar="NAME", help="name of the model in the title")
    parser.add_config()
    add_asked(parser)
    return parser


def output_path(run: Run, given: str | None) -> Path:
    """Where the page goes.

    Raises:
        UsageError: the file is there and no report, or its folder cannot be written.
    """
    name = re.sub(r"[^\w.+-]", "_", run.name)[:100].lstrip(".") or "run"
    path = Path(given) if given else run.path.with_name(f"{name}_report.html")
    existing_parent(path, "--output")
    if path.exists() and not _is_report(path):
        raise UsageError(
            f"--output is {path}, which is there and is no report of nasmon; give another name, "
            "or remove it"
        )
    return path


def _is_report(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return MARKER.encode() in file.read(_HEAD)
    except OSError:
        return False


def _report(parser: Parser, parsed: argparse.Namespace) -> None:
    asked = asked_for(parsed)
    compared = [Path(path) for path in parsed.compare or ()]
    number, *others = run_numbers(parsed.run, 1 + len(compared))
    run = run_of(parsed.csv, parsed.model_name, number)
    output = output_path(run, parsed.output)
    earlier = [load_run(path, number=n) for path, n in zip(compared, others, strict=True)]
    earlier = earlier or original_runs(run)
    found = recommendations(run, parsed.config, asked)
    html = page(found, earlier)
    _write(output, html)
    say_notes(parser, found.notes)
    printed(printable(str(output)))


def _write(path: Path, html: str) -> None:
    """Writes the page; a report already there is replaced only when the new one is whole."""
    try:
        with whole_file(path) as unfinished:
            unfinished.write_text(html, "utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}); give another --output"
        ) from None

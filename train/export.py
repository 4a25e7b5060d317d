"""``python -m train.export``: a trained model as a LiteRT file of 8-bit integers."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from nasmon.command_parser import OneLineParser
from nasmon.errors import UsageError
from nasmon.record.rebuild import typed_module, typed_python
from nasmon.terminal import printable, say
from nasmon.text_table import aligned
from nasmon.train.export_job import ExportJob, export_job_of
from nasmon.train.process import EXIT_CODE, exit_on_interrupt, load_tensorflow

if TYPE_CHECKING:
    from nasmon.record.exported import ExportedRecord


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process.

    Exit code 0 when done; 2 when the user's input cannot be used; 130 after Ctrl-C.

    Args:
        arguments: The command line without the program's name; None for the process's own.
    """
    exit_on_interrupt("export")
    parsed = build_parser().parse_args(arguments)
    try:
        job = export_job_of(parsed)
        record = _export(job)
    except UsageError as error:
        say("export", f"error: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("\nexport: interrupted\n")
        sys.exit(EXIT_CODE)
    print("\n".join(_said(job, record)))
    sys.exit(0)


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = OneLineParser(
        "export",
        "nasmon.train.export",
        description="Convert a trained segmentation model into a LiteRT file of 8-bit integers, "
        "judge it on the validation data, and say what flash and RAM it takes.",
        epilog="It needs LiteRT's runtime: pip install 'nasmon[mcu]'.",
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="the model, a .keras file")
    parser.add_argument("--csv", metavar="FILE", help="the CSV of the model's run under nasmon")
    parser.add_argument("--config", metavar="FILE", help="YAML file, as for python -m train")
    parser.add_argument("--data-dir", metavar="DIR", help="your images (default: the training's)")
    parser.add_argument(
        "--samples",
        default="100",
        metavar="N",
        help="training images to find the ranges of activations with (default: 100)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="the file to write (default: <model>_int8.tflite)"
    )
    parser.add_argument(
        "--c-source", action="store_true", help="write it as an array of C++, too, beside it"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    return parser


def _export(job: ExportJob) -> ExportedRecord:
    load_tensorflow()
    from nasmon.train.exporting import export_and_save

    return export_and_save(job)


def _said(job: ExportJob, record: ExportedRecord) -> list[str]:
    rows = [["", "float32", "int8", "predicted"]]
    for name, value in record.float32.items():
        rows.append([name, f"{value:.4g}", f"{record.int8[name]:.4g}", ""])
    for name, size, predicted in record.sizes:
        rows.append([name, "", f"{size:,}", "-" if predicted is None else f"{predicted:,}"])
    operations = ", ".join(f"{count} {kind}" for kind, count in record.operations.items())
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in record.seconds.items())
    lines = [
        "",
        *aligned(rows),
        f"{record.change}; most RAM is needed at a {record.busiest}",
        f"operations: {operations}",
        f"took: {seconds}",
        f"saved: {', '.join(str(path) for path in job.files)}",
    ]
    if job.csv is not None:
        command = [typed_python(), "-m", typed_module("nasmon.analysis.report")]
        lines += ["next:", f"  {printable(shlex.join([*command, '--csv', str(job.csv)]))}"]
    return lines


if __name__ == "__main__":
    main()

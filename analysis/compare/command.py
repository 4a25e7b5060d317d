"""The command line of ``python -m analysis.compare``."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from nasmon.acceptance import TOLERANCE
from nasmon.analysis.command_line import Parser, run_command, run_numbers, say_notes
from nasmon.analysis.compare.as_json import comparison_json
from nasmon.analysis.compare.comparison import compare
from nasmon.analysis.compare.text import RULE_TEXTS, comparison_markdown, comparison_text
from nasmon.analysis.run import load_run
from nasmon.analysis.shrunk import original_runs
from nasmon.errors import UsageError
from nasmon.terminal import printed

_FORMATS = {
    "text": comparison_text,
    "markdown": comparison_markdown,
    "json": comparison_json,
}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process: 0 when done, 2 when the input cannot be used."""
    run_command(build_parser(), _run, arguments)


def build_parser() -> Parser:
    """The parser of this command."""
    parser = Parser("compare", "Compare runs with the first of them: accept the change or revert?")
    rules = "; ".join(f"{number}. {rule}" for number, rule in enumerate(RULE_TEXTS.values(), 1))
    parser.epilog = f"The first rule that applies decides: {rules}."
    parser.add_argument(
        "--csv",
        nargs="+",
        type=Path,
        required=True,
        metavar="PATH",
        help="CSVs of two runs or more; of a model that was made from another, its own is enough",
    )
    parser.add_argument(
        "--model-name", nargs="+", metavar="NAME", help="names to show, one for each CSV"
    )
    parser.add_run_numbers()
    parser.add_config()
    parser.add_argument(
        "--format", default="text", metavar="{text,markdown,json}", help="default: text"
    )
    parser.add_argument(
        "--tolerance",
        default=str(TOLERANCE),
        metavar="SHARE",
        help="what the task metric may lose: points of a score, a share of a loss; default: "
        f"{TOLERANCE:g}",
    )
    return parser


def _run(parsed: argparse.Namespace) -> None:
    if parsed.format not in _FORMATS:
        raise UsageError(f"--format is {parsed.format!r}; use one of {', '.join(_FORMATS)}")
    names = parsed.model_name or [None] * len(parsed.csv)
    if len(names) != len(parsed.csv):
        raise UsageError(
            f"--model-name has {len(names)} names for {len(parsed.csv)} CSVs; give one for each"
        )
    numbers = run_numbers(parsed.run, len(parsed.csv))
    runs = [load_run(*which) for which in zip(parsed.csv, names, numbers, strict=True)]
    if len(runs) == 1:
        runs = [*original_runs(runs[0]), *runs]
    thresholds = runs[0].thresholds(parsed.config)
    comparison = compare(runs, thresholds, _tolerance(parsed.tolerance))
    printed(_FORMATS[parsed.format](comparison))
    say_notes(build_parser(), [note for each in comparison.runs for note in each.notes])


def _tolerance(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"--tolerance is {value!r}; use a number such as 0.01") from None

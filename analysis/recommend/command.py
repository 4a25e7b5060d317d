"""The command line of ``python -m analysis.recommend``."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from nasmon.analysis.command_line import (
    Parser,
    run_command,
    run_numbers,
    say_notes,
)
from nasmon.analysis.layout import ARROW, SIGNS
from nasmon.analysis.newest import run_of
from nasmon.analysis.recommend.advice import Recommendations, recommendations
from nasmon.analysis.recommend.as_json import recommendations_json
from nasmon.analysis.recommend.asking import add_asked, asked_for
from nasmon.analysis.recommend.text import recommendations_markdown, recommendations_text
from nasmon.analysis.run import Run
from nasmon.errors import UsageError
from nasmon.terminal import encodable, printed


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and ends the process: 0 with advice given, 2 for input it cannot use.

    Args:
        arguments: the command line without the program's name; None for the process's own.
    """
    parser = build_parser()
    run_command(parser, lambda parsed: _recommend(parser, parsed), arguments)


def build_parser() -> Parser:
    """The options of the command."""
    parser = Parser(
        "recommend", "Say what a recorded run tells about its model, and what to change."
    )
    parser.add_run()
    parser.add_argument("--model-name", metavar="NAME", help="name of the model in the title")
    parser.add_config()
    parser.add_argument(
        "--format",
        default="text",
        metavar=f"{{{','.join(_FORMATS)}}}",
        help="what to print (default: text)",
    )
    parser.add_argument(
        "--tensorboard",
        type=Path,
        metavar="DIR",
        help="put the advice on TensorBoard's Text page too: the folder that the run wrote to",
    )
    add_asked(parser)
    return parser


def advice_text(run: Run, config: Path | None) -> str:
    """The whole text as ``python -m analysis.recommend`` prints it.

    Args:
        run: with at least one reading.
        config: whose thresholds replace the run's own; None for those.

    Raises:
        UsageError: the config or a file of the run cannot be used.
    """
    return _text(recommendations(run, config))


def _recommend(parser: Parser, parsed: argparse.Namespace) -> None:
    if parsed.format not in _FORMATS:
        raise UsageError(f"--format is {parsed.format!r}; use one of {', '.join(_FORMATS)}")
    asked = asked_for(parsed)
    (number,) = run_numbers(parsed.run, 1)
    run = run_of(parsed.csv, parsed.model_name, number)
    found = recommendations(run, parsed.config, asked)
    say_notes(parser, found.notes)
    if parsed.tensorboard is not None:
        # loaded for those who want it
        from nasmon.analysis.recommend.on_board import put_on_board

        put_on_board(parsed.tensorboard, found, _markdown(found))
    printed(_FORMATS[parsed.format](found))


def _text(found: Recommendations) -> str:
    return recommendations_text(found.run.name, found.verdict, found.advice, _plain())


def _markdown(found: Recommendations) -> str:
    return recommendations_markdown(found.run.name, found.verdict, found.advice, _plain())


def _plain() -> bool:
    return not encodable("".join(SIGNS.values()) + ARROW)


def _json(found: Recommendations) -> str:
    return recommendations_json(*found)


_FORMATS: dict[str, Callable[[Recommendations], str]] = {
    "text": _text,
    "json": _json,
    "markdown": _markdown,
}

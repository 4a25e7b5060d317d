"""The command ``nasmon``: one name for all of them, each loaded when it is asked for."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

from nasmon.command_parser import OneLineParser
from nasmon.record.rebuild import typed_program


class Command(NamedTuple):
    """What ``nasmon`` runs under a name.

    Attributes:
        module: whose ``main`` takes the command line and ends the process.
        does: what it is for, in a line.
    """

    module: str
    does: str


COMMANDS = {
    "train": Command("nasmon.train.cli", "train a model, with --enable-nas under the monitor"),
    "recommend": Command("nasmon.analysis.recommend.command", "say what to do with each width"),
    "plot": Command("nasmon.analysis.plot.command", "draw a run, or several side by side"),
    "compare": Command("nasmon.analysis.compare.command", "compare two runs"),
    "report": Command("nasmon.analysis.report.command", "write one page about a run"),
    "shrink": Command("nasmon.train.shrink", "make a trained model smaller"),
    "export": Command("nasmon.train.export", "convert a trained model to 8-bit integers"),
}
"""The subcommands, in the order in which they are used."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a subcommand and end the process: with its exit code, or 2 for a name that is none.

    Args:
        arguments: the command line without the program's name; None for the process's own.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = build_parser()
    name = given[0] if given else "--help"
    if name not in COMMANDS:
        parser.parse_args([name])
        parser.error(f"there is no command {name!r}; use one of {', '.join(COMMANDS)}")
    # the subcommand tells its name by the process's own command line
    sys.argv = [f"{parser.prog} {name}", *given[1:]]
    import_module(COMMANDS[name].module).main(given[1:])
    sys.exit(0)


def build_parser() -> OneLineParser:
    """What ``nasmon`` itself takes, and a line for each subcommand."""
    widest = max(map(len, COMMANDS))
    lines = (f"  {name:{widest}}  {command.does}" for name, command in COMMANDS.items())
    parser = OneLineParser(
        "nasmon",
        "nasmon",
        usage=f"{typed_program('nasmon')} COMMAND ...",
        description="Watch how much of each layer's width a Keras model uses, and make it smaller.",
        epilog="\n".join(["commands:", *lines, "", "Each tells its options by COMMAND --help."]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--version", action=_Version, help="show nasmon's version")
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        import nasmon

        print(f"nasmon {nasmon.__version__}")
        parser.exit(0)

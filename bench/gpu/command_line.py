"""What the commands of this package share: one-line errors, exit codes.

Written anew, not taken from ``nasmon.analysis``: two of the commands run where nasmon is not.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

WRONG_USE = 2
"""The exit code where the user can mend it; 1 is for programs that disagree."""


class WrongUseError(Exception):
    """A user's mistake, told in one line."""


class Parser(argparse.ArgumentParser):
    """The parser of one command, which reports a mistake in one line.

    Args:
        command: its short name, such as "run".
        description: what it does.
    """

    def __init__(self, command: str, description: str | None) -> None:
        super().__init__(
            prog=f"python -m bench.gpu.{command}", description=description, allow_abbrev=False
        )
        self.command = command

    def add_folder(self, help: str) -> None:
        """The folder of programs."""
        self.add_argument("folder", metavar="FOLDER", type=Path, help=help)

    def add_only(self) -> None:
        """The option that chooses among a folder's programs."""
        self.add_argument(
            "--only", metavar="TEXT", default="", help="only programs whose names hold this"
        )

    def error(self, message: str) -> NoReturn:
        """Ends the process without the usage that argparse would print."""
        self.exit(WRONG_USE, f"{self.command}: error: {message}; see {self.prog} --help\n")


def run_command(
    parser: Parser,
    command: Callable[[argparse.Namespace], int],
    arguments: Sequence[str] | None = None,
) -> NoReturn:
    """Parses, runs, and ends the process with the command's exit code, or 2 for wrong use."""
    try:
        code = command(parser.parse_args(arguments))
    except WrongUseError as error:
        sys.stderr.write(f"{parser.command}: error: {error}\n")
        code = WRONG_USE
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{parser.command}: interrupted\n")
        code = 130
    sys.exit(code)


def counting_number(text: str) -> int:
    """A whole number above 0, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number

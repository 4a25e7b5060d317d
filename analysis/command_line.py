"""What the commands of this package share: options, one-line errors, exit codes."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from nasmon.analysis.table_file import special_place
from nasmon.command_parser import OneLineParser
from nasmon.errors import UsageError
from nasmon.terminal import say


class Parser(OneLineParser):
    """The parser of one command, which reports a mistake in one line.

    Args:
        command: its short name, such as "recommend".
        description: what it does.
    """

    def __init__(self, command: str, description: str) -> None:
        super().__init__(command, f"nasmon.analysis.{command}", description=description)

    def add_run(self, group: Any = None) -> None:
        """The option of the run to read, in a group of options if one is given."""
        (group or self).add_argument(
            "--csv", metavar="PATH", help="the run's CSV (default: the newest run under logs/)"
        )
        self.add_run_numbers()

    def add_run_numbers(self) -> None:
        """The option that chooses among several runs in one CSV."""
        self.add_argument(
            "--run",
            nargs="+",
            metavar="N",
            help="which run, of a CSV that holds several one behind the other, counted from 1 "
            "(default: the last); one number for each CSV",
        )

    def add_config(self) -> None:
        """The option of the thresholds to apply."""
        self.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="YAML file whose nas.thresholds replace the run's own",
        )


def run_command(
    parser: Parser, command: Callable[[argparse.Namespace], None], arguments: Sequence[str] | None
) -> NoReturn:
    """Parses, runs, and ends the process: 0 when done, 2 for a user's mistake, 130 for Ctrl-C.

    Args:
        parser: of the command.
        command: what to do; raises UsageError for what a user can mend.
        arguments: the command line without the program's name; None for the process's own.
    """
    try:
        command(parser.parse_args(arguments))
        sys.stdout.flush()
    except UsageError as error:
        say(parser.command, f"error: {error}")
        sys.exit(2)
    except BrokenPipeError:
        # what reads our output, such as head, has seen enough; nothing more may be flushed to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{parser.command}: interrupted\n")
        sys.exit(130)
    sys.exit(0)


def say_notes(parser: Parser, notes: Iterable[str]) -> None:
    """Notes to stderr, a line each."""
    for note in notes:
        say(parser.command, f"note: {note}")


def existing_parent(path: Path, option: str) -> Path:
    """A file to write, whose folder is made if it is not there.

    Raises:
        UsageError: the folder cannot be made or written, or the path is a folder, a device or
            anything else that a file would not replace.
    """
    kind = special_place(path)
    if kind:
        raise UsageError(f"{option} is {path}, {kind}; give the name of a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{option} is {path}, whose folder cannot be made ({error.strerror}); choose another"
        ) from None
    if not os.access(path.parent, os.W_OK):
        raise UsageError(f"{option} is {path}, whose folder cannot be written; choose another")
    return path


def run_numbers(given: Sequence[str] | None, csvs: int) -> list[int | None]:
    """Which run of each CSV is meant, by ``--run``; None for the last.

    Args:
        given: the option's values.
        csvs: how many CSVs are read.

    Raises:
        UsageError: a value is no whole number above 0, or there is not one for each CSV.
    """
    if not given:
        return [None] * csvs
    if len(given) != csvs:
        raise UsageError(
            f"--run has {len(given)} numbers for {csvs} CSV{'' if csvs == 1 else 's'}; give one "
            "for each"
        )
    return [counting_number("--run", value) for value in given]


def counting_number(option: str, value: str) -> int:
    """The value of an option that counts something.

    Raises:
        UsageError: it is no whole number, or below 1.
    """
    try:
        number = int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(f"{option} is {value!r}; use a whole number of at least 1")
    return number

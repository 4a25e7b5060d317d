"""The parser that all commands share: a mistake is reported in one line."""

import argparse
from typing import Any, NoReturn

from nasmon.record.rebuild import typed_program
from nasmon.terminal import say


class OneLineParser(argparse.ArgumentParser):
    """Reports a mistake in one line, without the usage above it.

    Args:
        command: its short name, such as "shrink".
        module: where it is, as it is imported.
        settings: of the parser, such as its description.
    """

    def __init__(self, command: str, module: str, **settings: Any) -> None:
        super().__init__(prog=typed_program(module), allow_abbrev=False, **settings)
        self.command = command

    def error(self, message: str) -> NoReturn:
        """Ends the process without the usage that argparse would print."""
        say(self.command, f"error: {message}; see {self.prog} --help")
        self.exit(2)

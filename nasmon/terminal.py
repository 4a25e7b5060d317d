"""What a terminal can show, and what a command says there, whatever names it tells of."""

import os
import shutil
import sys

MOST_WIDTH_OF_TEXT, LEAST_WIDTH_OF_TEXT = 100, 40
"""Between these a line of text is as wide as the terminal, but for names that are longer."""


def line_width() -> int:
    """How wide a line of text is at most: ``COLUMNS``, or what the terminal has."""
    columns = shutil.get_terminal_size((MOST_WIDTH_OF_TEXT, 24)).columns
    return max(LEAST_WIDTH_OF_TEXT, min(columns, MOST_WIDTH_OF_TEXT))


def encodable(text: str) -> bool:
    """Whether stdout can show all of a text."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def printed(text: str) -> None:
    """Prints a text; what the terminal cannot encode, such as a layer's name, is escaped."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def is_drawable() -> bool:
    """Whether stdout is a terminal that shows colours and bars, and whose user wants them."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain and encodable("█▏━…")


def printable(name: str) -> str:
    r"""A name on one line, without what a terminal obeys or a picture's file could not hold.

    Example:
        >>> printable("two\nlines")
        'two\\nlines'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def say(command: str, text: object) -> None:
    """A line to stderr.

    Args:
        command: who says it, such as "shrink".
        text: such as "error: ...".
    """
    sys.stderr.write(f"{command}: {printable(str(text))}\n")


def count_of(count: int, noun: str) -> str:
    """A count with its noun.

    Example:
        >>> count_of(1, "epoch"), count_of(24, "epoch")
        ('1 epoch', '24 epochs')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

"""What a command says on stderr, whatever stands in the names that it tells of."""

import sys


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

"""Texts for a terminal and Markdown, laid out: signs, rules, lines of a width, tables."""

import re
import textwrap
from collections.abc import Sequence

from nasmon.terminal import line_width, printable
from nasmon.text_table import aligned

SIGNS = {"warning": "⚠️ ", "info": "ℹ️ ", "good": "✓", "unknown": "?"}  # noqa: RUF001
"""The user's own status signs, by ``findings.Status``."""

SIGN_WORDS = {"warning": "[WARNING]", "info": "[INFO]", "good": "[OK]", "unknown": "[UNKNOWN]"}
"""What stands for them where a terminal cannot encode them."""

ARROW, PLAIN_ARROW = "→", "->"


RULE = "=" * 60

INDENT = " " * 3

_UNBROKEN = "\N{NO-BREAK SPACE}"


def wrapped(text: str, first: str, later: str | None = None) -> list[str]:
    """A text on lines of at most ``line_width``, as long as its words allow that.

    Args:
        text: on one line.
        first: what the first line begins with.
        later: what the others begin with; the same if None.
    """
    # a number keeps its unit beside it; textwrap breaks at no other space than the ordinary one
    tied = re.sub(r"(?<=\d) (?=[%MG](?!\w))", _UNBROKEN, text)
    lines = _filled(tied, first, first if later is None else later)
    return [line.replace(_UNBROKEN, " ") for line in lines]


def marked(mark: str, sentence: str) -> list[str]:
    """A sentence behind its mark, on as many lines as it needs."""
    first = f"{INDENT}{mark} "
    return _filled(sentence, first, " " * len(first))


def _filled(text: str, first: str, later: str) -> list[str]:
    return textwrap.wrap(
        text,
        line_width(),
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


# an underscore inside a word, as in most names of layers, means nothing in Markdown
_MARKDOWN_SPECIAL = re.compile(r"[\\`*\[\]<>|#~!$&{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def escaped(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return _MARKDOWN_SPECIAL.sub(lambda found: f"\\{found[0]}", printable(text))


def ruled(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table between rules; texts in its first and last column, numbers in all others.

    A name too long for its column stands on a line of its own, whole.
    """
    beside = [
        max(map(len, column))
        for column in zip(headings[1:], *(row[1:] for row in rows), strict=True)
    ]
    room = line_width() - sum(beside) - 2 * len(beside)
    whole = [headings, *([row[0] if len(row[0]) <= room else "", *row[1:]] for row in rows)]
    lines = aligned(whole, texts=(0, len(headings) - 1))
    rule = "-" * max(map(len, lines))
    body = [
        line
        for row, aligned_row in zip(rows, lines[1:], strict=True)
        for line in ([row[0]] if len(row[0]) > room else []) + [aligned_row]
    ]
    return [lines[0], rule, *body, rule]


def blocks(rows: Sequence[Sequence[str]]) -> list[list[list[str]]]:
    """A table cut between columns, so that no part is too wide; the first leads each part."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    parts: list[list[int]] = [[]]
    for column in range(1, len(widths)):
        used = len(INDENT) + widths[0] + sum(2 + widths[other] for other in parts[-1])
        if parts[-1] and used + 2 + widths[column] > line_width():
            parts.append([])
        parts[-1].append(column)
    return [[[row[0], *(row[column] for column in part)] for row in rows] for part in parts]


def markdown_row(row: Sequence[str]) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(row)} |"

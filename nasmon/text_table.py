"""Tables of plain text."""

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], texts: Collection[int] = (0,)) -> list[str]:
    """Rows as lines, their columns two blanks apart.

    Args:
        rows: cells, as many in each row.
        texts: the columns that are aligned at their left; all others, as numbers, at their right.

    Example:
        >>> aligned([["layer", "channels"], ["conv", "8"]])
        ['layer  channels', 'conv          8']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        padded = [c.ljust(width) if i in texts else c.rjust(width) for i, (c, width) in cells]
        lines.append("  ".join(padded).rstrip())
    return lines

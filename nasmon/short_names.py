"""Names of layers, shortened in the middle until they fit."""

from collections import Counter
from collections.abc import Sequence

from nasmon.terminal import printable


def shortened(name: str, most: int) -> str:
    """A printable name of at most ``most`` characters, the middle left out if need be.

    Of a path whole parts are left out where that does.

    Example:
        >>> shortened("encoder/block3/attention/query", 20), shortened("down1_block1_depthwise", 14)
        ('encoder/…/query', 'down1_…pthwise')
    """
    name = printable(name)
    if len(name) <= most:
        return name
    first, *rest = name.split("/")
    for start in range(1, len(rest)):
        path = "/".join([first, "…", *rest[start:]])
        if len(path) <= most:
            return path
    end = (most - 1) * 3 // 5
    return f"{name[: most - 1 - end]}…{name[-end:]}"


def shortened_apart(names: Sequence[str], most: int) -> list[str]:
    """All names shortened; those that would look alike begin with their position, from 1."""
    short = [shortened(name, most) for name in names]
    alike = Counter(short)
    return [
        shortened(f"{position}: {name}", most) if alike[label] > 1 else label
        for position, (name, label) in enumerate(zip(names, short, strict=True), start=1)
    ]

"""What the width of a tensor is made of."""

from collections.abc import Mapping
from math import prod
from typing import TypeAlias

Segments: TypeAlias = tuple[tuple[str, int], ...]
"""A width as owners of widths, each so many times: (("a", 1), ("b", 1)) is a and b side by side."""


def total_width(segments: Segments, widths: Mapping[str, int]) -> int:
    """How wide it is.

    Args:
        segments: what it is made of.
        widths: by owner.

    Example:
        >>> total_width((("a", 1), ("b", 2)), {"a": 4, "b": 3})
        10
    """
    return sum(prod((widths[owner], times)) for owner, times in segments)

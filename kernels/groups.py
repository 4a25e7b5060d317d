"""Which layers share a batch of eigenvalue problems."""

from collections.abc import Sequence
from typing import NamedTuple

WIDEST = 128
"""Wider layers are solved by TensorFlow's ordinary kernel: it takes less time on a CPU, and each
width in XLA costs a second and more of compilation (bench/test_spectrum.py)."""

RUNGS = (
    64,
    WIDEST,
    *(width for power in range(7, 20) for width in (3 * 2 ** (power - 1), 2 ** (power + 1))),
)
"""Layers up to each rung share one batch: padding costs a millisecond or two, and another batch up
to a second of compilation."""

STEP = 16
"""A batch is as wide as its widest layer, rounded up to this: whole vector registers."""


class Group(NamedTuple):
    """Layers whose statistics are stacked."""

    width: int  # their common width, padded up to it
    members: tuple[int, ...]  # which of the layers
    rows: int | None = None  # rows to keep of each, where they are fewer than channels

    @property
    def is_narrow(self) -> bool:
        """Whether their eigenvalues are found inside XLA."""
        return self.width <= WIDEST


def groups_of(channels: Sequence[int], rows: Sequence[int | None]) -> tuple[Group, ...]:
    """Every layer in one group.

    Args:
        channels: of each layer.
        rows: of each layer in a whole reading; None if its rows cannot be kept.
    """
    members: dict[tuple[int, int | None], list[int]] = {}
    for index, (count, kept) in enumerate(zip(channels, rows, strict=True)):
        if count > WIDEST and kept is not None and kept < count:
            key: tuple[int, int | None] = (count, kept)
        else:
            key = (next(rung for rung in RUNGS if count <= rung), None)
        members.setdefault(key, []).append(index)
    return tuple(
        Group(rung if kept else _width([channels[i] for i in found]), tuple(found), kept)
        for (rung, kept), found in members.items()
    )


def _width(channels: Sequence[int]) -> int:
    widest = max(channels)
    return -(-widest // STEP) * STEP

"""The owners of widths as a pass through a model meets them: who shares one, whose is fixed."""

from collections.abc import Sequence
from math import lcm
from typing import TypeAlias

import numpy as np

from nasmon.widths.graph import Owner, leader_of
from nasmon.widths.segments import Segments

Channels: TypeAlias = np.ndarray
"""What the last axis of a tensor is made of: for each of its positions the number of an owner's
channel, int64. Concatenated they lie side by side, flattened they come again and again."""


class OwnersMet:
    """Owners in the order in which they were met, with what was found out about them.

    Their channels are numbered through, so that it can be told of any tensor where each is.

    Example:
        >>> met = OwnersMet()
        >>> a, b = met.add("a", 2), met.add("b", 2)
        >>> met.unite([a, b], "add")
        >>> [(owner.name, owner.tied_to) for owner in met.owners()]
        [('a', ''), ('b', 'a')]
        >>> met.segments(np.concatenate([b, b, a]))
        (('b', 2), ('a', 1))
    """

    def __init__(self) -> None:
        self._channels: dict[str, int] = {}
        self._first: dict[str, int] = {}  # the number of an owner's first channel
        self._ties: dict[str, str] = {}  # who an owner shares its width with, "" for none
        self._fixed: dict[str, str] = {}  # why an owner cannot choose its width
        self._blocks: dict[str, int] = {}  # how many blocks an owner's channels are mixed in

    def __contains__(self, name: str) -> bool:
        return name in self._channels

    @property
    def first(self) -> dict[str, int]:
        """By owner the number of its first channel; the others follow."""
        return dict(self._first)

    def add(self, name: str, channels: int) -> Channels:
        """The channels of an owner; of one met before the same."""
        if name not in self._channels:
            self._first[name] = sum(self._channels.values())
            self._channels[name], self._ties[name] = channels, ""
        return self._first[name] + np.arange(self._channels[name])

    def segments(self, channels: Channels | None) -> Segments:
        """How often each owner's width is in some channels; () of None."""
        if channels is None:
            return ()
        found = np.unique(self._owner_of(channels), return_index=True, return_counts=True)
        names = list(self._channels)
        # in the order in which they first come
        return tuple(
            (names[owner], int(count) // self._channels[names[owner]])
            for owner, _, count in sorted(zip(*found, strict=True), key=lambda own: own[1])
        )

    def bind(self, reason: str, *widths: Channels | None) -> None:
        """Notes that the owners of some channels cannot choose their width; the first stays."""
        for channels in widths:
            for owner, _ in self.segments(channels):
                self._fixed.setdefault(owner, reason)

    def split(self, channels: Channels | None, blocks: int, reason: str) -> None:
        """Notes that channels are mixed in so many blocks, each of as many.

        Only the whole of one owner, as it is, can be; others are bound.
        """
        if channels is None or blocks == 1:
            return
        (owner, _), *others = self.segments(channels)
        if others or not np.array_equal(channels, self.add(owner, len(channels))):
            self.bind(reason, channels)
            return
        self._blocks[owner] = lcm(blocks, self._blocks.get(owner, 1))

    def unite(self, widths: Sequence[Channels], name: str) -> None:
        """Makes widths one: what is joined by an add, of that name, stays as wide as each other.

        Only owners of one width, whose channels meet each in its place, can be; others are bound.
        """
        first = widths[0]
        for other in widths[1:]:
            both = (self._owner_of(width).tolist() for width in (first, other))
            pairs, names = {*zip(*both, strict=True)}, list(self._channels)
            ties = [(names[a], names[b]) for a, b in sorted(pairs)]
            same = all(self._channels[a] == self._channels[b] for a, b in ties)
            if not same or not np.array_equal(self._place_of(first), self._place_of(other)):
                self.bind(name, first, other)
                continue
            for a, b in ties:
                self._tie(a, b)

    def owners(self) -> tuple[Owner, ...]:
        """All that were met, each tied to the first of those that share its width."""
        leaders = {name: leader_of(name, self._ties) for name in self._channels}
        blocks: dict[str, int] = {}
        for owner, count in self._blocks.items():
            blocks[leaders[owner]] = lcm(count, blocks.get(leaders[owner], 1))
        reasons: dict[str, str] = {}
        for owner, reason in self._fixed.items():
            reasons.setdefault(leaders[owner], reason)
        return tuple(
            Owner(
                name,
                channels,
                "" if leader == name else leader,
                reasons.get(leader, ""),
                blocks.get(leader, 1),
            )
            for (name, channels), leader in zip(
                self._channels.items(), leaders.values(), strict=True
            )
        )

    def _owner_of(self, channels: Channels) -> np.ndarray:
        """The position among the owners of each channel's."""
        return np.searchsorted([*self._first.values()], channels, "right") - 1

    def _place_of(self, channels: Channels) -> np.ndarray:
        """Which of its owner's channels each is."""
        return channels - np.array([*self._first.values()])[self._owner_of(channels)]

    def _tie(self, a: str, b: str) -> None:
        order = list(self._channels)
        leaders = {leader_of(owner, self._ties) for owner in (a, b)}
        first, *later = sorted(leaders, key=order.index)
        for owner in later:
            self._ties[owner] = first

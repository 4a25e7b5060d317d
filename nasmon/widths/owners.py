"""The owners of widths as a pass through a model meets them: who shares one, whose is fixed."""

from collections.abc import Sequence

from nasmon.widths.graph import Owner, Segments, Width, leader_of


class OwnersMet:
    """Owners in the order in which they were met, with what was found out about them.

    Example:
        >>> met = OwnersMet()
        >>> a, b = met.add("a", 8), met.add("b", 8)
        >>> met.unite([a, b], "add")
        >>> [(owner.name, owner.tied_to) for owner in met.owners()]
        [('a', ''), ('b', 'a')]
    """

    def __init__(self) -> None:
        self._channels: dict[str, int] = {}
        self._ties: dict[str, str] = {}  # who an owner shares its width with, "" for none
        self._fixed: dict[str, str] = {}  # why an owner cannot choose its width

    def __contains__(self, name: str) -> bool:
        return name in self._channels

    def add(self, name: str, channels: int) -> Segments:
        """A width of an owner's own."""
        self._channels.setdefault(name, channels)
        self._ties.setdefault(name, "")
        return ((name, 1),)

    def channels(self, width: Segments) -> int:
        """How many channels a width has."""
        return sum(times * self._channels[owner] for owner, times in width)

    def bind(self, reason: str, *widths: Width) -> None:
        """Notes that the owners in some widths cannot choose them; the first reason stays."""
        for width in widths:
            for owner, _ in width or ():
                self._fixed.setdefault(owner, reason)

    def unite(self, widths: Sequence[Segments], name: str) -> None:
        """Makes widths one: what is joined by an add, of that name, stays as wide as each other."""
        first = widths[0]
        for other in widths[1:]:
            if list(map(self._piece, first)) != list(map(self._piece, other)):
                self.bind(name, first, other)
                continue
            for (a, _), (b, _) in zip(first, other, strict=True):
                self._tie(a, b)

    def owners(self) -> tuple[Owner, ...]:
        """All that were met, each tied to the first of those that share its width."""
        leaders = {name: leader_of(name, self._ties) for name in self._channels}
        reasons: dict[str, str] = {}
        for owner, reason in self._fixed.items():
            reasons.setdefault(leaders[owner], reason)
        return tuple(
            Owner(name, channels, "" if leader == name else leader, reasons.get(leader, ""))
            for (name, channels), leader in zip(
                self._channels.items(), leaders.values(), strict=True
            )
        )

    def _piece(self, segment: tuple[str, int]) -> tuple[int, int]:
        return self._channels[segment[0]], segment[1]

    def _tie(self, a: str, b: str) -> None:
        order = list(self._channels)
        leaders = {leader_of(owner, self._ties) for owner in (a, b)}
        first, *later = sorted(leaders, key=order.index)
        for owner in later:
            self._ties[owner] = first

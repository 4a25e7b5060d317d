"""Which widths the monitored layers have: from the record, or guessed from the rows by layer.

Without the record of a model's structure, a layer's width is taken for its own, or for that of the
layer it is tied to, and the last layer for the output.
"""

from collections.abc import Sequence
from typing import NamedTuple

from nasmon.analysis.settled import RecentLayer
from nasmon.analysis.widths import Group, groups_of
from nasmon.record import Owner, Record, Segments


class WidthMap(NamedTuple):
    """The groups of widths, and the monitored layers' share in them."""

    groups: tuple[Group, ...]
    made_of: dict[str, dict[str, int]]  # by layer: channels by group's leader; {} if not known
    known: bool  # whether the record tells it, and so what a change saves
    rank_limits: dict[str, int]  # by layer, where there is one

    def group(self, leader: str) -> Group:
        """The group of that leader."""
        return next(group for group in self.groups if group.leader == leader)


def width_map(record: Record | None, layers: Sequence[RecentLayer]) -> WidthMap:
    """The widths of the monitored layers.

    Args:
        record: of the run; None if it is not there.
        layers: monitored, in the model's order.

    Raises:
        UsageError: the record's structure is damaged.
    """
    known = record is not None and bool(record.owners)
    if record is not None and record.owners:
        owners = record.owners
        segments = {layer.name: layer.widths for layer in record.layers}
    else:
        owners, segments = _guessed(layers)
    groups = groups_of(owners)
    leaders = {owner: group.leader for group in groups for owner in group.owners}
    channels = {owner.name: owner.channels for owner in owners}
    return WidthMap(
        groups,
        {
            layer.name: _by_group(segments.get(layer.name, ()), leaders, channels)
            for layer in layers
        },
        known,
        {one.name: one.rank_limit for one in (record.layers if record else ()) if one.rank_limit},
    )


def _by_group(
    segments: Segments, leaders: dict[str, str], channels: dict[str, int]
) -> dict[str, int]:
    found: dict[str, int] = {}
    if any(owner not in leaders for owner, _ in segments):
        return found
    for owner, times in segments:
        found[leaders[owner]] = found.get(leaders[owner], 0) + times * channels[owner]
    return found


def _guessed(layers: Sequence[RecentLayer]) -> tuple[tuple[Owner, ...], dict[str, Segments]]:
    widths = {layer.name: layer.channels for layer in layers}
    segments: dict[str, Segments] = {}
    for layer in layers:
        names = layer.tied_to.split(" + ") if layer.tied_to else [layer.name]
        if len(names) == 1:
            # a layer that was not watched has the width of the one that is tied to it
            widths.setdefault(names[0], layer.channels)
        if all(name in widths for name in names):
            segments[layer.name] = tuple((name, 1) for name in names)
    last = segments.get(layers[-1].name, ()) if layers else ()
    fixed = {name for name, _ in last} | {one.name for one in layers if one.kind == "Output"}
    owners = tuple(
        Owner(name, channels, "", "output" if name in fixed else "")
        for name, channels in widths.items()
    )
    return owners, segments

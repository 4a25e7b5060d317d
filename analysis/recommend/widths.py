"""What to do with one width: the decision for a group of owners, from all layers that have it.

A layer that has the width of one group needs as many channels of it as ``NEED`` says. A layer whose
width is made of several groups, such as a depthwise convolution after a concatenation, needs its
share of each. The largest need decides.

A rank that the layer's input limits is no evidence: a 1x1 convolution from 3 channels to 16 can
have no rank above 3, whether its 16 channels are of use after the nonlinearity or not. Its rank
counts as limited when it is at the limit, or nearer to it than a settled rank may move. Then the
layers behind it decide, whose inputs limit them not; if there are none, the width is left alone.
"""

from collections.abc import Mapping, Sequence
from math import ceil, isnan, lcm
from typing import NamedTuple

from nasmon.analysis.recommend.findings import Action
from nasmon.analysis.recommend.layers import RecentLayer
from nasmon.narrowing.plan import PlannedGroup
from nasmon.record.run import Record
from nasmon.widths.graph import Owner, WidthGroup, channels_of, groups_of
from nasmon.widths.segments import Segments


class GroupMember(NamedTuple):
    """A monitored layer, seen from one of the groups that its width is made of."""

    layer: RecentLayer
    alone: bool  # whether its width is this group's alone
    rank_limit: int | None  # the most directions its input lets it have, if that is few


class WidthDecision(NamedTuple):
    """What to do with the width of a group, and the layer that decided."""

    action: Action
    width: int
    by: GroupMember
    need: int  # channels of the group that the deciding layer needs


def decide_width(
    group: WidthGroup,
    members: Sequence[GroupMember],
    thresholds: Mapping[str, float],
    round_to: int,
) -> WidthDecision:
    """The decision for one group.

    Args:
        group: of owners that share one width.
        members: all monitored layers with that width, at least one; in the model's order.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
        round_to: see ``rounded``.
    """
    blocked = _blocked(group, members, thresholds)
    if blocked:
        return blocked
    free = [one for one in members if not is_limited(one, thresholds)]
    if not any(one.alone for one in free):
        told = next((one for one in members if one.alone), members[0])
        return WidthDecision("limited", group.channels, told, 0)
    # of all, for a limited layer needs the room for the rank that it has
    by = max(members, key=lambda one: _need(group, one))
    need = _need(group, by)
    width = rounded(need, group.channels, round_to, group.blocks)
    return WidthDecision("narrow" if width < group.channels else "keep", width, by, need)


def is_limited(member: GroupMember, thresholds: Mapping[str, float]) -> bool:
    """Whether a layer's rank is at the limit that its input sets, or next to it."""
    if member.rank_limit is None:
        return False
    near = max(1, ceil(thresholds["settled_rank"] * member.layer.channels))
    return member.layer.need >= member.rank_limit - near


def is_weak(layer: RecentLayer, thresholds: Mapping[str, float]) -> bool:
    """Whether a layer's spectrum was estimated from too few rows."""
    return layer.metrics["rows"] < thresholds["rows_per_channel"] * layer.channels


def rounded(need: int, channels: int, round_to: int, blocks: int = 1) -> int:
    """A need as a width: the next multiple, at least 1, never above today's channels.

    Args:
        need: channels that are needed.
        channels: of today.
        round_to: the width is a multiple of it; of 1 for at most twice as many channels.
        blocks: the width is a multiple of it.
    """
    multiple = lcm(round_to if channels > 2 * round_to else 1, blocks)
    return min(channels, max(1, -(-need // multiple)) * multiple)


def decision_planned(
    group: WidthGroup, members: Sequence[GroupMember], planned: PlannedGroup
) -> WidthDecision:
    """The decision for a group whose width is planned by what fewer channels would lose."""
    by = next((one for one in members if one.alone), members[0])
    action: Action = "narrow" if planned.width < group.channels else "keep"
    return WidthDecision("fixed" if group.fixed_by else action, planned.width, by, planned.width)


def _blocked(
    group: WidthGroup, members: Sequence[GroupMember], thresholds: Mapping[str, float]
) -> WidthDecision | None:
    """Why nothing can be said about a width, if so; the weightiest reason first."""
    reasons: list[tuple[Action, list[GroupMember]]] = [
        ("fixed", list(members) if group.fixed_by else []),
        ("undefined", [one for one in members if isnan(one.layer.need)]),
        ("weak", [one for one in members if is_weak(one.layer, thresholds)]),
        ("wait", [one for one in members if not one.layer.settled]),
    ]
    return next((WidthDecision(act, group.channels, by[0], 0) for act, by in reasons if by), None)


def _need(group: WidthGroup, member: GroupMember) -> int:
    """Channels of the group's width that a layer needs for its rank, in proportion."""
    need = int(member.layer.need)
    # the group's channels may be there several times, side by side
    return -(-need * group.channels // member.layer.channels)


class WidthMap(NamedTuple):
    """The groups of widths, and the monitored layers' share in them."""

    groups: tuple[WidthGroup, ...]
    made_of: dict[str, dict[str, int]]  # by layer: channels by group's leader; {} if not known
    known: bool  # whether the record tells it, and so what a change saves
    rank_limits: dict[str, int]  # by layer, where there is one

    def group(self, leader: str) -> WidthGroup:
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
    channels = channels_of(owners)
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

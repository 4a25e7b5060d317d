"""What to do with one width: the decision for a group of owners, from all layers that have it.

A layer that has the width of one group needs as many channels of it as its rank_99. A layer whose
width is made of several groups, such as a depthwise convolution after a concatenation, needs its
share of each. The largest need decides.

A rank that the layer's input limits is no evidence: a 1x1 convolution from 3 channels to 16 can
have no rank above 3, whether its 16 channels are of use after the nonlinearity or not. Its rank
counts as limited when it is at the limit, or nearer to it than a settled rank may move. Then the
layers behind it decide, whose inputs limit them not; if there are none, the width is left alone.
"""

from collections.abc import Mapping, Sequence
from math import ceil, isnan
from typing import NamedTuple

from nasmon.analysis.findings import Action
from nasmon.analysis.settled import RecentLayer
from nasmon.analysis.widths import Group


class Witness(NamedTuple):
    """A monitored layer, seen from one of the groups that its width is made of."""

    layer: RecentLayer
    alone: bool  # whether its width is this group's alone
    rank_limit: int | None  # the most directions its input lets it have, if that is few


class Decision(NamedTuple):
    """What to do with the width of a group, and the layer that decided."""

    action: Action
    width: int
    by: Witness
    need: int  # channels of the group that the deciding layer needs


def decide_width(
    group: Group, witnesses: Sequence[Witness], thresholds: Mapping[str, float], round_to: int
) -> Decision:
    """The decision for one group.

    Args:
        group: of owners that share one width.
        witnesses: all monitored layers with that width, at least one; in the model's order.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
        round_to: see ``rounded``.
    """
    blocked = _blocked(group, witnesses, thresholds)
    if blocked:
        return blocked
    free = [one for one in witnesses if not is_limited(one, thresholds)]
    if not any(one.alone for one in free):
        told = next((one for one in witnesses if one.alone), witnesses[0])
        return Decision("limited", group.channels, told, 0)
    # of all, for a limited layer needs the room for the rank that it has
    by = max(witnesses, key=lambda one: _need(group, one))
    need = _need(group, by)
    width = rounded(need, group.channels, round_to)
    return Decision("narrow" if width < group.channels else "keep", width, by, need)


def is_limited(witness: Witness, thresholds: Mapping[str, float]) -> bool:
    """Whether a layer's rank is at the limit that its input sets, or next to it."""
    if witness.rank_limit is None:
        return False
    near = max(1, ceil(thresholds["settled_rank"] * witness.layer.channels))
    return witness.layer.metrics["rank_99"] >= witness.rank_limit - near


def is_weak(layer: RecentLayer, thresholds: Mapping[str, float]) -> bool:
    """Whether a layer's spectrum was estimated from too few rows."""
    return layer.metrics["rows"] < thresholds["rows_per_channel"] * layer.channels


def rounded(need: int, channels: int, round_to: int) -> int:
    """A need as a width: the next multiple, at least 1, never above today's channels.

    Args:
        need: channels that are needed.
        channels: of today.
        round_to: the width is a multiple of it; of 1 for at most twice as many channels.
    """
    multiple = round_to if channels > 2 * round_to else 1
    return min(channels, max(1, -(-need // multiple)) * multiple)


def _blocked(
    group: Group, witnesses: Sequence[Witness], thresholds: Mapping[str, float]
) -> Decision | None:
    """Why nothing can be said about a width, if so; the weightiest reason first."""
    reasons: list[tuple[Action, list[Witness]]] = [
        ("fixed", list(witnesses) if group.fixed_by else []),
        ("undefined", [one for one in witnesses if isnan(one.layer.metrics["rank_99"])]),
        ("weak", [one for one in witnesses if is_weak(one.layer, thresholds)]),
        ("wait", [one for one in witnesses if not one.layer.settled]),
    ]
    return next((Decision(act, group.channels, by[0], 0) for act, by in reasons if by), None)


def _need(group: Group, witness: Witness) -> int:
    """Channels of the group's width that a layer needs for its rank, in proportion."""
    rank = int(witness.layer.metrics["rank_99"])
    # the group's channels may be there several times, side by side
    return -(-rank * group.channels // witness.layer.channels)

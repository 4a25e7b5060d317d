"""How the widths of a model hang together, and what other widths would cost.

A width belongs to an owner: a layer, or an input of the model. Owners whose outputs are added share
one width: they are a group, decided together. What a layer costs grows with the widths of its input
and its output, each made of owners' widths side by side.
"""

from bisect import bisect
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import lcm, prod
from typing import NamedTuple

import numpy as np

from nasmon.errors import UsageError
from nasmon.widths.int8 import Int8Program
from nasmon.widths.segments import Segments, total_width


class Owner(NamedTuple):
    """Something that has a width of its own: a layer, or an input of the model."""

    name: str
    channels: int
    tied_to: str  # the owner it shares its width with (joined by an add); "" for none
    fixed_by: str  # why its width cannot be chosen: "input", "output", a layer's name; "" if it can
    blocks: int = 1  # its width is a multiple: as many channels in each of so many blocks


class Cost(NamedTuple):
    """Parameters and multiply-adds of a layer, by what they grow with.

    Both are dictionaries with the keys "in_out" (the product of the widths of input and output),
    "in", "out", "out_out" (its square; may be left out) and "fixed". A width of () is one that does
    not change.
    """

    layer: str
    inputs: Segments
    outputs: Segments
    params: dict[str, int]
    macs: dict[str, int]


class Structure(NamedTuple):
    """The widths of a model and what they cost."""

    owners: tuple[Owner, ...] = ()
    costs: tuple[Cost, ...] = ()
    int8: Int8Program | None = None  # as a small device runs it; None where that is not known


class ModelWidths(NamedTuple):
    """What a forward pass tells about widths and costs."""

    structure: Structure
    layers: dict[str, Segments]  # by layer that was called, what its output's width is made of
    rank_limits: dict[str, int]  # by layer, the most directions its input lets its output have
    layer_macs: dict[str, int]  # by layer, for one input
    macs: int | None  # of all operations, for one input; None if an operation's is not known
    first_channel: Mapping[str, int] = {}  # by owner, the number of its first channel
    # by layer that was called, the numbers of the channels of all that goes in, and of what comes
    # out first; None if not known
    inputs: Mapping[str, tuple[np.ndarray | None, ...]] = {}
    outputs: Mapping[str, np.ndarray | None] = {}

    def first_input(self, layer: str) -> np.ndarray | None:
        """The numbers of the channels that go into a layer first; None if not known."""
        return next(iter(self.inputs.get(layer, ())), None)

    def owner_of(self, number: int) -> str:
        """Whose channel it is, by its number."""
        return list(self.first_channel)[bisect(list(self.first_channel.values()), number) - 1]


class WidthGroup(NamedTuple):
    """Owners that share one width."""

    leader: str  # the owner that the others are tied to
    owners: tuple[str, ...]  # with the leader, in the model's order
    channels: int
    fixed_by: str  # why the width cannot be chosen, as ``Owner.fixed_by``; "" if it can
    blocks: int = 1  # as ``Owner.blocks``


def groups_of(owners: Iterable[Owner]) -> tuple[WidthGroup, ...]:
    """The groups of owners, in the order in which their first owners come.

    Args:
        owners: ``tied_to`` may point to an owner that is itself tied to another.

    Raises:
        UsageError: an owner is tied to none that is there, or widths that are shared differ.

    Example:
        >>> (group,) = groups_of([Owner("a", 8, "", ""), Owner("b", 8, "a", "")])
        >>> group.owners
        ('a', 'b')
    """
    by_name = {owner.name: owner for owner in owners}
    ties = ties_of(by_name.values())
    members: dict[str, list[Owner]] = {}
    for owner in by_name.values():
        members.setdefault(leader_of(owner.name, ties), []).append(owner)
    return tuple(_group(leader, tied) for leader, tied in members.items())


def channels_of(owners: Iterable[Owner]) -> dict[str, int]:
    """How wide owners are today, by their names."""
    return {owner.name: owner.channels for owner in owners}


def ties_of(owners: Iterable[Owner]) -> dict[str, str]:
    """By owner the one it is tied to, "" for none; as ``leader_of`` follows them."""
    return {owner.name: owner.tied_to for owner in owners}


def leader_of(owner: str, ties: Mapping[str, str]) -> str:
    """The owner at the end of the ties of another, or itself.

    Raises:
        UsageError: one is tied to an owner that is not there, or in a circle.

    Example:
        >>> leader_of("c", {"a": "", "b": "a", "c": "b"})
        'a'
    """
    seen = {owner}
    while ties[owner]:
        following = ties[owner]
        if following not in ties or following in seen:
            raise damaged(f"{owner!r} is tied to {following!r}")
        seen.add(following)
        owner = following
    return owner


def changed_cost(
    cost: Cost, parts: Mapping[str, int], before: Mapping[str, int], after: Mapping[str, int]
) -> int | Fraction:
    """What is added to a layer's cost by other widths.

    Args:
        cost: of the layer, with what its widths are made of.
        parts: what it costs, by what it grows with: ``cost.params`` or ``cost.macs``.
        before: widths by owner.
        after: likewise.

    Raises:
        UsageError: the cost names an owner that is not there, or lacks a part.
    """
    inputs, outputs = _ratios(cost, before, after)
    if inputs.same and outputs.same:
        return 0
    try:
        return _change(parts, inputs, outputs)
    except KeyError as error:
        raise damaged(f"the cost of {cost.layer!r} lacks {error}") from None


def _group(leader: str, members: Iterable[Owner]) -> WidthGroup:
    owners = tuple(members)
    channels = {owner.channels for owner in owners}
    if len(channels) > 1:
        raise damaged(f"owners tied to {leader!r} have {len(channels)} different widths")
    reason = next((owner.fixed_by for owner in owners if owner.fixed_by), "")
    names, blocks = tuple(owner.name for owner in owners), lcm(*(one.blocks for one in owners))
    return WidthGroup(leader, names, channels.pop(), reason, blocks)


class _Ratio(NamedTuple):
    """How much wider something becomes."""

    after: int
    before: int

    @property
    def same(self) -> bool:
        return self.after == self.before


_SAME = _Ratio(1, 1)


def _ratios(
    cost: Cost, today: Mapping[str, int], changed: Mapping[str, int]
) -> tuple[_Ratio, _Ratio]:
    """How much wider the input and the output of a layer become; the same if nothing is known."""
    try:
        inputs, outputs = (
            _Ratio(*(total_width(segments, widths) for widths in (changed, today)))
            if segments
            else _SAME
            for segments in (cost.inputs, cost.outputs)
        )
    except KeyError as error:
        raise damaged(f"the cost of {cost.layer!r} ({type(error).__name__}: {error})") from None
    if not inputs.before or not outputs.before:
        raise damaged(f"the cost of {cost.layer!r} is of a layer without channels")
    return inputs, outputs


def _change(parts: Mapping[str, int], inputs: _Ratio, outputs: _Ratio) -> int | Fraction:
    """What is added to a layer's cost; "fixed" does not change."""
    return (
        _scaled(parts["in_out"], inputs, outputs)
        + _scaled(parts["in"], inputs)
        + _scaled(parts["out"], outputs)
        # records of earlier versions lack it
        + _scaled(parts.get("out_out", 0), outputs, outputs)
    )


def _scaled(count: int, *ratios: _Ratio) -> int | Fraction:
    """What is added to a count that grows with each of some widths; of a true cost a whole one."""
    after, before = (prod(numbers) for numbers in zip(*ratios, strict=True))
    whole, rest = divmod(count * after, before)
    return whole - count if not rest else Fraction(count * after, before) - count


def damaged(what: str) -> UsageError:
    """The error of a record whose structure does not hold together."""
    return UsageError(
        f"the record's structure of the model is damaged: {what}; remove the record "
        "(<stem>_run.json) to go on without savings"
    )

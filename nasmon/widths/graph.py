"""How the widths of a model hang together, and what other widths would cost.

A width belongs to an owner: a layer, or an input of the model. Owners whose outputs are added share
one width: they are a group, decided together. What a layer costs grows with the widths of its input
and its output, each made of owners' widths side by side.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import prod
from typing import NamedTuple

from nasmon.errors import UsageError
from nasmon.record import Cost, Owner, Record, Segments


class WidthGroup(NamedTuple):
    """Owners that share one width."""

    leader: str  # the owner that the others are tied to
    owners: tuple[str, ...]  # with the leader, in the model's order
    channels: int
    fixed_by: str  # why the width cannot be chosen, as ``Owner.fixed_by``; "" if it can


def groups_of(owners: Iterable[Owner]) -> tuple[WidthGroup, ...]:
    """The groups of owners, in the order in which their first owners come.

    Args:
        owners: ``tied_to`` may point to an owner that is itself tied to another.

    Raises:
        UsageError: an owner is tied to none that is there, or widths that are shared differ.
    """
    by_name = {owner.name: owner for owner in owners}
    members: dict[str, list[Owner]] = {}
    for owner in by_name.values():
        members.setdefault(_leader(owner, by_name), []).append(owner)
    return tuple(_group(leader, tied) for leader, tied in members.items())


def totals(record: Record, widths: Mapping[str, int]) -> tuple[int, int | None]:
    """Parameters and multiply-adds of the whole model with other widths.

    Parameters and multiply-adds of layers that the record says nothing of count as they are.

    Args:
        record: of the run, with the structure of its model.
        widths: new widths by owner; owners that are left out keep theirs. For a sensible model all
            owners of a group have one.

    Returns:
        Both; the multiply-adds are None where the model's are not known.

    Raises:
        UsageError: a cost names an owner that is not there.
    """
    today = {owner.name: owner.channels for owner in record.owners}
    changed = {**today, **widths}
    params, macs = Fraction(record.params), Fraction(record.macs or 0)
    for cost in record.costs:
        inputs, outputs = _growth(cost, today, changed)
        params += _change(cost.params, inputs, outputs)
        macs += _change(cost.macs, inputs, outputs)
    return round(params), None if record.macs is None else round(macs)


def _leader(owner: Owner, by_name: Mapping[str, Owner]) -> str:
    seen = [owner.name]
    while owner.tied_to:
        if owner.tied_to not in by_name or owner.tied_to in seen:
            raise _damaged(f"{owner.name!r} is tied to {owner.tied_to!r}")
        owner = by_name[owner.tied_to]
        seen.append(owner.name)
    return owner.name


def _group(leader: str, members: Iterable[Owner]) -> WidthGroup:
    owners = tuple(members)
    channels = {owner.channels for owner in owners}
    if len(channels) > 1:
        raise _damaged(f"owners tied to {leader!r} have {len(channels)} different widths")
    reason = next((owner.fixed_by for owner in owners if owner.fixed_by), "")
    return WidthGroup(leader, tuple(owner.name for owner in owners), channels.pop(), reason)


def _growth(
    cost: Cost, today: Mapping[str, int], changed: Mapping[str, int]
) -> tuple[Fraction, Fraction]:
    """How much wider the input and the output of a layer become; 1 where nothing is known."""
    try:
        inputs, outputs = (
            Fraction(_width(segments, changed), _width(segments, today))
            if segments
            else Fraction(1)
            for segments in (cost.inputs, cost.outputs)
        )
    except (KeyError, ZeroDivisionError) as error:
        raise _damaged(f"the cost of {cost.layer!r} ({type(error).__name__}: {error})") from None
    return inputs, outputs


def _width(segments: Segments, widths: Mapping[str, int]) -> int:
    return sum(prod((widths[owner], times)) for owner, times in segments)


def _change(parts: Mapping[str, int], inputs: Fraction, outputs: Fraction) -> Fraction:
    """What is added to a layer's cost; "fixed" does not change."""
    return (
        parts["in_out"] * (inputs * outputs - 1)
        + parts["in"] * (inputs - 1)
        + parts["out"] * (outputs - 1)
    )


def _damaged(what: str) -> UsageError:
    return UsageError(f"the record's structure of the model is damaged: {what}; train again")

"""The advice about one layer in words, each line with its evidence."""

from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import NamedTuple

import numpy as np

from nasmon.analysis.recommend.layers import ENOUGH, ChannelEvidence, RecentLayer
from nasmon.analysis.recommend.need import NEED
from nasmon.analysis.recommend.planned import Plan, planned_line
from nasmon.analysis.recommend.widths import GroupMember, WidthDecision, is_limited
from nasmon.analysis.words import short_count
from nasmon.record.run import Record
from nasmon.widths.graph import WidthGroup
from nasmon.widths.objectives import OBJECTIVES, Amounts, sizes

NAMED_PAIRS = 5
"""How many pairs of near copies a line names."""

NAMED_CHANNELS = 20
"""How many dead channels a line names."""


class LayerContext(NamedTuple):
    """What is known about one layer when its lines are written."""

    layer: RecentLayer
    evidence: ChannelEvidence
    groups: tuple[WidthGroup, ...]  # that its width is made of; () if not known
    decisions: tuple[WidthDecision, ...]  # about them
    members: tuple[GroupMember, ...]  # of its own group, if the decision is reported at this layer
    watched: frozenset[str]  # the names of all layers
    plan: Plan | None = None  # of all widths, by what fewer channels would lose


def lines_of(
    context: LayerContext, saving: Amounts, record: Record | None, thresholds: Mapping[str, float]
) -> tuple[str, ...]:
    """What to do with a layer, and why.

    Args:
        context: of the layer.
        saving: of the change that is reported at this layer.
        record: of the run, for what a saving is a share of.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
    """
    if context.members:
        lines = _decision_lines(context, saving, record, thresholds)
    else:
        lines = [*_following(context), *_undefined_beside(context.layer)]
    return (*lines, *_dead(context), *_duplicates(context.evidence, thresholds))


def _decision_lines(
    context: LayerContext, saving: Amounts, record: Record | None, thresholds: Mapping[str, float]
) -> list[str]:
    (group,), (decision,) = context.groups, context.decisions
    by, name = decision.by.layer, context.layer.name
    there = "" if by.name == name else f" in {by.name}"
    planned = context.plan.group(group) if context.plan and not group.fixed_by else None
    if context.plan and planned:
        lines = [planned_line(planned, context.plan, saved(saving, sizes(record)))]
        if decision.action == "narrow":
            lines += [_unsettled_line(by, there)] if not by.settled else []
    elif decision.action in ("narrow", "keep"):
        lines = [_width_line(context, group, decision, there, saving, record)]
        lines += _limited_beside(context, decision, thresholds)
    elif decision.action == "limited":
        lines = [_limited_line(decision.by, there)]
    elif decision.action == "wait":
        lines = [_unsettled_line(by, there)]
    elif decision.action == "weak":
        lines = [_weak_line(by, there, thresholds)]
    elif decision.action == "undefined":
        lines = [f"no advice: {_why_undefined(by)}{there}"]
    else:
        lines = [_fixed_line(group), *_undefined_beside(context.layer)]
    return lines + _shared(context, group)


def _width_line(
    context: LayerContext,
    group: WidthGroup,
    decision: WidthDecision,
    there: str,
    saving: Amounts,
    record: Record | None,
) -> str:
    by = decision.by.layer
    evidence = f"{NEED.evidence(by.need, by.channels)}{there}"
    if by.channels != group.channels:
        evidence += f", its share of these {group.channels} is {decision.need}"
    if decision.action == "narrow":
        cost = saved(saving, sizes(record))
        saves = f" (saves {cost})" if cost else ""
        return f"narrow {group.channels} -> {decision.width}: {evidence}{saves}"
    rounded = decision.need < group.channels
    return f"keep {group.channels}: {evidence}{', rounded up' if rounded else ''}"


def _limited_beside(
    context: LayerContext, decision: WidthDecision, thresholds: Mapping[str, float]
) -> list[str]:
    """Of layers whose own rank is no evidence where others decided."""
    return [
        f"{NEED.name} of {one.layer.name} is {one.layer.need:.0f} where its input allows "
        f"at most {one.rank_limit}: no waste, the layers behind it decide"
        for one in context.members
        if is_limited(one, thresholds) and one.layer.name != decision.by.layer.name
    ]


def _limited_line(by: GroupMember, there: str) -> str:
    evidence = NEED.evidence(by.layer.need, by.layer.channels)
    return (
        f"keep {by.layer.channels}: {evidence}{there} where its input allows at most "
        f"{by.rank_limit}: the input limits it, this is no waste"
    )


def _unsettled_line(by: RecentLayer, there: str) -> str:
    count = len(by.needs)
    if count < ENOUGH:
        readings = "1 reading is" if count == 1 else f"{count} readings are"
        return (
            f"{readings} too few to tell whether {NEED.name} has settled: train longer before "
            "cutting"
        )
    over = f"over the last {count} readings{there}"
    if np.isnan(by.needs).any():
        return f"{NEED.name} was not always defined {over}: train longer before cutting"
    low, high = by.needs.min(), by.needs.max()
    moved = f"{NEED.name} still moved from {low:.0f} to {high:.0f}"
    return f"{moved} {over}: train longer before cutting"


def _weak_line(by: RecentLayer, there: str, thresholds: Mapping[str, float]) -> str:
    return (
        f"no advice: {by.metrics['rows']:,.0f} rows for {by.channels} channels{there} are a weak "
        f"estimate (at least {thresholds['rows_per_channel'] * by.channels:,.0f} would do); give "
        "the monitor more samples"
    )


def _why_undefined(layer: RecentLayer) -> str:
    if layer.metrics["trace"] == 0:
        return "the activations never vary"
    return "the activations are not finite"


def _undefined_beside(layer: RecentLayer) -> list[str]:
    undefined = isnan(layer.need)
    return [f"its rank is not defined: {_why_undefined(layer)}"] if undefined else []


def _fixed_line(group: WidthGroup) -> str:
    if group.fixed_by == "output":
        return "its width is that of the model's output, which the task sets"
    if group.fixed_by == "input":
        return "its width is that of the model's input"
    return f"its width is bound by {group.fixed_by}"


def _following(context: LayerContext) -> list[str]:
    """Of a layer whose width others decide."""
    if not context.groups:
        return ["what its width is made of is not known"]
    if len(context.groups) == 1 and context.groups[0].fixed_by:
        return [_fixed_line(context.groups[0])]
    leaders = [
        f"{group.leader}, {group.channels} -> {decision.width}"
        if decision.action == "narrow"
        else group.leader
        for group, decision in zip(context.groups, context.decisions, strict=True)
    ]
    return [f"follows {'; and '.join(leaders)}"]


def _shared(context: LayerContext, group: WidthGroup) -> list[str]:
    """Who else has this width, for owners that are joined by an add."""
    others = [owner for owner in group.owners if owner != context.layer.name]
    lines = []
    watched = [owner for owner in others if owner in context.watched]
    if watched:
        lines.append(f"shares its width with {_listed(watched)}: they change together")
    unwatched = [owner for owner in others if owner not in context.watched]
    if unwatched and not group.fixed_by:
        noun = "which was" if len(unwatched) == 1 else "which were"
        lines.append(f"shares its width with {_listed(unwatched)}, {noun} not watched")
    return lines


def _dead(context: LayerContext) -> list[str]:
    count = context.layer.metrics["dead_channels"]
    if isnan(count) or count == 0:
        return []
    indices, number = context.evidence.dead, int(count)
    noun = "channel" if number == 1 else "channels"
    named = (
        f"dead {noun} {_listed(indices[:NAMED_CHANNELS])}" if indices else f"{number} dead {noun}"
    )
    if number > NAMED_CHANNELS and indices:
        named += f" and {number - NAMED_CHANNELS} more"
    return [f"{named} {_how_to_go(context, number == 1)}"]


def _how_to_go(context: LayerContext, single: bool) -> str:
    """What can be done about dead channels, and what stands in the way."""
    never = "it never changes" if single else "they never change"
    if any(group.fixed_by for group in context.groups):
        return f"cannot go, for the width is fixed: {never}"
    owners = [owner for group in context.groups for owner in group.owners]
    others = [owner for owner in owners if owner != context.layer.name]
    if not others:
        return f"can go outright: {never}"
    if context.layer.name in owners:
        same = "one is" if single else "ones are"
        return f"can go where the same {same} dead in {_listed(others)}: {never}"
    leaders = _listed([group.leader for group in context.groups])
    return f"can go with what goes into {'it' if single else 'them'} from {leaders}: {never}"


def _duplicates(evidence: ChannelEvidence, thresholds: Mapping[str, float]) -> list[str]:
    if not evidence.duplicates:
        return []
    pairs = [
        f"{one.first} and {one.second} (R {one.correlation:.3f})"
        for one in evidence.duplicates[:NAMED_PAIRS]
    ]
    more = evidence.duplicate_pairs - len(pairs)
    rest = f", and {more:,} more pair{'s' if more > 1 else ''}" if more > 0 else ""
    return [
        f"near-duplicate channels {', '.join(pairs)}{rest}: "
        f"abs(R) is at least {thresholds['near_duplicate']:g}, one of each pair adds little"
    ]


def _listed(names: Iterable[object]) -> str:
    """A, b and c."""
    words: Sequence[str] = [str(name) for name in names]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def saved(saving: Amounts, size: Amounts) -> str:
    """What is saved, in numbers and as a share of the model; "" if that is not known."""
    parts = [
        f"{short_count(less)} {one.unit}, {100 * less / whole:.1f} %"
        for one, less, whole in zip(OBJECTIVES, saving, size, strict=True)
        if one.of_layers and less is not None and whole
    ]
    return f"{'; '.join(parts)} of the model" if parts else ""

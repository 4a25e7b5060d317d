"""New widths for a budget: every group scaled alike, or some more than others.

It needs no TensorFlow.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from nasmon.errors import UsageError
from nasmon.widths.graph import WidthGroup, channels_of
from nasmon.widths.objectives import OBJECTIVES, Costed, totals

HALVINGS = 50
"""Of the interval of scales; what they tell apart is below a channel of any width."""


class Range(NamedTuple):
    """The widths that a group may have."""

    least: int
    most: int
    step: int  # widths between are multiples of it
    cap: int | None = None  # the most that memory has room for, whatever the scale

    def at(self, scale: float) -> int:
        """The width at a share of the most, from below."""
        rounded = int(scale * self.most + 1e-9) // self.step * self.step
        return min(self._room, max(self.least, rounded))

    @property
    def can_be_narrower(self) -> bool:
        """Whether it may be less than the widest that there is room for."""
        return self.at(0) < self.at(1)

    def wanted(self, scale: float) -> float:
        """The width at a share of the most, before it is rounded."""
        return min(scale * self.most, self._room)

    @property
    def _room(self) -> int:
        return self.most if self.cap is None else self.cap

    def above(self, width: int) -> int | None:
        """The next wider one; None if there is none."""
        following = min(self.most, (width // self.step + 1) * self.step)
        return following if following > width else None


def scaled_alike(
    model: Costed,
    groups: Sequence[WidthGroup],
    ranges: Mapping[str, Range],
    budgets: Mapping[str, int],
    shares: Mapping[str, float] | None = None,
) -> dict[str, int]:
    """The widths of groups, all the same share of what they may be, as wide as budgets allow.

    Memory is needed at one place: for a budget of RAM only the groups are narrowed that are there
    where it is exceeded. What rounding leaves over goes to the groups that it took the most from.

    Args:
        model: with its structure.
        groups: that may be narrowed; all others stay.
        ranges: by their leaders.
        budgets: by the names of objectives, the most of each.
        shares: by leaders, how many times that share each is to have; once if None.

    Returns:
        Widths by leader.

    Raises:
        UsageError: even the least widths are too many; the message says what they need.
    """
    objectives = [(one, budgets[one.name]) for one in OBJECTIVES if one.name in budgets]

    def fits(widths: Mapping[str, int]) -> bool:
        owned = by_owner(groups, widths)
        return all((one.total(model, owned) or 0) <= most for one, most in objectives)

    least = {group.leader: ranges[group.leader].at(0) for group in groups}
    if not fits(least):
        raise UsageError(_too_small(model, groups, least, budgets))
    ranges = _within_memory(model, groups, ranges, budgets.get("ram"))
    factors = shares or dict.fromkeys(least, 1.0)

    def at(scale: float) -> dict[str, int]:
        return {name: ranges[name].at(scale * factors[name]) for name in least}

    # where even the one of the smallest share is as wide as can be
    low, high = 0.0, 1 / min(factors.values(), default=1.0)
    if fits({group.leader: ranges[group.leader].most for group in groups}):
        low = high
    for _ in range(HALVINGS if low < high else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(at(middle)) else (low, middle)
    wanted = {name: ranges[name].wanted(low * factors[name]) for name in least}
    return _filled(at(low), wanted, ranges, fits)


def _within_memory(
    model: Costed,
    groups: Sequence[WidthGroup],
    ranges: Mapping[str, Range],
    most: int | None,
) -> dict[str, Range]:
    """Ranges with which no place needs more memory than there is, as far as they can."""
    capped = dict(ranges)
    program = model.int8
    if program is None or most is None:
        return capped
    today = channels_of(model.owners)

    def widths(scales: Mapping[str, float]) -> dict[str, int]:
        each = {name: one.at(scales.get(name, 1.0)) for name, one in capped.items()}
        return {**today, **by_owner(groups, each)}

    while True:
        peak = program.peak(today, widths({}))
        there = program.owners_of(peak.tensors)
        narrowed = [
            group.leader
            for group in groups
            if not there.isdisjoint(group.owners) and capped[group.leader].can_be_narrower
        ]
        if peak.size <= most or not narrowed:
            return capped
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            tried = widths(dict.fromkeys(narrowed, middle))
            fits = program.together(peak.tensors, today, tried) <= most
            low, high = (middle, high) if fits else (low, middle)
        for name in narrowed:
            capped[name] = capped[name]._replace(cap=capped[name].at(low))


def by_owner(groups: Sequence[WidthGroup], widths: Mapping[str, int]) -> dict[str, int]:
    """Widths of all owners of the groups that have one, by leader."""
    return {
        owner: widths[group.leader]
        for group in groups
        if group.leader in widths
        for owner in group.owners
    }


def _filled(
    widths: dict[str, int],
    wanted: Mapping[str, float],
    ranges: Mapping[str, Range],
    fits: Callable[[Mapping[str, int]], bool],
) -> dict[str, int]:
    lacking = {name: wanted[name] - width for name, width in widths.items()}
    for name in sorted(lacking, key=lambda name: -lacking[name] / ranges[name].step):
        wider = ranges[name].above(widths[name])
        if wider is not None and fits({**widths, name: wider}):
            widths[name] = wider
    return widths


def _too_small(
    model: Costed,
    groups: Sequence[WidthGroup],
    least: Mapping[str, int],
    budgets: Mapping[str, int],
) -> str:
    found = totals(model, by_owner(groups, least)).by_name()
    units = {objective.name: objective.unit for objective in OBJECTIVES}
    missed = [
        f"{name}={most} cannot be met: with all widths at their least the model has "
        f"{found[name]} {units[name]}"
        for name, most in budgets.items()
        if (found[name] or 0) > most
    ]
    return "; ".join(missed)

"""A plan of new widths for a budget: for each group its width, what it costs, and why not less."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any, NamedTuple

import keras
import numpy as np

from nasmon.errors import UsageError
from nasmon.narrowing.seen import SAMPLES, Seen
from nasmon.narrowing.traced import Traced
from nasmon.taps import matches
from nasmon.text_table import aligned
from nasmon.values import checked, not_text, whole
from nasmon.widths.allocate import Range, by_owner, scaled_alike
from nasmon.widths.objectives import OBJECTIVES, Amounts, sizes, totals

SPARE = 1e-6
"""A share of its consumers' outputs, a thousandth of their deviation, that a group can lose and
count as losing nothing."""


class PlannedGroup(NamedTuple):
    """A group of owners of one width."""

    leader: str
    owners: tuple[str, ...]
    channels: int  # today
    spare: int  # how many of them are not needed at all: dead, copied, made of others
    width: int  # planned
    lost: float  # share of its consumers' outputs, summed over them; NaN where not known
    reason: str  # why it stays or is no narrower; "" if the budget asked for no less


class WidthPlan(NamedTuple):
    """New widths for a model, and what it has with them; ``print`` shows it as a table.

    Example:
        >>> group = PlannedGroup("conv", ("conv",), 8, 0, 4, 0.02, "")
        >>> plan = WidthPlan((group,), Amounts((80, None)), Amounts((40, None)))
        >>> plan.widths
        {'conv': 4}
        >>> print(plan)
        group  channels  spare  width  lost  why
        conv          8      0      4   2 %
        parameters: 80 -> 40 (50.0 %)
    """

    groups: tuple[PlannedGroup, ...]
    before: Amounts
    after: Amounts

    @property
    def widths(self) -> dict[str, int]:
        """By owner, of all whose width changes."""
        return {
            owner: group.width
            for group in self.groups
            for owner in group.owners
            if group.width != group.channels
        }

    def __str__(self) -> str:
        head = ["group", "channels", "spare", "width", "lost", "why"]
        rows = [
            [
                group.leader
                if len(group.owners) == 1
                else f"{group.leader} +{len(group.owners) - 1}",
                str(group.channels),
                str(group.spare),
                str(group.width),
                "-" if isnan(group.lost) else f"{100 * group.lost:.3g} %",
                group.reason,
            ]
            for group in self.groups
        ]
        pairs = zip(OBJECTIVES, self.before, self.after, strict=True)
        ends = [
            f"{objective.unit}: {before} -> {after} ({100 * after / max(before, 1):.1f} %)"
            for objective, before, after in pairs
            if before is not None and after is not None
        ]
        return "\n".join([*aligned([head, *rows], texts=(0, 5)), *ends])


def plan_widths(
    model: keras.Model,
    data: Any = None,
    *,
    params: float | None = None,
    macs: float | None = None,
    keep: Sequence[str] = (),
    round_to: int = 1,
    min_width: int = 1,
    samples: int = SAMPLES,
) -> WidthPlan:
    """New widths for a trained model.

    What is spare goes first. With budgets every group is then scaled alike, until all are met.

    Args:
        model: built and trained; it is left as it is.
        data: inputs, as ``Monitor`` takes them; labels are not needed. None to look at weights
            alone: nothing is then known to be spare, and nothing of what is lost.
        params: the most parameters: a number, or a share of today's (a float of at most 1).
        macs: likewise, of multiply-adds for one input.
        keep: names, globs or /regular expressions/ of layers whose widths stay.
        round_to: widths are multiples of it.
        min_width: the least width.
        samples: of the data.

    Returns:
        The plan; ``print`` shows it as a table.

    Raises:
        UsageError: a budget that no widths meet, or an argument that cannot be.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
        >>> model = keras.Sequential(layers)
        >>> plan = plan_widths(model, np.random.default_rng(0).normal(size=(64, 4)), params=0.5)
        >>> plan.after.params <= 0.5 * model.count_params()
        True
    """
    checked(NUMBERS, round_to=round_to, min_width=min_width, samples=samples)
    budgets = {"params": params, "macs": macs}
    return planned(Seen(model, data, samples), budgets, keep, round_to, min_width)


NUMBERS = dict.fromkeys(("round_to", "min_width", "samples"), not_text(whole(1)))
"""How the arguments that are numbers are read."""


def planned(
    seen: Seen,
    budgets: Mapping[str, float | None],
    keep: Sequence[str] = (),
    round_to: int = 1,
    min_width: int = 1,
) -> WidthPlan:
    """As ``plan_widths``, of a model that is looked at.

    Args:
        seen: the model.
        budgets: by the names of objectives, as for ``plan_widths``; None for none.
        keep: as for ``plan_widths``.
        round_to: as for ``plan_widths``.
        min_width: as for ``plan_widths``.
    """
    traced = seen.traced
    reasons = _reasons(traced, keep)
    free = [group for group in traced.groups if not reasons[group.leader]]
    costs = {group.leader: seen.order(group).costs for group in free}
    needed = {leader: _needed(curve) for leader, curve in costs.items()}
    ranges = {
        group.leader: Range(
            min(group.channels, -(-min_width // round_to) * round_to),
            min(group.channels, -(-max(needed[group.leader], min_width) // round_to) * round_to),
            round_to,
        )
        for group in free
    }
    before = sizes(traced)
    try:
        widths = scaled_alike(traced, free, ranges, _absolute(budgets, before))
    except UsageError as error:
        raise UsageError(f"{error}{_held_up(traced, reasons)}") from None
    after = totals(traced, by_owner(free, widths))
    groups = [
        PlannedGroup(
            group.leader,
            group.owners,
            group.channels,
            group.channels - needed.get(group.leader, group.channels),
            widths.get(group.leader, group.channels),
            float(costs[group.leader][widths[group.leader]]) if group.leader in widths else nan,
            reasons[group.leader] or _bound(ranges[group.leader], widths[group.leader], min_width),
        )
        for group in traced.groups
        if group.fixed_by != "input"
    ]
    return WidthPlan(tuple(groups), before, after)


def _reasons(traced: Traced, keep: Sequence[str]) -> dict[str, str]:
    """By leader why a group stays; "" if it may be narrowed."""
    if isinstance(keep, str):
        keep = [keep]
    # those with a width of their own: to keep another layer would change nothing
    owners = [owner.name for owner in traced.owners if owner.fixed_by != "input"]
    for selector in keep:
        if not any(matches(selector, name) for name in owners):
            raise UsageError(
                f"keep has {selector!r}, which matches no layer; there are {', '.join(owners)}"
            )
    reasons = {}
    for group in traced.groups:
        kept = any(matches(selector, owner) for selector in keep for owner in group.owners)
        fixed = (
            _FIXED.get(group.fixed_by, f"{group.fixed_by} needs it so") if group.fixed_by else ""
        )
        reasons[group.leader] = fixed or ("kept" if kept else "")
    return reasons


_FIXED = {"input": "the model's input", "output": "the model's output"}


def _needed(costs: np.ndarray) -> int:
    """The fewest channels without which nothing is lost."""
    enough = np.flatnonzero(costs[1:] <= SPARE)
    return int(enough[0]) + 1


def _bound(limits: Range, width: int, min_width: int) -> str:
    return "min_width" if width == limits.least and width == min_width > 1 else ""


def _absolute(budgets: Mapping[str, float | None], today: Amounts) -> dict[str, int]:
    """Budgets as whole numbers.

    Raises:
        UsageError: one that cannot be, or of what is not known of the model.
    """
    found = {}
    for name, most in budgets.items():
        if most is None:
            continue
        has = today.by_name()[name]
        if isinstance(most, bool) or not isinstance(most, int | float) or not most > 0:
            raise UsageError(
                f"{name} is {most!r}; use a whole number, or a share of today's above 0 and up to 1"
            )
        if isinstance(most, float) and most > 1 and not most.is_integer():
            raise UsageError(
                f"{name} is {most}; a share is at most 1, and a number of them is whole"
            )
        if has is None:
            raise UsageError(f"{name} is a budget, but this model's {name} are not known")
        share = isinstance(most, float) and most <= 1
        found[name] = int(most * has) if share else int(most)
    return found


def _held_up(traced: Traced, reasons: Mapping[str, str]) -> str:
    """Which groups stay, for the error of a budget that cannot be met."""
    held = [
        f"{group.leader} ({group.channels}: {reasons[group.leader]})"
        for group in sorted(traced.groups, key=lambda group: -group.channels)
        if reasons[group.leader] and group.fixed_by not in ("input", "output")
    ]
    return f"; these stay as they are: {', '.join(held[:5])}" if held else ""

"""What widths a model may have within budgets, and a plan of them, from what each group would lose.

It needs no TensorFlow.
"""

from collections.abc import Mapping, Sequence
from math import isnan, lcm, nan
from typing import Protocol

import numpy as np

from nasmon.errors import UsageError
from nasmon.narrowing.budgets import absolute_budgets
from nasmon.narrowing.plan import NO_LIMITS, Limits, PlannedGroup, WidthPlan
from nasmon.selectors import matches
from nasmon.widths.allocate import Range, by_owner, scaled_alike
from nasmon.widths.graph import WidthGroup, groups_of
from nasmon.widths.objectives import Costed, busiest_of, sizes, totals


class WidthCosts(Protocol):
    """What is known of what groups of widths lose with fewer channels."""

    def costs(self, groups: Sequence[WidthGroup]) -> Mapping[str, np.ndarray]:
        """By leader, [C + 1] float64: with k channels for each k from 0 to C, all others whole."""

    def needed(self, groups: Sequence[WidthGroup]) -> Mapping[str, int]:
        """By leader how many channels lose nothing, if all of these groups have so many."""

    def enough(self, groups: Sequence[WidthGroup]) -> Mapping[str, int]:
        """By leader how many lose no more than ``SPARE``, if all of these groups have so many."""


NOTHING, SPARE = 1e-6, 1e-3
"""Shares of its consumers' outputs, a thousandth and a thirtieth of their deviation: what a group
can lose and count as losing nothing, and what can go without a training to make up for it
(``python -m bench.shrinking.spare``)."""


class WidthChoices:
    """The widths that a model may have within budgets.

    Args:
        model: with its structure.
        known: what groups lose.
        budgets: by the names of objectives, as for ``plan_widths``; None for none.
        limits: as for ``plan_widths``.

    Attributes:
        free: groups that may be narrowed.
        costs: by leader what is lost at each width of those.
        budgets: as whole numbers.

    Raises:
        UsageError: a budget or a selector of ``keep`` that cannot be.
    """

    def __init__(
        self,
        model: Costed,
        known: WidthCosts,
        budgets: Mapping[str, float | str | None],
        limits: Limits = NO_LIMITS,
    ) -> None:
        self._model, self._limits = model, limits
        self._groups = groups_of(model.owners)
        self._reasons = _reasons(self._groups, limits.keep)
        self._before = sizes(model)
        self.budgets = absolute_budgets(budgets, self._before)
        self.free = [group for group in self._groups if not self._reasons[group.leader]]
        self.costs = known.costs(self.free)
        # what is lost beyond nothing is for the training to win back, alike for all groups
        self._needed = known.needed(self.free) if self.budgets else known.enough(self.free)
        _, step, least = limits
        self._ranges = {
            group.leader: _range(group, max(self._needed[group.leader], least), least, step)
            for group in self.free
        }

    def widths(self, shares: Mapping[str, float] | None = None) -> dict[str, int]:
        """Widths by leader, as wide as the budgets allow.

        Args:
            shares: by leader how wide a group is to be, next to the others; alike if None.

        Raises:
            UsageError: a budget that no widths meet; the message says what holds it up.
        """
        try:
            return scaled_alike(self._model, self.free, self._ranges, self.budgets, shares)
        except UsageError as error:
            raise UsageError(f"{error}{_held_up(self._groups, self._reasons)}") from None

    def plan(self, widths: Mapping[str, int]) -> WidthPlan:
        """The plan of such widths."""
        groups = [
            self._planned(group, widths) for group in self._groups if group.fixed_by != "input"
        ]
        owned = by_owner(self.free, widths)
        after = totals(self._model, owned)
        return WidthPlan(tuple(groups), self._before, after, busiest_of(self._model, owned))

    def _planned(self, group: WidthGroup, widths: Mapping[str, int]) -> PlannedGroup:
        leader, channels = group.leader, group.channels
        identity = (leader, group.owners, channels)
        if leader not in widths:
            return PlannedGroup(*identity, 0, channels, nan, 0, self._reasons[leader])
        width = widths[leader]
        alone = totals(self._model, by_owner([group], {leader: width})).params
        params = self._before.params
        saves = None if alone is None or params is None else params - alone
        least = width == self._ranges[leader].least and width == self._limits.min_width > 1
        whole_step = group.blocks > 1 and width == group.blocks
        return PlannedGroup(
            *identity,
            channels - self._needed[leader],
            width,
            float(self.costs[leader][width]),
            saves,
            "min_width" if least else f"in {group.blocks} groups" if whole_step else "",
        )


def curve_of(model: Costed, known: WidthCosts, limits: Limits) -> list[tuple[int, float]]:
    """What uniform widths of every size would lose before fine-tuning.

    Args:
        model: with its structure.
        known: as for ``WidthChoices``.
        limits: as for ``WidthChoices``.

    Returns:
        Parameters, and shares of consumers' outputs that are lost, summed over groups; from the
        model as it is down to the least that it can be.
    """
    curve: list[tuple[int, float]] = []
    most = model.params
    for step in range(CURVE_STEPS):
        budgets = {"params": most if step == 0 else int(most * CURVE_RATIO**step)}
        choices = WidthChoices(model, known, budgets, limits)
        try:
            plan = choices.plan(choices.widths())
        except UsageError:
            break
        if curve and curve[-1][0] == plan.after.params:
            continue  # what is spare is gone at once
        lost = sum(group.lost for group in plan.groups if not isnan(group.lost))
        curve.append((plan.after.params or 0, lost))
    return curve


CURVE_STEPS, CURVE_RATIO = 20, 0.8
"""Sizes on a curve, and from one to the next: down to a 70th."""


def _range(group: WidthGroup, most: int, least: int, round_to: int) -> Range:
    """The widths that a group may have, in steps that suit its blocks."""
    step = lcm(round_to, group.blocks)
    return Range(
        _rounded_up(least, step, group.channels), _rounded_up(most, step, group.channels), step
    )


def _rounded_up(width: int, step: int, most: int) -> int:
    return min(most, -(-width // step) * step)


def _reasons(groups: Sequence[WidthGroup], keep: Sequence[str]) -> dict[str, str]:
    """By leader why a group stays; "" if it may be narrowed."""
    if isinstance(keep, str):
        keep = [keep]
    # those with a width of their own: to keep another layer would change nothing
    owners = [name for group in groups if group.fixed_by != "input" for name in group.owners]
    for selector in keep:
        if not any(matches(selector, name, "keep") for name in owners):
            raise UsageError(
                f"keep has {selector!r}, which matches no layer; there are {', '.join(owners)}"
            )
    reasons = {}
    for group in groups:
        kept = any(matches(selector, owner) for selector in keep for owner in group.owners)
        fixed = (
            _FIXED.get(group.fixed_by, f"{group.fixed_by} needs it so") if group.fixed_by else ""
        )
        reasons[group.leader] = fixed or ("kept" if kept else "")
    return reasons


_FIXED = {"input": "the model's input", "output": "the model's output"}


def needed_of(costs: np.ndarray, most: float = NOTHING) -> int:
    """The fewest channels with which no more is lost than some share.

    Args:
        costs: [C + 1] float64, of one group.
        most: that is lost.

    Example:
        >>> needed_of(np.array([1.0, 0.2, 0.0, 0.0]))
        2
    """
    enough = np.flatnonzero(costs[1:] <= most)
    return int(enough[0]) + 1


def _held_up(groups: Sequence[WidthGroup], reasons: Mapping[str, str]) -> str:
    """Which groups stay, for the error of a budget that cannot be met."""
    held = [
        f"{group.leader} ({group.channels}: {reasons[group.leader]})"
        for group in sorted(groups, key=lambda group: -group.channels)
        if reasons[group.leader] and group.fixed_by not in ("input", "output")
    ]
    return f"; these stay as they are: {', '.join(held[:5])}" if held else ""

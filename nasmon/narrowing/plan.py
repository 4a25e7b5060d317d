"""A plan of new widths for a model: for each group its width, what it costs, and why not less."""

import sys
from collections.abc import Sequence
from math import isnan
from typing import NamedTuple

from nasmon.html import html_of
from nasmon.table import Entry, Part, ShownTable, text_of
from nasmon.widths.objectives import OBJECTIVES, Amounts


class Limits(NamedTuple):
    """What widths may be, whatever the budget; as for ``plan_widths``."""

    keep: Sequence[str] = ()
    round_to: int = 1
    min_width: int = 1


NO_LIMITS = Limits()


class PlannedGroup(NamedTuple):
    """A group of owners of one width."""

    leader: str
    owners: tuple[str, ...]
    channels: int  # today
    spare: int  # how many of them are not needed at all: dead, copied, made of others
    width: int  # planned
    lost: float  # share of its consumers' outputs, summed over them; NaN where not known
    saves: int | None  # parameters, by this change alone; None where not known
    reason: str  # why it stays or is no narrower; "" if the budget asked for no less


class WidthPlan(NamedTuple):
    """New widths for a model, and what it has with them; ``print`` shows it as a table.

    Example:
        >>> group = PlannedGroup("conv", ("conv",), 8, 0, 4, 0.02, 40, "")
        >>> plan = WidthPlan((group,), *(Amounts((n, None, None, None)) for n in (80, 40)))
        >>> plan.widths
        {'conv': 4}
        >>> print(plan)
        group  channels  spare  width  saves  lost  why
        conv          8      0      4     40   2 %
        parameters: 80 -> 40 (50.0 %)
    """

    groups: tuple[PlannedGroup, ...]
    before: Amounts
    after: Amounts
    busiest: str = ""  # the layer at which most RAM is needed with these widths; "" if not known

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
        # names whole: they are what widths are given by
        return text_of(self.parts(), width=sys.maxsize)

    def parts(self) -> list[Part]:
        """What is printed, for ``nasmon.rich_print.print_parts`` and pages."""
        pairs = zip(OBJECTIVES, self.before, self.after, strict=True)
        ends = [
            f"{objective.unit}: {before} -> {after} ({100 * after / max(before, 1):.1f} %)"
            f"{f', most at {self.busiest}' if objective.name == 'ram' and self.busiest else ''}"
            for objective, before, after in pairs
            if before is not None and after is not None
        ]
        return [ShownTable(_HEADINGS, tuple(map(_row, self.groups)), texts=(0, 6)), *ends]

    def _repr_html_(self) -> str:
        """What is printed, in a notebook."""
        return html_of(self.parts())


_HEADINGS = ("group", "channels", "spare", "width", "saves", "lost", "why")


def _row(group: PlannedGroup) -> tuple[Entry, ...]:
    others = len(group.owners) - 1
    return (
        Entry(f"{group.leader} +{others}" if others else group.leader),
        Entry(str(group.channels)),
        Entry(str(group.spare)),
        Entry(str(group.width), share=group.width / group.channels),
        Entry("-" if group.saves is None else str(group.saves)),
        Entry("-" if isnan(group.lost) else f"{100 * group.lost:.3g} %"),
        Entry(group.reason),
    )

"""Widths by what fewer channels would lose, where a run recorded that: what is spare, and budgets.

Ranks say how much of a width the data use; this says what those who read the channels would miss.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

from nasmon.analysis.run import Run
from nasmon.errors import UsageError
from nasmon.narrowing.choices import NOTHING, WidthChoices
from nasmon.narrowing.plan import Limits, PlannedGroup, WidthPlan
from nasmon.record.widths import WidthEvidence
from nasmon.widths.graph import WidthGroup


class Asked(NamedTuple):
    """What an advice is asked for, besides what is spare."""

    budgets: Mapping[str, float] = {}  # by the names of objectives, as for ``plan_widths``
    keep: Sequence[str] = ()
    min_width: int = 1
    round_to: int | None = None  # None for what suits what the advice rests on

    @property
    def limits(self) -> Limits:
        """What widths may be; by what is lost nothing need be rounded."""
        return Limits(self.keep, self.round_to or 1, self.min_width)

    @property
    def options(self) -> list[str]:
        """As options of ``train.shrink``; of two budgets to look at if none was given."""
        budgets = [text for name, most in self.budgets.items() for text in (f"--{name}", str(most))]
        return [*(budgets or ["--params", "0.5", "0.25"]), *self.limit_options]

    @property
    def limit_options(self) -> list[str]:
        """What widths may be, as options of ``train.shrink``."""
        found = ["--keep", *self.keep] if self.keep else []
        if self.min_width > 1:
            found += ["--min-width", str(self.min_width)]
        if self.round_to is not None:
            found += ["--round-to", str(self.round_to)]
        return found


class Plan(NamedTuple):
    """New widths for the model of a run."""

    plan: WidthPlan
    evidence: WidthEvidence

    def group(self, group: WidthGroup) -> PlannedGroup | None:
        """What is planned for a group; None for the model's input."""
        return next((one for one in self.plan.groups if one.leader == group.leader), None)

    def first(self, leader: str) -> float:
        """What is lost without the channel that is missed least; NaN if not known."""
        costs = next(one.costs for one in self.evidence.groups if one.leader == leader)
        return float(costs[-2])


def plan_of(run: Run, asked: Asked) -> Plan | None:
    """The plan for what is asked; None where the run does not tell what fewer channels would lose.

    Raises:
        UsageError: a budget that no widths meet or that cannot be; or one is asked for, and the run
            does not tell.
    """
    record, evidence = run.record, run.width_evidence
    if record is None or evidence is None:
        if asked.budgets or asked.keep:
            flag = next((f"--{name}" for name in asked.budgets), "--keep")
            raise UsageError(
                f"{flag} needs what fewer channels would lose: {'; '.join(_lacking(run))}"
            )
        return None
    choices = WidthChoices(record, evidence, asked.budgets, asked.limits)
    return Plan(choices.plan(choices.widths()), evidence)


def basis_of(run: Run, plan: Plan | None) -> str:
    """What the advice about widths rests on."""
    if plan is None:
        return f"Widths are judged by their layers' ranks: {_lacking(run)[0]}."
    return (
        f"Widths are judged by what their consumers would lose, over {plan.evidence.samples} "
        f"samples at step {plan.evidence.step:,}."
    )


def _lacking(run: Run) -> tuple[str, str]:
    """Why it is not known what fewer channels would lose, and what to do about it."""
    if run.record is not None and not run.record.owners:
        why = run.record.unknown_structure
        because = f" ({why})" if why else ""
        return (
            f"the record holds no structure of this model{because}",
            "use nasmon.shrink in Python",
        )
    record = run.absent("record")
    if record is not None:
        return "the model's record is not known", record.sentence
    if run.record is not None and run.record.status != "ended":
        state = _STATES.get(run.record.status, "did not end well")
        return (
            f"the run {state}, and what fewer channels would lose is recorded when one ends well",
            "wait for its end, or use nasmon.shrink in Python",
        )
    return run.absent("widths") or ("", "")


_STATES = {"running": "still goes on", "interrupted": "was interrupted", "failed": "failed"}


def planned_line(planned: PlannedGroup, plan: Plan, saves: str) -> str:
    """What is to be done with a group's width, and what it costs.

    Args:
        planned: the group.
        plan: of all groups.
        saves: what the change saves, as "452 parameters, ..."; "" if not known.
    """
    channels, width = planned.channels, planned.width
    if width == channels:
        return f"keep {channels}: {_kept(planned, plan)}"
    spare = (
        f"{planned.spare} {'is' if planned.spare == 1 else 'are'} spare" if planned.spare else ""
    )
    if isnan(planned.lost):
        lost = "what its consumers lose is not known"
    elif planned.lost > NOTHING:
        lost = f"its consumers lose {_share(planned.lost)} of their outputs before fine-tuning"
    else:
        lost = "its consumers lose nothing"
    why = f", and it is not to be narrower: {planned.reason}" if planned.reason else ""
    cost = f" (saves {saves})" if saves else ""
    return f"narrow {channels} -> {width}: {', '.join(filter(None, [spare, lost]))}{why}{cost}"


def _kept(planned: PlannedGroup, plan: Plan) -> str:
    if planned.reason:
        return planned.reason
    first = plan.first(planned.leader)
    if isnan(first):
        return (
            f"{plan.evidence.samples} samples are too few to tell what its consumers would lose; "
            "give the monitor more samples"
        )
    if planned.channels == 1:
        return "it is the only channel"
    return f"without one of them its consumers lose {_share(first)} of their outputs"


def _share(lost: float) -> str:
    return f"{100 * lost:.2g} %"

"""What is found out about a run: plain data, for texts, JSON and pages to lay out."""

from typing import Literal, NamedTuple

from nasmon.narrowing.plan import WidthPlan
from nasmon.widths.objectives import Amounts

Status = Literal["warning", "info", "good", "unknown"]
"""How a finding is marked: with the status signs of the text, and with colours elsewhere."""

Decision = Literal["reduce", "optimal", "regularize", "tweak", "undecided"]
"""Where the user's decision flow ends; "undecided" where the readings are not defined."""

Action = Literal["narrow", "keep", "fixed", "limited", "wait", "weak", "undefined"]
"""What to do with a layer's width: see ``LayerAdvice.action``."""


class Finding(NamedTuple):
    """One numbered section of the advice."""

    title: str  # such as "REDUNDANCY ANALYSIS"
    status: Status
    level: str  # such as "HIGH REDUNDANCY"
    metric: str  # the column it is about; "" for the overall recommendation
    value: float  # of the last reading; the change over the run for the dynamics; NaN
    evidence: str  # such as "final=0.743"
    lines: tuple[str, ...]  # what follows from it


class Verdict(NamedTuple):
    """The five findings in their order, and where the decision flow ends."""

    findings: tuple[Finding, ...]
    decision: Decision
    rule: str  # the rule that decided, with its numbers: "redundancy 0.743 > 0.7"


class Duplicate(NamedTuple):
    """Two channels of a layer that are near copies."""

    first: int
    second: int
    correlation: float


class LayerAdvice(NamedTuple):
    """One layer's latest metrics, and what to do with it."""

    layer: str
    kind: str
    channels: int
    redundancy: float
    correlation: float
    effective_rank: float
    rank_99: float
    dead: float
    rows: float
    settled: bool | None  # None with too few readings to tell
    action: Action
    # "narrow": to ``width``; "keep": the width is used; "fixed": not this layer's to choose
    # (the output, a width that follows another's); "limited": its input limits its rank;
    # "wait": not settled; "weak": too few rows; "undefined": no variance, or not finite
    width: int  # suggested; today's unless the action is "narrow"
    saving: Amounts  # of this change alone
    duplicates: tuple[Duplicate, ...]  # strongest first
    lines: tuple[str, ...]  # what to do and why, each with its evidence
    dead_indices: tuple[int, ...] = ()  # from 0; () where the spectra are not there
    duplicate_pairs: int = 0  # of which ``duplicates`` holds the strongest
    rank_limit: int | None = None  # the most directions its input lets it have, if that is few

    @property
    def todo(self) -> str:
        """What to do with it, in a word or three."""
        return f"narrow to {self.width}" if self.action == "narrow" else self.action


class Advice(NamedTuple):
    """What to do with each layer, and what all of it together would save."""

    layers: tuple[LayerAdvice, ...]  # in the model's order
    widths: dict[str, int]  # new widths by owner of a width, only those that change
    size: Amounts  # of the model today
    saving: Amounts  # of all changes together
    command: str | None  # to train with the new widths; None if nothing changes or it is not known
    shrink: str | None  # the command that makes a smaller model of this one; None if not known
    basis: str  # what the advice about widths rests on
    plan: WidthPlan | None  # by what fewer channels would lose; None where that is not known
    notes: tuple[str, ...]  # about all layers: weak estimates, files that are missing
    has_budget: bool = False  # whether the widths are for one
    spare: str | None = None  # the command that takes out what is spare, without a budget

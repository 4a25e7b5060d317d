"""Chooses new widths for a trained model: what its groups may have, and a plan for a budget."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from nasmon.narrowing.choices import WidthChoices
from nasmon.narrowing.plan import NO_LIMITS, Limits, WidthPlan
from nasmon.narrowing.seen import SAMPLES, Seen
from nasmon.values import checked, not_text, whole
from nasmon.widths.graph import WidthGroup


def plan_widths(
    model: keras.Model,
    data: Any = None,
    *,
    params: float | None = None,
    macs: float | None = None,
    flash: float | str | None = None,
    ram: float | str | None = None,
    keep: Sequence[str] = (),
    round_to: int = 1,
    min_width: int = 1,
    samples: int = SAMPLES,
    verbose: bool = True,
) -> WidthPlan:
    """New widths for a trained model.

    What is spare goes first. With budgets every group is then scaled alike, until all are met.

    Args:
        model: built and trained; it is left as it is.
        data: inputs, as ``Monitor`` takes them; labels are not needed. None to look at weights
            alone: nothing is then known to be spare, and nothing of what is lost.
        params: the most parameters: a number, or a share of today's (a float of at most 1).
        macs: likewise, of multiply-adds for one input.
        flash: likewise, of bytes of the model as a LiteRT file of 8-bit integers; or a text such as
            "64kB".
        ram: likewise, of bytes that are needed at once while that runs.
        keep: names, globs or /regular expressions/ of layers whose widths stay.
        round_to: widths are multiples of it.
        min_width: the least width.
        samples: of the data.
        verbose: whether to show how far it is where it takes long.

    Returns:
        The plan; ``print`` shows it as a table.

    Raises:
        UsageError: a budget that no widths meet, or an argument that cannot be.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
        >>> model = keras.Sequential(layers)
        >>> import numpy as np
        >>> plan = plan_widths(model, np.random.default_rng(0).normal(size=(64, 4)), params=0.5)
        >>> plan.after.params <= 0.5 * model.count_params()
        True
    """
    checked(NUMBERS, round_to=round_to, min_width=min_width, samples=samples)
    budgets = {"params": params, "macs": macs, "flash": flash, "ram": ram}
    limits = Limits(keep, round_to, min_width)
    choices = Choices(Seen(model, data, samples, verbose), budgets, limits, verbose)
    return choices.plan(choices.widths())


NUMBERS = dict.fromkeys(("round_to", "min_width", "samples"), not_text(whole(1)))
"""How the arguments that are numbers are read."""


class Choices(WidthChoices):
    """The widths that a model which is looked at may have within budgets.

    Args:
        seen: the model.
        budgets: as for ``WidthChoices``.
        limits: as for ``WidthChoices``.
        verbose: as for ``plan_widths``.

    Attributes:
        seen: the model.
    """

    def __init__(
        self,
        seen: Seen,
        budgets: Mapping[str, float | str | None],
        limits: Limits = NO_LIMITS,
        verbose: bool = False,
    ) -> None:
        super().__init__(seen.traced, _Shown(seen, verbose), budgets, limits)
        self.seen = seen


class _Shown(NamedTuple):
    """What a model's groups lose, with a bar where it takes long."""

    seen: Seen
    verbose: bool

    def costs(self, groups: Sequence[WidthGroup]) -> dict[str, np.ndarray]:
        return self.seen.costs(groups, self.verbose)

    def needed(self, groups: Sequence[WidthGroup]) -> dict[str, int]:
        return self.seen.needed(groups)

    def enough(self, groups: Sequence[WidthGroup]) -> dict[str, int]:
        return self.seen.enough(groups)

"""How many of its channels a layer needs: the one rule that the advice decides by.

Another rule is another value of ``NEED``: decisions, settling and sentences use it by its parts.
"""

from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd


class NeedRule(NamedTuple):
    """A need that is read off a layer's rows."""

    name: str  # what it is called in the evidence, and the column by layer that holds it

    def of(self, metrics: Mapping[str, float]) -> float:
        """Channels that a layer with those metrics needs; NaN where that is not defined."""
        return metrics[self.name]

    def over(self, rows: pd.DataFrame) -> "pd.Series[float]":
        """The need in each of a layer's rows."""
        return rows[self.name]

    def evidence(self, need: float, channels: int) -> str:
        """The sentence that tells it.

        Example:
            >>> NEED.evidence(14.0, 16)
            'rank_99 is 14 of 16'
        """
        return f"{self.name} is {need:.0f} of {channels}"


NEED = NeedRule("rank_99")
"""The directions that hold 99 % of the variance, one channel each."""

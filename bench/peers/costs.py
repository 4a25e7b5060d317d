"""From timed blocks to costs that can be compared, and the target."""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from bench.peers.schedule import EPOCH, STEPS, Pair, Variant

TARGET = 10
"""How many times dearer the others have to be."""


class Cost(NamedTuple):
    """What a monitor costs."""

    variant: Variant
    step: float  # seconds of a training step without it, in its own framework
    extra: float  # seconds that it adds to a step, on average
    quartiles: tuple[float, float]  # of ``extra``, over the rounds

    @property
    def measured(self) -> bool:
        """Whether it is above 0 in three quarters of the rounds; no monitor costs less."""
        return self.quartiles[0] > 0

    @property
    def share(self) -> float:
        """Of a training step."""
        return self.extra / self.step

    @property
    def layer_and_sample(self) -> float:
        """Seconds for each layer of each sample that it observes."""
        variant = self.variant
        return self.extra * variant.every / (variant.layers * variant.samples)


class Comparison(NamedTuple):
    """How many times dearer another monitor is than nasmon."""

    nasmon: Cost
    peer: Cost
    measure: str
    times: float

    @property
    def measured(self) -> bool:
        """Whether both costs rise above the noise: else their ratio means nothing."""
        return self.nasmon.measured and self.peer.measured

    @property
    def met(self) -> bool:
        """Whether it is measured, and as many times as we set out for."""
        return self.measured and self.times >= TARGET

    def __str__(self) -> str:
        own, peer = self.nasmon.variant, self.peer.variant
        found = (
            f"{self.times:.1f} times, target {TARGET}, {'met' if self.met else 'missed'}"
            if self.measured
            else "not measured, a cost is within the noise; take more rounds on a quieter machine"
        )
        return f"{self.measure}, {peer.monitor} ({peer.when}) over nasmon ({own.when}): {found}"


def cost_of(variant: Variant, pairs: Sequence[Pair]) -> Cost:
    """The median over the rounds: every block has the same observations in it.

    Args:
        variant: what was timed.
        pairs: at least 2 rounds of it.
    """
    extras = [_extra(variant, pair) for pair in pairs]
    low, middle, high = statistics.quantiles(extras, n=4, method="inclusive")
    step = statistics.median(pair.plain for pair in pairs) / STEPS
    return Cost(variant, step, middle, (low, high))


def compare(costs: Sequence[Cost]) -> list[Comparison]:
    """nasmon with Delve's default, and with NumPy at the same frequency and samples."""
    pairs = []
    for own in costs:
        if own.variant.monitor != "nasmon":
            continue
        for peer in costs:
            if _are_compared(own.variant, peer.variant):
                pairs.append((own, peer))
    return [
        Comparison(own, peer, measure, getattr(peer, name) / getattr(own, name))
        for own, peer in pairs
        for measure, name in (
            ("a layer and sample", "layer_and_sample"),
            ("share of a step", "share"),
        )
    ]


def _extra(variant: Variant, pair: Pair) -> float:
    """Seconds that the monitor adds to a step, as it is used."""
    observed = STEPS / variant.every_in_block
    an_observation = (pair.watched.block - pair.plain) / observed
    return an_observation / variant.every + pair.watched.concluding / EPOCH


def _are_compared(own: Variant, peer: Variant) -> bool:
    if peer.monitor == "Delve":
        return peer.every == 1 and "all rows" not in own.when
    return peer.monitor == "NumPy" and peer.when == own.when

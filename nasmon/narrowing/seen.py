"""A model with what its data show of it, looked at once for all that is decided about it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from nasmon.kernels.selection import Order
from nasmon.narrowing.choices import needed_of
from nasmon.narrowing.choosing import Remaining, kept_of, order_of
from nasmon.narrowing.evidence import Gathering, Received
from nasmon.narrowing.progress import SlowBar
from nasmon.narrowing.traced import Inlet, Traced, follow_model
from nasmon.probe_set import probe_set
from nasmon.widths.graph import WidthGroup

SAMPLES, CHUNK = 512, 64
"""Of the data, and of a forward pass: as batch normalizations are averaged over these, no fewer
than a training's batches have."""


class InTurn(NamedTuple):
    """How a group is judged when its turn comes."""

    received: Mapping[Inlet, Received] | None  # by its consumers
    order: Order


class Judged:
    """A model's groups, by what those lose who read them.

    Args:
        traced: the model, followed.
        received: by layer what consumers receive; None without data.
    """

    def __init__(self, traced: Traced, received: dict[Inlet, Received] | None) -> None:
        self.traced, self.received = traced, received
        self._orders: dict[str, Order] = {}
        self._in_turn: dict[tuple[str, ...], dict[str, InTurn]] = {}

    def order(self, group: WidthGroup) -> Order:
        """A group's channels by what is lost without them, all others whole; worked out once."""
        if group.leader not in self._orders:
            self._orders[group.leader] = order_of(self.traced, group, self.received)
        return self._orders[group.leader]

    def costs(self, groups: Sequence[WidthGroup], verbose: bool = False) -> dict[str, np.ndarray]:
        """By leader what groups lose at each width; shows how far it is where that takes long."""
        bar = SlowBar(len(groups), "group") if verbose else None
        found = {}
        for number, group in enumerate(groups, start=1):
            found[group.leader] = self.order(group).costs
            if bar is not None:
                bar.done(number)
        return found

    def needed(self, groups: Sequence[WidthGroup]) -> dict[str, int]:
        """By leader how many channels lose nothing, if all of these groups have so many."""
        together = self._together(groups)
        return {leader: needed_of(one.order.costs) for leader, one in together.items()}

    def alive(self, widths: Mapping[str, int]) -> np.ndarray:
        """Which of the model's channels to keep, [numbers] bool.

        Args:
            widths: by leader; groups that are left out stay.
        """
        groups = [g for g in self.traced.groups if widths.get(g.leader, g.channels) != g.channels]
        together = self._together(groups)
        kept = {
            group.leader: kept_of(self.traced, group, widths[group.leader], *together[group.leader])
            for group in groups
        }
        return self.traced.alive(kept)

    def _together(self, groups: Sequence[WidthGroup]) -> dict[str, InTurn]:
        """By leader how a group is judged without what is spare of those before it: two that are
        put side by side may each stand in for the other, and only one of them can go.
        """
        leaders = tuple(group.leader for group in groups)
        if leaders in self._in_turn:
            return self._in_turn[leaders]
        remaining, found = Remaining(self.traced, self.received), dict[str, InTurn]()
        for group in groups:
            order = self.order(group)
            # with less of the others it needs no fewer
            if needed_of(order.costs) < group.channels and not remaining.is_whole_for(group):
                order = order_of(self.traced, group, remaining.received)
            found[group.leader] = InTurn(remaining.received, order)
            count = needed_of(order.costs)
            if count < group.channels:
                remaining.keep(group, order.channels[:count])
        self._in_turn[leaders] = found
        return found


class Seen(Judged):
    """A model with what its consumers receive of data.

    Args:
        model: built.
        data: inputs, as ``Monitor`` takes them; None for nothing but the model's weights.
        samples: of the data.

    Attributes:
        traced: the model, followed.
        probe: the samples; None without data.
        received: by layer what consumers receive of them; None without data.
    """

    def __init__(self, model: keras.Model, data: Any, samples: int = SAMPLES) -> None:
        self.probe = None if data is None else probe_set(data, samples, _chunk_of(model))
        if self.probe is None:
            super().__init__(follow_model(model), None)
        else:
            gathering = Gathering(model, self.probe)
            super().__init__(gathering.traced, gathering.received())

    @property
    def inputs(self) -> Any:
        """A chunk of inputs; None without data."""
        return None if self.probe is None else self.probe.chunks[0]


def _chunk_of(model: keras.Model) -> int:
    """How many samples a forward pass takes: as many as the model does, if it says so."""
    inputs = keras.tree.flatten(getattr(model, "_inputs_struct", None))
    return next((one.shape[0] for one in inputs if one is not None and one.shape[0]), CHUNK)

"""A model with what its data show of it, looked at once for all that is decided about it."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from nasmon.kernels.selection import Order
from nasmon.narrowing.choosing import kept_of, order_of
from nasmon.narrowing.evidence import gather
from nasmon.narrowing.progress import SlowBar
from nasmon.narrowing.traced import follow_model
from nasmon.probe_set import probe_set
from nasmon.widths.graph import WidthGroup

SAMPLES, CHUNK = 512, 64
"""Of the data, and of a forward pass: as batch normalizations are averaged over these, no fewer
than a training's batches have."""


class Seen:
    """A model, followed, with what its consumers receive of data.

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
        self.traced = follow_model(model, self.inputs)
        self.received = None if self.probe is None else gather(self.traced, self.probe)
        self._orders: dict[str, Order] = {}

    @property
    def inputs(self) -> Any:
        """A chunk of inputs; None without data."""
        return None if self.probe is None else self.probe.chunks[0]

    def order(self, group: WidthGroup) -> Order:
        """A group's channels by what is lost without them, worked out once."""
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

    def alive(self, widths: Mapping[str, int]) -> np.ndarray:
        """Which of the model's channels to keep, [numbers] bool.

        Args:
            widths: by leader; groups that are left out stay.
        """
        kept = {
            group.leader: kept_of(
                self.traced, group, widths[group.leader], self.received, self.order(group)
            )
            for group in self.traced.groups
            if widths.get(group.leader, group.channels) != group.channels
        }
        return self.traced.alive(kept)


def _chunk_of(model: keras.Model) -> int:
    """How many samples a forward pass takes: as many as the model does, if it says so."""
    inputs = keras.tree.flatten(getattr(model, "_inputs_struct", None))
    return next((one.shape[0] for one in inputs if one is not None and one.shape[0]), CHUNK)

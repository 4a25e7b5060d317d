"""Which channels of a group to keep: by what its consumers lose, or by the size of its weights."""

from collections.abc import Mapping
from copy import copy

import numpy as np

from nasmon.kernels.orders import beyond_rows, in_blocks
from nasmon.kernels.selection import Order, leaving, swapped
from nasmon.narrowing.evidence import Received, consumers_of
from nasmon.narrowing.layer_weights import sums_by_channel, value_of
from nasmon.narrowing.traced import Inlet, Traced
from nasmon.widths.graph import WidthGroup
from nasmon.widths.layer_rules import axes_of, blocks_of

SWAPPED_UP_TO = 128
"""Channels of a group up to which single exchanges are tried: they take its cube for each."""


def order_of(traced: Traced, group: WidthGroup, received: Mapping[Inlet, Received] | None) -> Order:
    """A group's channels by what is lost without them.

    Args:
        traced: the model.
        group: one of its groups.
        received: what consumers receive; by the size of weights if None.
    """
    consumers = consumers_of(traced, group, received) if received else []
    if consumers:
        order = in_blocks(consumers, leaving(consumers), group.blocks)
        return beyond_rows(consumers, order, group.blocks)
    sizes = _weight_sizes(traced, group)
    unknown = np.append(np.full(group.channels, np.nan), 0.0)
    by_size = Order(np.argsort(-sizes, kind="stable"), unknown)
    return in_blocks([], by_size, group.blocks)


class Remaining:
    """What consumers receive when groups are narrowed, one after another.

    Args:
        traced: the model.
        received: what its consumers receive of all channels; None if not known.

    Attributes:
        received: what they receive of those that are left.
    """

    def __init__(self, traced: Traced, received: Mapping[Inlet, Received] | None) -> None:
        self._traced, self.received = traced, received
        self._alive = traced.alive({})
        self._lacking = frozenset[Inlet]()  # channels of some group

    def is_whole_for(self, group: WidthGroup) -> bool:
        """Whether a group's consumers still receive all of the others."""
        own, received = self._traced.numbers(group), self.received or {}
        return not any(np.isin(received[one].channels, own).any() for one in self._lacking)

    def without(self, group: WidthGroup, kept: np.ndarray) -> "Remaining":
        """The same with a group narrowed.

        Args:
            group: the group.
            kept: [k] int, its channels to keep.
        """
        less = copy(self)
        own, received = self._traced.numbers(group), dict(self.received or {})
        less._alive = self._alive.copy()
        less._alive[own] = False
        less._alive[own[:, kept]] = True
        for inlet, one in received.items():
            of_group = np.isin(one.channels, own)
            # of a consumer of this group alone there is nothing else to judge
            if of_group.any() and not of_group.all():
                blocks = blocks_of(self._traced.layers[inlet.layer])
                received[inlet] = one.narrowed(less._alive, blocks)
                less._lacking |= {inlet}
        less.received = received or None
        return less


def kept_of(
    traced: Traced,
    group: WidthGroup,
    width: int,
    received: Mapping[Inlet, Received] | None,
    order: Order,
) -> np.ndarray:
    """The channels to keep of a group, ascending, [width] int."""
    kept = np.sort(order.channels[:width])
    if not received or group.channels > SWAPPED_UP_TO:
        return kept
    consumers = consumers_of(traced, group, received)
    return swapped(consumers, kept, group.blocks) if consumers else kept


def _weight_sizes(traced: Traced, group: WidthGroup) -> np.ndarray:
    """The root of the sum of squares of all weights that make each channel, [C] float64."""
    squares = np.zeros(group.channels)
    for name in group.owners:
        for weight in traced.layers[name].weights:
            axis = axes_of(traced.layers[name], weight).output
            if axis is not None:
                value = value_of(weight).astype(np.float64)
                squares += sums_by_channel(traced.layers[name], value**2, axis, group.channels)
    return np.sqrt(squares)

"""Which channels of a group to keep: by what its consumers lose, or by the size of its weights."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from nasmon.kernels.selection import Order, leaving, swapped
from nasmon.narrowing.evidence import Received, consumers_of
from nasmon.narrowing.traced import Traced
from nasmon.widths.graph import WidthGroup
from nasmon.widths.layer_rules import Axes, rule_of

SWAPPED_UP_TO = 128
"""Channels of a group up to which single exchanges are tried: they take its cube for each."""


def order_of(traced: Traced, group: WidthGroup, received: Mapping[str, Received] | None) -> Order:
    """A group's channels by what is lost without them.

    Args:
        traced: the model.
        group: one of its groups.
        received: what consumers receive; by the size of weights if None.
    """
    consumers = list(consumers_of(traced, group, received).values()) if received else []
    if consumers:
        return leaving(consumers)
    sizes = _weight_sizes(traced, group)
    unknown = np.append(np.full(group.channels, np.nan), 0.0)
    return Order(np.argsort(-sizes, kind="stable"), unknown)


def orders_of(traced: Traced, received: Mapping[str, Received] | None) -> dict[str, Order]:
    """As ``order_of``, by leader, of all groups whose width can be chosen."""
    return {
        group.leader: order_of(traced, group, received)
        for group in traced.groups
        if not group.fixed_by
    }


def kept_of(
    traced: Traced,
    group: WidthGroup,
    width: int,
    received: Mapping[str, Received] | None,
    order: Order | None = None,
) -> np.ndarray:
    """The channels to keep of a group, ascending, [width] int; ``order`` if it is known."""
    if width == group.channels:
        return np.arange(width)
    order = order or order_of(traced, group, received)
    kept = np.sort(order.channels[:width])
    if not received or group.channels > SWAPPED_UP_TO:
        return kept
    consumers = list(consumers_of(traced, group, received).values())
    return swapped(consumers, kept) if consumers else kept


def alive_channels(
    traced: Traced,
    groups: Sequence[WidthGroup],
    widths: Mapping[str, int],
    received: Mapping[str, Received] | None,
    orders: Mapping[str, Order] | None = None,
) -> np.ndarray:
    """Which of a model's channels to keep, [numbers] bool.

    Args:
        traced: the model.
        groups: all of its groups.
        widths: by leader; groups that are left out stay.
        received: as for ``order_of``.
        orders: from ``orders_of``, if they are known.
    """
    alive = np.ones(sum(owner.channels for owner in traced.owners), bool)
    for group in groups:
        if group.leader in widths:
            numbers = traced.numbers(group)
            alive[numbers] = False
            order = (orders or {}).get(group.leader)
            kept = kept_of(traced, group, widths[group.leader], received, order)
            alive[numbers[:, kept]] = True
    return alive


def _weight_sizes(traced: Traced, group: WidthGroup) -> np.ndarray:
    """The root of the sum of squares of all weights that make each channel, [C] float64."""
    squares = np.zeros(group.channels)
    for name in group.owners:
        rule = rule_of(traced.layers[name])
        for weight in traced.layers[name].weights:
            axis = (rule.weights if rule else {}).get(weight.name, Axes()).output
            if axis is not None:
                value = np.asarray(keras.ops.convert_to_numpy(weight), np.float64)
                squares += np.sum(np.moveaxis(value, axis, 0).reshape(group.channels, -1) ** 2, 1)
    return np.sqrt(squares)

"""A narrower model out of a trained one, with its weights carried over."""

from collections.abc import Mapping
from typing import Any

import keras

from nasmon.errors import UsageError
from nasmon.kernels.selection import Order
from nasmon.narrowing.carry import carry
from nasmon.narrowing.choosing import alive_channels
from nasmon.narrowing.evidence import Received, gather
from nasmon.narrowing.plan import CHUNK, SAMPLES, WidthPlan
from nasmon.narrowing.rebuild import Build, rebuilt
from nasmon.narrowing.recalibrate import recalibrate
from nasmon.narrowing.traced import Traced, follow_model
from nasmon.probe_set import ProbeSet, probe_set
from nasmon.values import whole


def narrow(
    model: keras.Model,
    plan: WidthPlan | Mapping[str, int],
    data: Any = None,
    *,
    build: Build | None = None,
    samples: int = SAMPLES,
) -> keras.Model:
    """A model of the same kind with other widths, its weights carried over; this one stays.

    Of each group those channels stay without which its consumers lose most; in their kernels those
    stand in for the others by least squares, and biases for their mean. Then statistics of batch
    normalizations are computed anew.

    Args:
        model: built and trained: functional, sequential, or subclassed with ``build``.
        plan: from ``plan_widths``, or widths by layer: those tied to one are narrowed with it.
        data: inputs, as ``Monitor`` takes them. Without, the channels with the largest weights stay
            and nothing stands in for the others: most models have to be trained again then.
        build: makes a subclassed model anew, unbuilt; see ``rebuild``.
        samples: of the data.

    Returns:
        A model with the same layer names, compiled like this one.

    Raises:
        UsageError: a width that cannot be, or a model that cannot be made anew.

    Example:
        >>> layers = [keras.Input((4,)), keras.layers.Dense(8, name="a"), keras.layers.Dense(2)]
        >>> narrow(keras.Sequential(layers), {"a": 3}).count_params()
        23
    """
    probe = None if data is None else probe_set(data, samples, CHUNK)
    traced = follow_model(model, None if probe is None else probe.chunks[0])
    received = None if probe is None else gather(traced, probe)
    widths = plan.widths if isinstance(plan, WidthPlan) else plan
    return narrowed(traced, widths, received, probe, build)


def narrowed(
    traced: Traced,
    widths: Mapping[str, int],
    received: Mapping[str, Received] | None,
    probe: ProbeSet | None,
    build: Build | None = None,
    orders: Mapping[str, Order] | None = None,
) -> keras.Model:
    """As ``narrow``, of a model that is traced and whose data are seen."""
    leaders = _by_leader(traced, widths)
    alive = alive_channels(traced, traced.groups, leaders, received, orders)
    x = None if probe is None else probe.chunks[0]
    small = rebuilt(traced, alive, build, x)
    carry(traced, small, alive, received)
    if probe is not None:
        recalibrate(small, probe)
    return small


def _by_leader(traced: Traced, widths: Mapping[str, int]) -> dict[str, int]:
    """Widths by leader of the groups that they are of.

    Raises:
        UsageError: one of no layer that has a width, or that cannot be its width.
    """
    groups = {owner: group for group in traced.groups for owner in group.owners}
    found: dict[str, int] = {}
    for name, width in widths.items():
        if name not in groups:
            raise UsageError(
                f"widths has {name!r}, which owns no width; there are {', '.join(groups)}"
            )
        group = groups[name]
        try:
            number = whole(1, group.channels)(width)
        except UsageError as error:
            raise UsageError(f"the width of {name!r} is {width!r}; {error}") from None
        if group.fixed_by and number != group.channels:
            raise UsageError(
                f"the width of {name!r} is {number}, but it has to stay {group.channels}: "
                f"{group.fixed_by} fixes it"
            )
        if found.setdefault(group.leader, number) != number:
            raise UsageError(
                f"the width of {name!r} is {number}, but it is tied to {group.leader!r}, which is "
                f"to have {found[group.leader]}; give both the same"
            )
    return found

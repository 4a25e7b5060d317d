"""A narrower model out of a trained one, with its weights carried over."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from nasmon.errors import UsageError
from nasmon.narrowing.carry import carry
from nasmon.narrowing.plan import WidthPlan
from nasmon.narrowing.rebuild import Build, rebuilt
from nasmon.narrowing.recalibrate import recalibrate
from nasmon.narrowing.seen import SAMPLES, Seen
from nasmon.narrowing.traced import Traced
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
    widths = plan.widths if isinstance(plan, WidthPlan) else plan
    return narrowed(Seen(model, data, samples), widths, build)


def narrowed(seen: Seen, widths: Mapping[str, int], build: Build | None = None) -> keras.Model:
    """As ``narrow``, of a model that is looked at, by widths of layers."""
    return carried_over(seen, seen.alive(_by_leader(seen.traced, widths)), build)


def carried_over(
    seen: Seen, alive: np.ndarray, build: Build | None = None, compensate: bool = True
) -> keras.Model:
    """A model with some of another's channels, their weights carried over.

    Args:
        seen: the other model.
        alive: [numbers] bool, which of its channels to keep.
        build: as for ``narrow``.
        compensate: whether what is kept is to stand in for what is gone.
    """
    small = rebuilt(seen.traced, alive, build, seen.inputs)
    carry(seen.traced, small, alive, seen.received if compensate else None)
    if seen.probe is not None and not alive.all():
        recalibrate(small, seen.probe)
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
        if number % group.blocks:
            raise UsageError(
                f"the width of {name!r} is {number}, but it is convolved in groups; use a multiple "
                f"of {group.blocks}"
            )
        if found.setdefault(group.leader, number) != number:
            raise UsageError(
                f"the width of {name!r} is {number}, but it is tied to {group.leader!r}, which is "
                f"to have {found[group.leader]}; give both the same"
            )
    return found

"""A model with what its data show of it, looked at once for all that is decided about it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from nasmon.kernels.rows import ROWS_PER_CHANNEL
from nasmon.kernels.selection import Order
from nasmon.narrowing.choices import NOTHING, SPARE, needed_of
from nasmon.narrowing.choosing import Remaining, kept_of, order_of
from nasmon.narrowing.evidence import Gathering, Received, consumers_of
from nasmon.narrowing.traced import Inlet, Traced, follow_model
from nasmon.probe_set import probe_set
from nasmon.progress import Progress
from nasmon.widths.graph import WidthGroup

SAMPLES, CHUNK = 512, 64
"""Of the data, and of a forward pass: as batch normalizations are averaged over these, no fewer
than a training's batches have."""


Gone = tuple[tuple[str, int], ...]
"""Leaders of groups that channels are gone of, and how many are left."""


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
        self._remaining: dict[Gone, Remaining] = {(): Remaining(traced, received)}
        self._orders: dict[tuple[Gone, str], Order] = {}

    def order(self, group: WidthGroup) -> Order:
        """A group's channels by what is lost without them, all others whole; worked out once."""
        return self._order_without((), group)

    def costs(self, groups: Sequence[WidthGroup], verbose: bool = False) -> dict[str, np.ndarray]:
        """By leader what groups lose at each width; shows how far it is where that takes long."""
        found = {}
        done = f"weighed the channels of {len(groups)} groups"
        with Progress(done, verbose, len(groups), alike=True) as progress:
            for group in groups:
                progress.begin(f"weighing the channels of {group.leader}")
                found[group.leader] = self.order(group).costs
        return found

    def needed(self, groups: Sequence[WidthGroup]) -> dict[str, int]:
        """By leader how many channels lose nothing, if all of these groups have so many."""
        return self._counts(groups, lambda _: NOTHING)

    def enough(self, groups: Sequence[WidthGroup], most: float = SPARE) -> dict[str, int]:
        """By leader how many lose no more than is spare, if all of these groups have so many.

        Of few rows some channels make up what others are by chance: then none is spare but those
        without which nothing is lost.

        Args:
            groups: in turn.
            most: the share that may be lost.
        """
        return self._counts(groups, lambda group: most if self._is_sure_of(group) else NOTHING)

    def alive(self, widths: Mapping[str, int]) -> np.ndarray:
        """Which of the model's channels to keep, [numbers] bool.

        Args:
            widths: by leader; groups that are left out stay.
        """

        def before_the_next(group: WidthGroup, costs: np.ndarray) -> int:
            width = widths[group.leader]
            # what is cut deeper is for the training to win back, alike for all groups
            return width if costs[width] <= SPARE else needed_of(costs)

        groups = [g for g in self.traced.groups if widths.get(g.leader, g.channels) != g.channels]
        together = self._together(groups, before_the_next)
        kept = {
            group.leader: kept_of(self.traced, group, widths[group.leader], *together[group.leader])
            for group in groups
        }
        return self.traced.alive(kept)

    def _counts(
        self, groups: Sequence[WidthGroup], most: Callable[[WidthGroup], float]
    ) -> dict[str, int]:
        shares = {group.leader: most(group) for group in groups}
        together = self._together(groups, lambda one, costs: needed_of(costs, shares[one.leader]))
        return {
            leader: needed_of(one.order.costs, shares[leader]) for leader, one in together.items()
        }

    def _is_sure_of(self, group: WidthGroup) -> bool:
        consumers = consumers_of(self.traced, group, self.received or {})
        return all(one.rows >= ROWS_PER_CHANNEL * len(one.covariance) for one in consumers)

    def _together(
        self, groups: Sequence[WidthGroup], left_of: Callable[[WidthGroup, np.ndarray], int]
    ) -> dict[str, InTurn]:
        """By leader how a group is judged without what goes of those before it: two that are put
        side by side may each stand in for the other, and only one of them can go.

        Args:
            groups: in turn.
            left_of: how many channels of a group, with such costs, are left to the next.
        """
        gone: Gone = ()
        found = dict[str, InTurn]()
        for group in groups:
            remaining, order = self._remaining[gone], self.order(group)
            # with less of the others it needs no fewer
            if left_of(group, order.costs) < group.channels and not remaining.is_whole_for(group):
                order = self._order_without(gone, group)
            found[group.leader] = InTurn(remaining.received, order)
            count = left_of(group, order.costs)
            if count < group.channels:
                gone = (*gone, (group.leader, count))
                if gone not in self._remaining:
                    self._remaining[gone] = remaining.without(group, order.channels[:count])
        return found

    def _order_without(self, gone: Gone, group: WidthGroup) -> Order:
        if (gone, group.leader) not in self._orders:
            received = self._remaining[gone].received
            self._orders[gone, group.leader] = order_of(self.traced, group, received)
        return self._orders[gone, group.leader]


class Seen(Judged):
    """A model with what its consumers receive of data.

    Args:
        model: built.
        data: inputs, as ``Monitor`` takes them; None for nothing but the model's weights.
        samples: of the data.
        verbose: whether to show what it does where that takes long.

    Attributes:
        traced: the model, followed.
        probe: the samples; None without data.
        received: by layer what consumers receive of them; None without data.
    """

    def __init__(
        self, model: keras.Model, data: Any, samples: int = SAMPLES, verbose: bool = False
    ) -> None:
        with Progress(f"looked at {model.name}", verbose, 3) as progress:
            progress.begin("reading the samples")
            self.probe = None if data is None else probe_set(data, samples, _chunk_of(model))
            progress.begin(f"tracing {model.name}")
            if self.probe is None:
                super().__init__(follow_model(model), None)
            else:
                gathering = Gathering(model, self.probe)
                progress.begin(f"running {self.probe.samples} samples through it")
                super().__init__(gathering.traced, gathering.received())

    @property
    def inputs(self) -> Any:
        """A chunk of inputs; None without data."""
        return None if self.probe is None else self.probe.chunks[0]


def _chunk_of(model: keras.Model) -> int:
    """How many samples a forward pass takes: as many as the model does, if it says so."""
    inputs = keras.tree.flatten(getattr(model, "_inputs_struct", None))
    return next((one.shape[0] for one in inputs if one is not None and one.shape[0]), CHUNK)

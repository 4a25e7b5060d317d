"""What narrower widths can save: the one table of objectives, iterated as ``METRICS`` is.

It needs no TensorFlow. The advice, its JSON and the acceptance of a change iterate ``OBJECTIVES``.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from nasmon.widths.graph import Cost, Owner, changed_cost


class Costed(Protocol):
    """A model whose costs are known, as a run's record tells them."""

    @property
    def params(self) -> int:
        """Parameters of the whole model."""

    @property
    def macs(self) -> int | None:
        """Multiply-adds of the whole model for one input; None if not known."""

    @property
    def owners(self) -> tuple[Owner, ...]:
        """The owners of widths."""

    @property
    def costs(self) -> tuple[Cost, ...]:
        """The costs of layers."""


class Objective(NamedTuple):
    """Something of which a smaller model has less."""

    name: str  # as in files and in JSON
    unit: str  # how an amount is said: "452 parameters"
    today: Callable[[Costed], int | None]  # of the whole model as it is; None if not known
    total: Callable[[Costed, Mapping[str, int]], int | None]  # with new widths by owner


class Amounts(tuple[int | None, ...]):
    """An amount for each of ``OBJECTIVES``, in their order; None where it is not known.

    Each is an attribute, too, by its objective's name.

    Example:
        >>> Amounts((452, None)).params
        452
    """

    def __getattr__(self, name: str) -> int | None:
        for objective, amount in zip(OBJECTIVES, self, strict=False):
            if objective.name == name:
                return amount
        raise AttributeError(f"no objective is called {name!r}")

    def by_name(self) -> dict[str, int | None]:
        """The amounts by the names of their objectives."""
        return {one.name: amount for one, amount in zip(OBJECTIVES, self, strict=True)}


def _sum_of_layers(
    today: Callable[[Costed], int | None], part: Callable[[Cost], Mapping[str, int]]
) -> Callable[[Costed, Mapping[str, int]], int | None]:
    """The total of what each layer has its part of; layers that are not known count as they are."""

    def total(model: Costed, widths: Mapping[str, int]) -> int | None:
        whole = today(model)
        if whole is None:
            return None
        before = {owner.name: owner.channels for owner in model.owners}
        after = {**before, **widths}
        changes = (changed_cost(cost, part(cost), before, after) for cost in model.costs)
        return round(sum(changes, whole))

    return total


def _params(model: Costed) -> int | None:
    return model.params


def _macs(model: Costed) -> int | None:
    return model.macs


OBJECTIVES: tuple[Objective, ...] = (
    Objective("params", "parameters", _params, _sum_of_layers(_params, lambda cost: cost.params)),
    Objective("macs", "multiply-adds", _macs, _sum_of_layers(_macs, lambda cost: cost.macs)),
)

UNKNOWN = Amounts([None] * len(OBJECTIVES))
"""Where nothing is known of a model."""


def sizes(model: Costed | None) -> Amounts:
    """What a model has of each objective today; ``UNKNOWN`` of no model."""
    return UNKNOWN if model is None else Amounts(one.today(model) for one in OBJECTIVES)


def totals(model: Costed, widths: Mapping[str, int]) -> Amounts:
    """What the whole model has of each objective with other widths.

    Args:
        model: with its structure.
        widths: new widths by owner; owners that are left out keep theirs. For a sensible model all
            owners of a group have one.

    Raises:
        UsageError: a cost names an owner that is not there.

    Example:
        >>> from types import SimpleNamespace
        >>> kernel = {"in_out": 32, "in": 0, "out": 8, "fixed": 0}
        >>> cost = Cost("conv", (), (("conv", 1),), params=kernel, macs=kernel)
        >>> owners = (Owner("conv", 8, "", ""),)
        >>> model = SimpleNamespace(params=40, macs=None, owners=owners, costs=(cost,))
        >>> totals(model, {"conv": 4}).params
        20
    """
    return Amounts(one.total(model, widths) for one in OBJECTIVES)


def savings(before: Iterable[int | None], after: Iterable[int | None]) -> Amounts:
    """What is saved from one to the other; None where either is not known."""
    pairs = zip(before, after, strict=True)
    return Amounts(None if a is None or b is None else a - b for a, b in pairs)

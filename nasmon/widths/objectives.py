"""What narrower widths can save: the one table of objectives, iterated as ``METRICS`` is.

Parameters and multiply-adds are those of the model; flash and RAM what it takes as a LiteRT file of
8-bit integers, and while it runs.

It needs no TensorFlow. The advice, its JSON and the acceptance of a change iterate ``OBJECTIVES``.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

from nasmon.widths.graph import Cost, Owner, changed_cost, channels_of, damaged
from nasmon.widths.int8 import Int8Program


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

    @property
    def int8(self) -> Int8Program | None:
        """The model as a small device runs it; None where that is not known."""


class Objective(NamedTuple):
    """Something of which a smaller model has less."""

    name: str  # as in files and in JSON
    unit: str  # how an amount is said: "452 parameters"
    today: Callable[[Costed], int | None]  # of the whole model as it is; None if not known
    total: Callable[[Costed, Mapping[str, int]], int | None]  # with new widths by owner
    of_layers: bool = True  # whether it is the sum of what layers have, and said of each
    in_bytes: bool = False


class Amounts(tuple[int | None, ...]):
    """An amount for each of ``OBJECTIVES``, in their order; None where it is not known.

    Each is an attribute, too, by its objective's name.

    Example:
        >>> Amounts((452, None, None, None)).params
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
        before = channels_of(model.owners)
        after = {**before, **widths}
        changes = (changed_cost(cost, part(cost), before, after) for cost in model.costs)
        return round(sum(changes, whole))

    return total


def _params(model: Costed) -> int | None:
    return model.params


def _macs(model: Costed) -> int | None:
    return model.macs


def _on_device(
    size: Callable[[Int8Program, Mapping[str, int], Mapping[str, int]], int],
) -> tuple[Callable[[Costed], int | None], Callable[[Costed, Mapping[str, int]], int | None]]:
    """The amount today and with new widths of what a small device has."""

    def total(model: Costed, widths: Mapping[str, int]) -> int | None:
        if model.int8 is None:
            return None
        before = channels_of(model.owners)
        try:
            return size(model.int8, before, {**before, **widths})
        except (KeyError, IndexError) as error:
            raise damaged(f"its int8 program ({type(error).__name__}: {error})") from None

    return lambda model: total(model, {}), total


OBJECTIVES: tuple[Objective, ...] = (
    Objective("params", "parameters", _params, _sum_of_layers(_params, lambda cost: cost.params)),
    Objective("macs", "multiply-adds", _macs, _sum_of_layers(_macs, lambda cost: cost.macs)),
    Objective("flash", "bytes of flash", *_on_device(Int8Program.flash), False, True),
    Objective("ram", "bytes of RAM", *_on_device(Int8Program.ram), False, True),
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
        >>> model = SimpleNamespace(
        ...     params=40, macs=None, owners=owners, costs=(cost,), int8=None
        ... )
        >>> totals(model, {"conv": 4}).params
        20
    """
    return Amounts(one.total(model, widths) for one in OBJECTIVES)


def busiest_of(model: Costed, widths: Mapping[str, int]) -> str:
    """The layer at which a model needs most RAM with new widths by owner; "" if not known."""
    before = channels_of(model.owners)
    return model.int8.peak(before, {**before, **widths}).layer if model.int8 else ""


def savings(before: Iterable[int | None], after: Iterable[int | None]) -> Amounts:
    """What is saved from one to the other; None where either is not known."""
    pairs = zip(before, after, strict=True)
    return Amounts(None if a is None or b is None else a - b for a, b in pairs)

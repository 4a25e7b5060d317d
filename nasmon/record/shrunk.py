"""How a model was made smaller, ``<stem>_shrunk.json``: what was chosen, and what came of it.

Nothing here needs TensorFlow.
"""

from pathlib import Path
from typing import Any, NamedTuple

from nasmon.narrowing.plan import PlannedGroup, WidthPlan
from nasmon.record.json_file import JsonFile, from_folder, relative, with_nan, without_nan
from nasmon.widths.objectives import OBJECTIVES, Amounts

SHRUNK = JsonFile(
    "nasmon shrunk",
    1,
    "does not tell how a model was shrunk",
    "remove it to go on without what the model was made from",
)


class CurvePoint(NamedTuple):
    """What uniform widths of some size would lose."""

    params: int
    lost: float  # shares of consumers' outputs, summed over groups, before fine-tuning


class Int8Record(NamedTuple):
    """Both models in 8-bit integers."""

    before: dict[str, float]  # metrics on validation data
    after: dict[str, float]
    flash: int  # bytes of the smaller one's file
    ram: int  # bytes of the tensors that it needs at once


class RivalRecord(NamedTuple):
    """Another way to a model as small, trained and judged alike."""

    name: str
    metrics: dict[str, float]
    words: str


class ShrunkRecord(NamedTuple):
    """Everything about one smaller model."""

    model: Path  # that it was made from
    csv: Path | None  # that one's run, if it is known
    params: int  # of the smaller model, by which it is known
    budgets: dict[str, float]  # as they were given
    plan: WidthPlan
    curve: tuple[CurvePoint, ...]
    before: dict[str, float]  # metrics on validation data: of the original
    carried: dict[str, float]  # of the smaller model before it was trained
    after: dict[str, float]  # and after that
    accepted: bool | None
    decided_by: str
    searched: str | None  # what a search came to; None without one
    won: bool | None
    epochs: int
    seconds: dict[str, float]
    int8: Int8Record | None = None  # where the models were judged as 8-bit integers
    rivals: tuple[RivalRecord, ...] = ()  # where they were trained
    trainings: tuple[dict[str, float], ...] = ()  # metrics after each, with a seed of its own


def write_shrunk(path: Path, record: ShrunkRecord) -> None:
    """Writes a record; one already there is replaced only when the new one is whole."""
    tree = {
        **record._asdict(),
        "model": relative(record.model, path.parent),
        "csv": relative(record.csv, path.parent),
        "plan": {
            "groups": [without_nan(group._asdict()) for group in record.plan.groups],
            "before": record.plan.before.by_name(),
            "after": record.plan.after.by_name(),
            "busiest": record.plan.busiest,
        },
        "curve": [point._asdict() for point in record.curve],
        "int8": record.int8 and _int8_tree(record.int8),
        "rivals": [
            {**rival._asdict(), "metrics": without_nan(rival.metrics)} for rival in record.rivals
        ],
    }
    tree |= {name: without_nan(tree[name]) for name in ("before", "carried", "after")}
    tree["trainings"] = [without_nan(one) for one in record.trainings]
    SHRUNK.write(path, tree)


def read_shrunk(path: Path) -> ShrunkRecord:
    """Reads a record.

    Raises:
        UsageError: it is not one of ours, is damaged, or from another version.
    """
    return SHRUNK.read(path, _shrunk)


def _shrunk(tree: dict[str, Any], folder: Path) -> ShrunkRecord:
    plan = tree["plan"]
    defaults = ShrunkRecord._field_defaults
    values = {name: tree[name] for name in ShrunkRecord._fields if name not in defaults}
    # what records of earlier versions lack
    int8, rivals = tree.get("int8"), tree.get("rivals", ())
    values |= {
        "model": from_folder(folder, tree["model"]),
        "csv": from_folder(folder, tree["csv"]) if tree["csv"] else None,
        "params": int(tree["params"]),
        "plan": WidthPlan(
            tuple(_group(group) for group in plan["groups"]),
            _amounts(plan["before"]),
            _amounts(plan["after"]),
            plan.get("busiest", ""),
        ),
        "curve": tuple(CurvePoint(**point) for point in tree["curve"]),
        "int8": int8 and Int8Record(**int8 | {n: with_nan(int8[n]) for n in ("before", "after")}),
        "rivals": tuple(
            RivalRecord(rival["name"], with_nan(rival["metrics"]), rival["words"])
            for rival in rivals
        ),
        "trainings": tuple(with_nan(one) for one in tree.get("trainings", ())),
    }
    values |= {name: with_nan(tree[name]) for name in ("before", "carried", "after")}
    return ShrunkRecord(**values)


def _group(tree: dict[str, Any]) -> PlannedGroup:
    lost = with_nan({"lost": tree["lost"]})
    return PlannedGroup(**{**tree, "owners": tuple(tree["owners"]), **lost})


def _amounts(tree: dict[str, int | None]) -> Amounts:
    # records of earlier versions lack flash and RAM
    amounts = (tree.get(objective.name) for objective in OBJECTIVES)
    return Amounts(None if amount is None else int(amount) for amount in amounts)


def _int8_tree(record: Int8Record) -> dict[str, Any]:
    both = {name: without_nan(getattr(record, name)) for name in ("before", "after")}
    return {**record._asdict(), **both}

"""How a model was made smaller, ``<stem>_shrunk.json``: what was chosen, and what came of it.

Nothing here needs TensorFlow.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from nasmon.errors import UsageError
from nasmon.narrowing.plan import PlannedGroup, WidthPlan
from nasmon.record.files import whole_file
from nasmon.widths.objectives import OBJECTIVES, Amounts

SHRUNK_FORMAT, SHRUNK_VERSION = "nasmon shrunk", 1

WITHOUT_SHRUNK = "remove it to go on without what the model was made from"


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


def write_shrunk(path: Path, record: ShrunkRecord) -> None:
    """Writes a record; one already there is replaced only when the new one is whole."""
    tree = {
        "format": SHRUNK_FORMAT,
        "version": SHRUNK_VERSION,
        **record._asdict(),
        # from where the record lies, so that a folder of runs can be moved
        "model": os.path.relpath(record.model, path.parent),
        "csv": record.csv and os.path.relpath(record.csv, path.parent),
        "plan": {
            "groups": [_without_nan(group._asdict()) for group in record.plan.groups],
            "before": record.plan.before.by_name(),
            "after": record.plan.after.by_name(),
            "busiest": record.plan.busiest,
        },
        "curve": [point._asdict() for point in record.curve],
        "int8": record.int8 and _int8_tree(record.int8),
        "rivals": [
            {**rival._asdict(), "metrics": _without_nan(rival.metrics)} for rival in record.rivals
        ],
    }
    for name in ("before", "carried", "after"):
        tree[name] = _without_nan(tree[name])
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(tree, indent=1, allow_nan=False), "utf-8")


def read_shrunk(path: Path) -> ShrunkRecord:
    """Reads a record.

    Raises:
        UsageError: it is not one of ours, is damaged, or from another version.
    """
    try:
        tree = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read ({error}); {WITHOUT_SHRUNK}") from None
    if not isinstance(tree, dict) or tree.get("format") != SHRUNK_FORMAT:
        raise UsageError(f"{path} does not tell how a model was shrunk; {WITHOUT_SHRUNK}")
    if tree.get("version") != SHRUNK_VERSION:
        raise UsageError(
            f"{path} has version {tree.get('version')}, this nasmon reads {SHRUNK_VERSION}; use "
            f"the nasmon that wrote it, or {WITHOUT_SHRUNK}"
        )
    try:
        return _shrunk(tree, path.parent)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is damaged ({type(error).__name__}: {error}); {WITHOUT_SHRUNK}"
        ) from None


def _shrunk(tree: dict[str, Any], folder: Path) -> ShrunkRecord:
    plan = tree["plan"]
    defaults = ShrunkRecord._field_defaults
    values = {name: tree[name] for name in ShrunkRecord._fields if name not in defaults}
    # what records of earlier versions lack
    int8, rivals = tree.get("int8"), tree.get("rivals", ())
    values |= {
        "model": _from(folder, tree["model"]),
        "csv": _from(folder, tree["csv"]) if tree["csv"] else None,
        "params": int(tree["params"]),
        "plan": WidthPlan(
            tuple(_group(group) for group in plan["groups"]),
            _amounts(plan["before"]),
            _amounts(plan["after"]),
            plan.get("busiest", ""),
        ),
        "curve": tuple(CurvePoint(**point) for point in tree["curve"]),
        "int8": int8 and Int8Record(**int8 | {n: _numbers(int8[n]) for n in ("before", "after")}),
        "rivals": tuple(
            RivalRecord(rival["name"], _numbers(rival["metrics"]), rival["words"])
            for rival in rivals
        ),
    }
    for name in ("before", "carried", "after"):
        values[name] = _numbers(tree[name])
    return ShrunkRecord(**values)


def _from(folder: Path, path: str) -> Path:
    return Path(os.path.normpath(folder / path))


def _group(tree: dict[str, Any]) -> PlannedGroup:
    return PlannedGroup(**{**tree, "owners": tuple(tree["owners"]), "lost": _number(tree["lost"])})


def _amounts(tree: dict[str, int | None]) -> Amounts:
    # records of earlier versions lack flash and RAM
    return Amounts(tree.get(objective.name) for objective in OBJECTIVES)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _numbers(tree: dict[str, float | None]) -> dict[str, float]:
    return {name: _number(value) for name, value in tree.items()}


def _int8_tree(record: Int8Record) -> dict[str, Any]:
    both = {name: _without_nan(getattr(record, name)) for name in ("before", "after")}
    return {**record._asdict(), **both}


def _without_nan(tree: dict[str, Any]) -> dict[str, Any]:
    """JSON has no such number."""
    return {name: None if _is_no_number(value) else value for name, value in tree.items()}


def _is_no_number(value: Any) -> bool:
    return isinstance(value, float) and not -float("inf") < value < float("inf")

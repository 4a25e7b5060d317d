"""The section of a report that says what a model was made from, and how that went."""

from math import isnan
from typing import NamedTuple

from nasmon.analysis.shrunk import Origins
from nasmon.analysis.words import number
from nasmon.record.shrunk import ShrunkRecord
from nasmon.terminal import printable
from nasmon.widths.objectives import OBJECTIVES


class OriginSection(NamedTuple):
    """What the section holds, all of it text."""

    model: str
    status: str
    verdict: str
    reason: str
    search: str
    sizes: list[list[str]]  # of a table: an objective or metric a row
    groups: list[list[str]]  # of a table: a group of layers of one width a row
    beside: list[str]  # smaller models of the same one, this one among them
    rivals: list[str]  # what came of other ways to a model as small


SIZES = ("quantity", "before", "as carried over", "after training")

GROUPS = ("layers", "channels before", "spare", "channels now", "saves", "given up", "why")


def origin_of(origins: Origins) -> OriginSection:
    """What is said of where a model comes from."""
    record = origins.record
    verdicts = {True: "Accepted.", False: "Reverted.", None: "Not judged."}
    return OriginSection(
        model=printable(str(record.model)),
        status={True: "good", False: "warning", None: "unknown"}[record.accepted],
        verdict=verdicts[record.accepted],
        reason=printable(record.decided_by),
        search=printable(record.searched or ""),
        sizes=_sizes(record),
        groups=[
            [
                printable(", ".join(group.owners)),
                f"{group.channels:,}",
                f"{group.spare:,}",
                f"{group.width:,}",
                "" if group.saves is None else f"{group.saves:,}",
                "" if isnan(group.lost) else f"{100 * group.lost:.2g} %",
                printable(group.reason),
            ]
            for group in record.plan.groups
        ],
        beside=[f"{one.params:,} parameters" for one in origins.beside if one is not record],
        rivals=[printable(f"{one.name}: {one.words}") for one in record.rivals],
    )


def _sizes(record: ShrunkRecord) -> list[list[str]]:
    rows = []
    for objective, before, after in zip(
        OBJECTIVES, record.plan.before, record.plan.after, strict=True
    ):
        if before is not None and after is not None:
            share = f"{after:,} ({100 * after / max(before, 1):.1f} %)"
            rows.append([objective.unit, f"{before:,}", share, share])
    for name, value in record.before.items():
        found = (value, record.carried[name], record.after[name])
        rows.append([printable(name), *map(number, found)])
    if record.int8 is not None:
        for name, value in record.int8.before.items():
            last = number(record.int8.after[name])
            rows.append([f"{printable(name)} as 8-bit integers", number(value), "", last])
    return rows

"""What fewer channels would lose, ``<stem>_widths.npz`` and, for people, ``<stem>_widths.csv``.

Nothing here needs TensorFlow.
"""

import csv
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.npyio import NpzFile

from nasmon.record.files import whole_file
from nasmon.record.npz_file import opened_arrays
from nasmon.widths.graph import WidthGroup

CURVE_COLUMNS = ("group", "channels", "width", "lost", "leaves")
"""Of the CSV, a row a group and width: ``leaves`` is the channel that leaves to come to it."""


class GroupEvidence(NamedTuple):
    """What is lost of a group of widths with fewer channels."""

    leader: str
    order: np.ndarray  # [C] int64: the first k of its channels are those to keep of k
    # [C + 1] float64: what is lost with k of them, as shares of the consumers' outputs summed over
    # these, before fine-tuning and with all other groups whole; NaN where not known
    costs: np.ndarray
    needed: int  # with so many channels nothing is lost, if all groups have as many as they need
    enough: int  # with so many no more than ``choices.SPARE``, if all groups have as many


class WidthEvidence(NamedTuple):
    """What is lost of each group of widths that may be chosen, of one model at one moment."""

    epoch: int
    step: int
    samples: int  # that it was worked out from
    groups: tuple[GroupEvidence, ...]

    def costs(self, groups: Sequence[WidthGroup]) -> dict[str, np.ndarray]:
        """By leader, as for ``WidthChoices``."""
        own = {one.leader: one.costs for one in self.groups}
        return {group.leader: own[group.leader] for group in groups}

    def needed(self, groups: Sequence[WidthGroup]) -> dict[str, int]:
        """By leader, as for ``WidthChoices``."""
        own = {one.leader: one.needed for one in self.groups}
        return {group.leader: own[group.leader] for group in groups}

    def enough(self, groups: Sequence[WidthGroup]) -> dict[str, int]:
        """By leader, as for ``WidthChoices``."""
        own = {one.leader: one.enough for one in self.groups}
        return {group.leader: own[group.leader] for group in groups}


def write_widths(path: Path, evidence: WidthEvidence) -> None:
    """Writes the evidence; a file already there is replaced only by a whole one."""
    arrays = {"moment": np.array([evidence.epoch, evidence.step, evidence.samples])}
    arrays["groups"] = np.array([group.leader for group in evidence.groups], np.str_)
    arrays["needed"] = np.array([group.needed for group in evidence.groups], np.int64)
    arrays["enough"] = np.array([group.enough for group in evidence.groups], np.int64)
    for index, group in enumerate(evidence.groups):
        arrays[f"order/{index}"] = group.order
        arrays[f"costs/{index}"] = group.costs
    with whole_file(path) as unfinished, open(unfinished, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def write_curves(path: Path, evidence: WidthEvidence) -> None:
    """Writes the curves as a table; a file already there is replaced only by a whole one."""
    with whole_file(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n")
        writer.writerow(CURVE_COLUMNS)
        writer.writerows(_rows(evidence))


def _rows(evidence: WidthEvidence) -> Iterator[tuple[object, ...]]:
    for group in evidence.groups:
        count = len(group.order)
        for width in range(count, 0, -1):
            lost = float(group.costs[width])
            leaves = "" if width == count else int(group.order[width])
            yield group.leader, count, width, "" if isnan(lost) else f"{lost:.6g}", leaves


def read_widths_file(path: Path) -> WidthEvidence:
    """Reads the evidence.

    Raises:
        UsageError: the file is damaged.
    """
    with opened_arrays(path, "remove it to go on without what fewer channels would lose") as file:
        epoch, step, samples = map(int, file["moment"])
        return WidthEvidence(epoch, step, samples, _groups(file))


def _groups(file: NpzFile) -> tuple[GroupEvidence, ...]:
    groups = []
    # files of earlier versions lack what is enough
    enough = file["enough"] if "enough" in file else file["needed"]
    listed = zip(file["groups"], file["needed"], enough, strict=True)
    for index, (leader, *counts) in enumerate(listed):
        order, costs = file[f"order/{index}"], file[f"costs/{index}"]
        group = GroupEvidence(str(leader), order, costs, *map(int, counts))
        whole = np.array_equal(np.sort(order), np.arange(len(costs) - 1))
        if not whole or costs.dtype.kind != "f" or not all(0 < k < len(costs) for k in counts):
            raise ValueError(f"group {index}")
        groups.append(group)
    return tuple(groups)

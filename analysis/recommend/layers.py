"""What is known of each monitored layer: its latest metrics, whether its rank has settled, and
which of its channels are dead or near copies.
"""

from collections.abc import Mapping
from math import ceil, isfinite
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasmon.analysis.companions import WITHOUT, companion_path
from nasmon.analysis.layer_rows import whole_readings
from nasmon.analysis.recommend.findings import Duplicate
from nasmon.analysis.recommend.need import NEED
from nasmon.analysis.run import Run
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES

FEWEST_READINGS, MOST_READINGS = 5, 200
"""How many of the last readings tell whether a rank has settled: a tenth of all within these."""

ENOUGH = 3
"""With fewer readings nothing can have settled."""

_CUT_SHORT = "the latest reading lacks some layers; the table by layer shows the reading before it"


class RecentLayer(NamedTuple):
    """One layer at the latest reading, and its rank over the last readings."""

    name: str
    kind: str
    channels: int
    tied_to: str  # whose width it has, several with " + " between them; "" for its own
    metrics: dict[str, float]  # by METRIC_NAMES, of the latest reading
    needs: np.ndarray  # of the last readings by ``NEED``, oldest first; NaN where undefined
    settled: bool | None  # None with too few readings to tell

    @property
    def need(self) -> float:
        """Channels that it needs at the latest reading; NaN where that is not defined."""
        return NEED.of(self.metrics)


def recent_layers(run: Run, settled_rank: float) -> tuple[list[RecentLayer], list[str]]:
    """The layers at the latest whole reading, in the model's order.

    Args:
        run: with rows by layer.
        settled_rank: the share of its channels that a settled layer's rank may still move by.

    Returns:
        The layers, and notes about rows that are missing.

    Raises:
        UsageError: the rows by layer are not there, or damaged.
    """
    readings = min(max(FEWEST_READINGS, ceil(len(run.readings) / 10)), MOST_READINGS)
    table, was_cut = whole_readings(run.latest_layers(readings))
    notes = [_CUT_SHORT] if was_cut else []
    table = table.drop_duplicates(["reading", "layer"], keep="last")
    needs = {
        str(name): NEED.over(rows).to_numpy()
        for name, rows in table.groupby("layer", observed=True)
    }
    latest = table[table["reading"] == table["reading"].max()]
    if not len(latest):
        path = companion_path(run.path, "layers")
        notes = [f"{path} holds no whole row, so nothing can be said by layer"]
    _check_channels(run, latest)
    return [_recent(row, needs, settled_rank) for row in latest.to_dict("records")], notes


def has_settled(needs: np.ndarray, channels: int, settled_rank: float) -> bool | None:
    """Whether a layer's rank has stopped moving.

    Args:
        needs: of the last readings.
        channels: of the layer.
        settled_rank: the share of the channels that the rank may still move by; one channel is
            always allowed.

    Returns:
        None with too few readings to tell, or if none of them is defined.
    """
    undefined = np.isnan(needs)
    if len(needs) < ENOUGH or undefined.all():
        return None
    if undefined.any():
        return False
    # a hair more, for the product of a share and a count may come out below the whole number
    allowed = max(1.0, settled_rank * channels) * (1 + 4 * np.finfo(np.float64).eps)
    return bool(np.ptp(needs) <= allowed)


def _recent(
    row: Mapping[str, object], needs: Mapping[str, np.ndarray], settled_rank: float
) -> RecentLayer:
    name, channels = str(row["layer"]), int(_finite(row["channels"]))
    return RecentLayer(
        name=name,
        kind=str(row["kind"]),
        channels=channels,
        tied_to=str(row["tied_to"]),
        metrics={metric: _finite(row[metric]) for metric in METRIC_NAMES},
        needs=needs[name],
        settled=has_settled(needs[name], channels, settled_rank),
    )


def _finite(value: object) -> float:
    """NaN for what is not finite, which no metric is."""
    number = float(str(value))
    return number if isfinite(number) else float("nan")


def _check_channels(run: Run, latest: pd.DataFrame) -> None:
    damaged = latest[~(latest["channels"] >= 1)]
    if len(damaged):
        raise UsageError(
            f"{companion_path(run.path, 'layers')} is damaged (layer "
            f"{str(damaged['layer'].iloc[0])!r} has no channels); {WITHOUT['layers']}"
        )


MOST_PAIRS = 100
"""Of more pairs than this only the strongest are kept."""


class ChannelEvidence(NamedTuple):
    """What a correlation matrix tells about single channels, counted from 0."""

    dead: tuple[int, ...]
    duplicates: tuple[Duplicate, ...]  # strongest first
    duplicate_pairs: int  # with those that are not kept


NO_EVIDENCE = ChannelEvidence((), (), 0)


def channel_evidence(correlations: np.ndarray, near_duplicate: float) -> ChannelEvidence:
    """Dead channels and near copies.

    Args:
        correlations: [C, C], NaN for dead channels.
        near_duplicate: abs(R_ij) from which two channels are near copies.
    """
    dead = np.flatnonzero(np.isnan(np.diagonal(correlations)))
    strength = np.triu(np.abs(np.nan_to_num(correlations)), k=1)
    # in the precision of the matrix, so that a value at the threshold counts
    limit = strength.dtype.type(near_duplicate)
    firsts, seconds = np.nonzero((strength >= limit) & (strength > 0))
    order = np.argsort(-strength[firsts, seconds], kind="stable")[:MOST_PAIRS]
    pairs = zip(firsts[order].tolist(), seconds[order].tolist(), strict=True)
    return ChannelEvidence(
        tuple(dead.tolist()),
        tuple(Duplicate(i, j, float(correlations[i, j])) for i, j in pairs),
        len(firsts),
    )

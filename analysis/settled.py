"""The layers' latest metrics, and whether their ranks have settled."""

from collections.abc import Mapping
from math import ceil, isfinite
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasmon.analysis.run import Run
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.run_files import layers_path

FEWEST, MOST = 5, 200
"""How many of the last readings tell whether a rank has settled: a tenth of all within these."""

ENOUGH = 3
"""With fewer readings nothing can have settled."""


class RecentLayer(NamedTuple):
    """One layer at the latest reading, and its rank over the last readings."""

    name: str
    kind: str
    channels: int
    tied_to: str  # whose width it has, several with " + " between them; "" for its own
    metrics: dict[str, float]  # by METRIC_NAMES, of the latest reading
    ranks: np.ndarray  # rank_99 of the last readings, oldest first; NaN where undefined
    settled: bool | None  # None with too few readings to tell


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
    readings = min(max(FEWEST, ceil(len(run.readings) / 10)), MOST)
    table, notes = _whole_readings(run.latest_layers(readings))
    table = table.drop_duplicates(["reading", "layer"], keep="last")
    ranks = {
        str(name): rows["rank_99"].to_numpy()
        for name, rows in table.groupby("layer", observed=True)
    }
    latest = table[table["reading"] == table["reading"].max()]
    if not len(latest):
        notes = [f"{layers_path(run.path)} holds no whole row, so nothing can be said by layer"]
    _check_channels(run, latest)
    return [_recent(row, ranks, settled_rank) for row in latest.to_dict("records")], notes


def has_settled(ranks: np.ndarray, channels: int, settled_rank: float) -> bool | None:
    """Whether a layer's rank has stopped moving.

    Args:
        ranks: rank_99 of the last readings.
        channels: of the layer.
        settled_rank: the share of the channels that the rank may still move by; one channel is
            always allowed.

    Returns:
        None with too few readings to tell, or if none of them is defined.
    """
    undefined = np.isnan(ranks)
    if len(ranks) < ENOUGH or undefined.all():
        return None
    if undefined.any():
        return False
    # a hair more, for the product of a share and a count may come out below the whole number
    allowed = max(1.0, settled_rank * channels) * (1 + 4 * np.finfo(np.float64).eps)
    return bool(np.ptp(ranks) <= allowed)


def _whole_readings(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Without a last reading that has fewer layers than the one before it: it was cut short."""
    sizes = table.groupby("reading").size().to_numpy()
    if len(sizes) < 2 or sizes[-1] >= sizes[-2]:
        return table, []
    note = "the latest reading lacks some layers; the table by layer shows the reading before it"
    return table[table["reading"] < len(sizes) - 1], [note]


def _recent(
    row: Mapping[str, object], ranks: Mapping[str, np.ndarray], settled_rank: float
) -> RecentLayer:
    name, channels = str(row["layer"]), int(_number(row["channels"]))
    return RecentLayer(
        name=name,
        kind=str(row["kind"]),
        channels=channels,
        tied_to=str(row["tied_to"]),
        metrics={metric: _number(row[metric]) for metric in METRIC_NAMES},
        ranks=ranks[name],
        settled=has_settled(ranks[name], channels, settled_rank),
    )


def _number(value: object) -> float:
    """NaN for what is not finite, which no metric is."""
    number = float(str(value))
    return number if isfinite(number) else float("nan")


def _check_channels(run: Run, latest: pd.DataFrame) -> None:
    damaged = latest[~(latest["channels"] >= 1)]
    if len(damaged):
        raise UsageError(
            f"{layers_path(run.path)} is damaged (layer {str(damaged['layer'].iloc[0])!r} has no "
            "channels); train again"
        )

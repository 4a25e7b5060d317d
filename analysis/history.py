"""How well a run does its task, as the history of its training tells it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from nasmon.acceptance import lower_is_better

VALIDATION_LOSS = "val_loss"


class TaskResult(NamedTuple):
    """One validation metric of one run."""

    metric: str
    final: float  # after the last epoch, whose weights are the ones that are saved; NaN
    best: float  # of all epochs; NaN if none is defined
    best_epoch: int | None  # as the history counts


def shared_metric(histories: Sequence[pd.DataFrame | None]) -> str | None:
    """The validation metric to compare runs by.

    Args:
        histories: of the runs; those without one have no say.

    Returns:
        The first ``val_`` column that all have and that is not the loss, else the validation loss;
        None if there is neither.
    """
    known = [list(history.columns) for history in histories if history is not None]
    if not known:
        return None
    shared = [name for name in known[0] if all(name in columns for columns in known)]
    validated = [name for name in shared if name.startswith("val_")]
    scores = [name for name in validated if name != VALIDATION_LOSS]
    return next(iter([*scores, *validated]), None)


def task_result(history: pd.DataFrame | None, metric: str) -> TaskResult | None:
    """A metric at the end of a run and at its best; None if the history does not have it."""
    if history is None or metric not in history:
        return None
    values = history[metric].to_numpy(np.float64)
    final = float(values[-1])
    if np.isnan(values).all():
        return TaskResult(metric, final, math.nan, None)
    row = int(np.nanargmin(values) if lower_is_better(metric) else np.nanargmax(values))
    epoch = int(history["epoch"].iloc[row]) if "epoch" in history else None
    return TaskResult(metric, final, float(values[row]), epoch)

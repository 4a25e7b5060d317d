"""What a monitor tells its sinks about the model that it watches and about its training."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np

from nasmon.probe import Probe
from nasmon.reading import LayerInfo
from nasmon.record.run import LayerRecord
from nasmon.sinks.run_record import ChosenValue, Origin, Watched
from nasmon.widths.graph import ModelWidths


def watched_by(
    model: keras.Model,
    probe: Probe,
    thresholds: Mapping[str, float],
    choices: Mapping[str, ChosenValue],
) -> Watched:
    """What a probe found out about a model, and what was chosen for the run."""
    widths = probe.widths
    return Watched(
        model_name=model.name,
        samples=probe.samples,
        thresholds=dict(thresholds),
        layers=tuple(
            layer_record(info, count, widths)
            for info, count in zip(probe.layers, probe.rows, strict=True)
        ),
        params=model.count_params(),
        macs=widths and widths.macs,
        structure=widths and widths.structure,
        unknown_structure=probe.unknown_widths,
        choices=choices,
    )


def choices_of(
    model: keras.Model,
    probe: Probe,
    layers: str | Sequence[str],
    overhead_budget: float | None,
    origin: Origin,
) -> dict[str, ChosenValue]:
    """What runs may differ in: of the model, of its optimizer, of the monitor, and what was given.

    Args:
        model: what is watched.
        probe: of it.
        layers: the selection that was asked for.
        overhead_budget: the share of the training time; None for no limit.
        origin: its seed and its choices are taken.
    """
    widths = [info.channels for info in probe.layers if not info.tied]
    known: dict[str, ChosenValue | None] = {
        "model": model.name,
        "widths": " ".join(map(str, widths)),
        **_optimizer_of(model),
        "seed": origin.seed,
        "layers": layers if isinstance(layers, str) else ", ".join(layers),
        "samples": probe.samples,
        "overhead_budget": "none" if overhead_budget is None else overhead_budget,
    }
    told = {name: value for name, value in known.items() if value is not None}
    return told | {name: _choice(value) for name, value in origin.choices.items()}


def _choice(value: object) -> ChosenValue:
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, ChosenValue) else str(plain)


def _optimizer_of(model: keras.Model) -> dict[str, ChosenValue]:
    """Its name and the learning rate that it begins with, as far as they can be told."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return {}
    known: dict[str, ChosenValue] = {"optimizer": type(optimizer).__name__}
    # a user's own may tell nothing, or fail to
    with suppress(Exception):
        rate = optimizer.get_config()["learning_rate"]
        # of a schedule, which is never called here: a user's own may count its calls
        rate = rate["config"]["initial_learning_rate"] if isinstance(rate, dict) else rate
        # it may be a float32, whose digits nobody gave
        known["learning_rate"] = float(f"{float(rate):.6g}")
    return known


def layer_record(info: LayerInfo, rows: int, widths: ModelWidths | None) -> LayerRecord:
    """What the run's record says about a monitored layer."""
    return LayerRecord(
        name=info.name,
        kind=info.kind,
        channels=info.channels,
        params=info.params,
        macs=None if math.isnan(info.macs) else int(info.macs),
        tied_to=info.tied_to,
        rank_limit=widths.rank_limits.get(info.name) if widths else None,
        widths=widths.layers.get(info.name, ()) if widths else (),
        rows=rows,
    )


def numbers_in(values: Mapping[str, Any]) -> dict[str, float]:
    """The single numbers among named values: Python's, NumPy's, and tensors of one element.

    Example:
        >>> numbers_in({"loss": np.float32(0.5), "note": "warm-up", "per_class": [0.1, 0.2]})
        {'loss': 0.5}
    """
    arrays = {name: np.asarray(value) for name, value in values.items()}
    single = {
        name: one for name, one in arrays.items() if one.size == 1 and one.dtype.kind in "biuf"
    }
    return {name: float(one.item()) for name, one in single.items()}

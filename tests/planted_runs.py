"""Runs whose layers have the ranks that a test plants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasmon.analysis.recommend.advice import advise
from nasmon.analysis.recommend.findings import Advice, LayerAdvice
from nasmon.analysis.recommend.planned import Asked
from nasmon.analysis.run import Run, load_run
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.files import spectra_path
from nasmon.thresholds import DEFAULT_THRESHOLDS
from tests.recorded import chain, metrics, write_run


def planted_values(
    record: dict[str, Any], ranks: Sequence[Any], readings: int = 12, **columns: Sequence[float]
) -> np.ndarray:
    """Values [readings, layers, metrics] of a settled run.

    Args:
        record: as ``chain`` makes it.
        ranks: rank_99 by layer, or [readings, layers].
        readings: how many.
        columns: values by layer of other metrics.
    """
    channels = [layer["channels"] for layer in record["layers"]]
    values = metrics(len(channels), readings, channels)
    planted = {"rank_99": ranks, "saturation": np.asarray(ranks) / np.array(channels), **columns}
    for name, column in planted.items():
        values[:, :, METRIC_NAMES.index(name)] = column
    return values


def planted_run(
    folder: Path,
    record: dict[str, Any],
    ranks: Sequence[Any],
    readings: int = 12,
    spectra: bool = True,
    **columns: Sequence[float],
) -> Run:
    """A run on disk, loaded."""
    values = planted_values(record, ranks, readings, **columns)
    return load_run(write_run(folder / "chain_nas_metrics.csv", record, values, spectra=spectra))


def advised(run: Run, round_to: int = 4, **thresholds: float) -> Advice:
    """The advice with some thresholds changed."""
    return advise(run, {**DEFAULT_THRESHOLDS, **thresholds}, Asked(round_to=round_to))


def layer_of(advice: Advice, name: str) -> LayerAdvice:
    """The advice on one layer."""
    (found,) = (layer for layer in advice.layers if layer.layer == name)
    return found


def plant_correlations(run: Run, position: int, correlations: np.ndarray) -> None:
    """Puts a matrix in the place of a layer's correlations at the latest reading."""
    path = spectra_path(run.path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays[f"latest/correlations/{position}"] = correlations.astype(np.float32)
    np.savez(path, **arrays)


def wide_chain(*widths: int) -> dict[str, Any]:
    """A chain that no input limits the rank of."""
    return chain(widths, inputs=max(widths))


def joined(width: int = 16, **fixed_by: str) -> dict[str, Any]:
    """a and b, whose outputs are added, c after them, and the output d.

    Each is a 1x1 convolution without bias of 10 positions.

    Args:
        width: of a, b and c.
        fixed_by: why an owner's width cannot be chosen.
    """
    record = wide_chain(width, width, width, 2)
    names, sources = "abcd", ("input", "input", "a", "c")
    tied = {"b": "a"}
    owners = [record["structure"]["owners"][0]]
    costs: list[dict[str, Any]] = []
    for layer, name, source in zip(record["layers"], names, sources, strict=True):
        layer |= {"name": name, "tied_to": tied.get(name, ""), "widths": [[name, 1]]}
        reason = "output" if name == "d" else fixed_by.get(name, "")
        owners.append(
            {
                "name": name,
                "channels": layer["channels"],
                "tied_to": tied.get(name, ""),
                "fixed_by": reason,
                "blocks": 1,
            }
        )
        kernel = width * layer["channels"]
        costs.append(
            {
                "layer": name,
                "inputs": [[source, 1]],
                "outputs": [[name, 1]],
                "params": {"in_out": kernel, "in": 0, "out": 0, "out_out": 0, "fixed": 0},
                "macs": {"in_out": 10 * kernel, "in": 0, "out": 0, "out_out": 0, "fixed": 0},
            }
        )
    total = sum(cost["params"]["in_out"] for cost in costs)
    rebuild = {**record["rebuild"], "layers": ["a", "b", "c"]}
    return {
        **record,
        "structure": {"owners": owners, "costs": costs},
        "params": total,
        "macs": 10 * total,
        "rebuild": rebuild,
    }


def beside(**changes: Any) -> dict[str, Any]:
    """a (24) and b (8) side by side, a depthwise layer over both, and the output.

    Args:
        changes: by layer, what is different about its record.
    """
    record = wide_chain(24, 8, 32, 2)
    for layer, name in zip(record["layers"], ("a", "b", "depthwise", "out"), strict=True):
        layer |= {"name": name, "widths": [[name, 1]]}
    record["layers"][2] |= {"tied_to": "a + b", "widths": [["a", 1], ["b", 1]]}
    for name, change in changes.items():
        (layer,) = (layer for layer in record["layers"] if layer["name"] == name)
        layer |= change
    owners = [
        {"name": name, "channels": channels, "tied_to": "", "fixed_by": fixed_by, "blocks": 1}
        for name, channels, fixed_by in (("a", 24, ""), ("b", 8, ""), ("out", 2, "output"))
    ]
    return {**record, "structure": {"owners": owners, "costs": []}}

"""Files of runs that were never trained, in the form in which the monitor writes them.

For tests of what only reads files. ``tests/test_run_record.py`` checks that the real monitor writes
the same columns and keys.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES, METRICS
from nasmon.narrowing.choices import SPARE, needed_of
from nasmon.reading import aggregate
from nasmon.record.files import (
    LAYER_COLUMNS,
    RUN_COLUMNS,
    layers_path,
    record_path,
    spectra_path,
    widths_path,
)
from nasmon.record.run import RECORD
from nasmon.record.widths import GroupEvidence, WidthEvidence, write_widths
from nasmon.thresholds import DEFAULT_THRESHOLDS
from nasmon.widths.graph import Owner, groups_of

POSITIONS = 48  # of every layer's output


def chain(widths: Sequence[int], inputs: int = 3) -> dict[str, Any]:
    """The record of a chain of 1x1 convolutions with biases; the last one is the output."""
    names = [f"conv{index}" for index in range(len(widths))]
    owners = [
        {"name": "input", "channels": inputs, "tied_to": "", "fixed_by": "input", "blocks": 1}
    ]
    layers, costs, constants, steps = [], [], [], []
    tensors = [{"size": inputs * POSITIONS, "widths": [[["input", 1]]]}]
    before, width_before = "input", inputs
    for name, width in zip(names, widths, strict=True):
        last = name == names[-1]
        owners.append(
            {
                "name": name,
                "channels": width,
                "tied_to": "",
                "fixed_by": "output" if last else "",
                "blocks": 1,
            }
        )
        kernel = width_before * width
        layers.append(
            {
                "name": name,
                "kind": "Conv2D",
                "channels": width,
                "params": kernel + width,
                "macs": kernel * POSITIONS,
                "tied_to": "",
                "rank_limit": width_before if width_before < width else None,
                "widths": [[name, 1]],
            }
        )
        costs.append(
            {
                "layer": name,
                "inputs": [[before, 1]],
                "outputs": [[name, 1]],
                "params": {"in_out": kernel, "in": 0, "out": width, "out_out": 0, "fixed": 0},
                "macs": {"in_out": kernel * POSITIONS, "in": 0, "out": 0, "out_out": 0, "fixed": 0},
            }
        )
        into, own = [[before, 1]], [[name, 1]]
        constants.append({"size": kernel, "widths": [into, own]})
        constants.append({"size": 28 * width, "widths": [own]})
        steps.append({"layer": name, "reads": [len(tensors) - 1], "writes": [len(tensors)]})
        tensors.append({"size": width * POSITIONS, "widths": [own]})
        before, width_before = name, width
    int8 = {"tensors": tensors, "steps": steps, "outputs": [len(widths)], "constants": constants}
    return {
        "format": RECORD.format,
        "version": RECORD.version,
        "model_name": "chain",
        "status": "ended",
        "error": None,
        "started": "2026-01-02T03:04:05+00:00",
        "ended": "2026-01-02T03:14:05+00:00",
        "command": ["python", "-m", "train", "--model", "chain"],
        "seed": 0,
        "samples": 32,
        "versions": {"python": "3.11.7", "nasmon": "0.1.0", "tensorflow": "2.21.0"},
        "thresholds": dict(DEFAULT_THRESHOLDS),
        "layers": layers,
        "params": sum(layer["params"] for layer in layers),
        "macs": sum(layer["macs"] for layer in layers),
        "structure": {"owners": owners, "costs": costs, "int8": {**int8, "overhead": 1000}},
        "rebuild": {
            "command": ["python", "-m", "train", "--model", "chain"],
            "flag": "--widths",
            "layers": names[:-1],
            "places": [["--output-dir", "logs"], ["--nas-log-dir", "logs/nas"]],
        },
        "history": None,
    }


def metrics(
    layers: int, readings: int, channels: Sequence[float] | np.ndarray, seed: int = 0
) -> np.ndarray:
    """Plausible values [readings, layers, len(METRICS)], settling down towards the end."""
    random = np.random.default_rng(seed)
    c = np.asarray(channels, np.float64)
    noise = np.exp(-np.linspace(0, 4, readings))[:, None] * random.normal(
        0, 0.1, (readings, layers)
    )
    used = np.clip(np.linspace(0.3, 0.9, layers) + noise, 1e-3, 1)
    columns = {
        "redundancy_score": np.clip(1 - 0.7 * used, 1 / c, 1),
        "correlation_mean": np.clip(0.8 - 0.7 * used, 0, 1),
        "correlation_std": np.clip(0.2 * used, 0, 0.5),
        "trace": 1 + used,
        "condition_number": 10 ** (7 - 5 * used),
        "effective_rank": np.maximum(1, 0.8 * used * c),
        "rank_99": np.ceil(used * c),
        "saturation": np.ceil(used * c) / c,
        "dead_channels": np.zeros_like(used),
        "rows": np.full_like(used, 16_384),
    }
    return np.stack([np.broadcast_to(columns[n], used.shape) for n in METRIC_NAMES], axis=-1)


def write_run(
    path: Path,
    record: dict[str, Any] | None = None,
    values: np.ndarray | None = None,
    readings: int = 12,
    steps_an_epoch: int = 10,
    spectra: bool = True,
    evidence: bool = False,
) -> Path:
    """Writes all files of a run, and returns the path of its CSV.

    Args:
        path: the run's CSV.
        record: as ``chain`` makes it; a chain of five layers if None.
        values: [readings, layers, len(METRICS)]; from ``metrics`` if None.
        readings: how many, if ``values`` is None.
        steps_an_epoch: training steps from a reading to the next.
        spectra: whether to write eigenvalues and correlations.
        evidence: whether to write what fewer channels would lose.
    """
    record = chain((16, 32, 64, 16, 1)) if record is None else record
    layers = record["layers"]
    channels = np.array([layer["channels"] for layer in layers], np.float64)
    if values is None:
        values = metrics(len(layers), readings, channels)
    count = len(values)
    epochs = np.arange(count)
    steps = (epochs + 1) * steps_an_epoch
    path.parent.mkdir(parents=True, exist_ok=True)
    run = {"epoch": epochs, "step": steps}
    for metric in AGGREGATED:
        of_metric = values[:, :, METRIC_NAMES.index(metric.name)]
        run[metric.name] = np.array([aggregate(metric, row, channels) for row in of_metric])
    run |= {"probe_seconds": np.full(count, 0.01), "overhead": np.full(count, 0.013)}
    run |= {"thinned": np.zeros(count, int), "postponed": np.zeros(count, int)}
    pd.DataFrame(run)[list(RUN_COLUMNS)].to_csv(path, index=False, na_rep="nan")
    by_layer: dict[str, Any] = {
        "epoch": np.repeat(epochs, len(layers)),
        "step": np.repeat(steps, len(layers)),
    }
    for column in ("kind", "channels", "params", "macs", "tied_to"):
        by_layer[column] = [layer[column] for layer in layers] * count
    by_layer["layer"] = [layer["name"] for layer in layers] * count
    flat = values.reshape(-1, len(METRICS))
    by_layer |= {name: flat[:, index] for index, name in enumerate(METRIC_NAMES)}
    table = pd.DataFrame(by_layer)[list(LAYER_COLUMNS)]
    table.to_csv(layers_path(path), index=False, na_rep="nan")
    record_path(path).write_text(json.dumps(record))
    if spectra:
        write_spectra(path, record, epochs, steps)
    if evidence:
        write_evidence(path, record, int(epochs[-1]), int(steps[-1]))
    return path


def write_evidence(path: Path, record: dict[str, Any], epoch: int, step: int) -> None:
    """Costs that fall off geometrically, and the last quarter of the channels spare."""
    owners = [Owner(**owner) for owner in record["structure"]["owners"]]
    groups = []
    for group in groups_of(owners):
        if group.fixed_by:
            continue
        count = group.channels
        needed = max(1, count - count // 4)
        costs = np.append(0.5 ** np.arange(needed), np.zeros(count + 1 - needed))
        enough = needed_of(costs, SPARE)
        groups.append(GroupEvidence(group.leader, np.arange(count), costs, needed, enough))
    write_widths(widths_path(path), WidthEvidence(epoch, step, 32, tuple(groups)))


def write_spectra(
    path: Path, record: dict[str, Any], epochs: np.ndarray, steps: np.ndarray
) -> None:
    """Eigenvalues that fall off geometrically, and weak correlations."""
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for which, index in (("first", 0), ("latest", -1)):
        arrays[which] = np.array([epochs[index], steps[index]])
        arrays[f"{which}/layers"] = np.array([layer["name"] for layer in record["layers"]])
        for position, layer in enumerate(record["layers"]):
            c = layer["channels"]
            arrays[f"{which}/eigenvalues/{position}"] = 0.7 ** np.arange(c, dtype=np.float64)
            r = random.uniform(-0.5, 0.5, (c, c))
            r = ((r + r.T) / 2).astype(np.float32)
            np.fill_diagonal(r, 1)
            arrays[f"{which}/correlations/{position}"] = r
    np.savez(spectra_path(path), **arrays)

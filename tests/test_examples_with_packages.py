"""The files of docs/examples that need the extra ``examples``, with its real packages."""

import json
import os
import re
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.examples import EXAMPLES, Run, running
from tests.test_names import ROOT


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return running(tmp_path, monkeypatch)


def output_of(name: str, folder: Path) -> str:
    """Runs an example by a Python of its own: these leave much behind in a process."""
    offline = {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false", "DO_NOT_TRACK": "true"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        cwd=folder,
        env={**os.environ, **offline, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "RuntimeWarning: nasmon" not in done.stderr
    return done.stdout


def test_weights_and_biases_keeps_the_readings(tmp_path: Path) -> None:
    said = output_of("wandb_sink", tmp_path)
    (file,) = tmp_path.glob("logs/wandb/offline-run-*/run-*.wandb")
    records = [record for record in wandb_records(file) if record.HasField("history")]
    rows = [
        {
            ".".join(item.nested_key) or item.key: json.loads(item.value_json)
            for item in record.history.item
        }
        for record in records
    ]
    assert [row["nas/step"] for row in rows] == [24, 48, 72]
    assert f"saturation in the end: {rows[-1]['nas/saturation']:.2f}" in said
    assert 0 < rows[-1]["nas/hidden/saturation"] <= 1


def wandb_records(file: Path) -> Iterator[Any]:
    """The records of a run's file: protos in chunks of blocks, as LevelDB's log has them."""
    protos = import_module("wandb.proto.wandb_internal_pb2")
    data, block = file.read_bytes(), 32_768
    assert data[:4] == b":W&B"
    at, parts = 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:
            # no room for a chunk's head
            at += block - at % block
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        parts += data[at + 7 : at + 7 + size]
        at += 7 + size
        # a whole one, or the last of several
        if kind in (1, 4):
            yield protos.Record.FromString(parts)
            parts = b""


def test_mlflow_keeps_the_readings(tmp_path: Path) -> None:
    said = output_of("mlflow_sink", tmp_path)
    store = sqlite3.connect(tmp_path / "logs" / "mlflow.db")
    try:
        rows = pd.read_sql("select key, value, step from metrics order by step", store)
        statuses = store.execute("select status from runs").fetchall()
        parameters = dict(store.execute("select key, value from params").fetchall())
    finally:
        store.close()
    by_step = rows.pivot(index="step", columns="key", values="value")
    assert by_step.index.tolist() == [24, 48, 72]
    assert np.isfinite(by_step["nas/hidden/saturation"]).all()
    assert f"saturation in the end: {by_step['nas/saturation'].iloc[-1]:.2f}" in said
    assert statuses == [("FINISHED",)]
    assert parameters == {"parameters": "354", "multiply-adds": "320"}


FOUND = re.compile(r"^widths (\d+)-(\d+): accuracy ([\d.]+), (.*)$", re.MULTILINE)


def test_optuna_has_size_and_saturation_as_objectives(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    study = run("optuna_example", "3")["study"]
    assert len(study.trials) == 3
    for trial in study.trials:
        accuracy, parameters, saturation = trial.values
        first, second = trial.params["first"], trial.params["second"]
        assert parameters == 13 * first + (first + 1) * second + second + 1
        rows = pd.read_csv(f"logs/optuna/trial_{trial.number}_nas_metrics.csv")
        assert saturation == rows["saturation"].iloc[-1]
        assert 0.5 < accuracy <= 1
    found = FOUND.findall(capsys.readouterr().out)
    assert len(found) == len(study.best_trials)


@pytest.mark.filterwarnings("ignore:.*is deprecated, (use|get).*:DeprecationWarning:keras_tuner")
def test_keras_tuner_has_size_and_saturation_as_objectives(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    tuner = run("keras_tuner_example", "2")["tuner"]
    trials = tuner.oracle.get_best_trials(9)
    assert [trial.score for trial in trials] == sorted(trial.score for trial in trials)
    assert len(trials) == 2
    for trial in trials:
        widths = trial.hyperparameters.values
        first, second = widths["first"], widths["second"]
        parameters = 13 * first + (first + 1) * second + second + 1
        assert trial.metrics.get_best_value("size") == pytest.approx(parameters / 1000)
        assert 0 < trial.metrics.get_best_value("nas_saturation") <= 1
    found = FOUND.findall(capsys.readouterr().out)
    assert len(found) == 2

"""The example for several machines, as two processes on loopback."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.test_names import ROOT

SCRIPT = ROOT / "docs" / "examples" / "several_machines.py"
LOST_AFTER = 60
"""Seconds, by which a worker that is lost must have been noticed."""


def free_addresses() -> list[str]:
    with ExitStack() as opened:
        try:
            sockets = [opened.enter_context(socket.socket()) for _ in range(2)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
        except OSError as error:
            pytest.skip(f"no port can be opened on loopback: {error}")
        return ["{}:{}".format(*one.getsockname()) for one in sockets]


@contextmanager
def two_workers(folder: Path, *options: object) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Both workers, each in a folder of its own; stopped in the end."""
    addresses = free_addresses()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with ExitStack() as files:
        workers = []
        for task in range(2):
            own = folder / str(task)
            own.mkdir()
            output = files.enter_context((folder / f"{task}.txt").open("wb"))
            command = [sys.executable, str(SCRIPT), str(task), *addresses, *map(str, options)]
            workers.append(
                subprocess.Popen(
                    command, cwd=own, env=environment, stdout=output, stderr=subprocess.STDOUT
                )
            )
        try:
            yield workers
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()


def test_two_workers_train_and_the_first_one_writes(tmp_path: Path) -> None:
    with two_workers(tmp_path, "--steps", 30) as workers:
        codes = [worker.wait(200) for worker in workers]
    output = [(tmp_path / f"{task}.txt").read_text(errors="replace") for task in range(2)]
    assert codes == [0, 0], output
    assert list((tmp_path / "1").iterdir()) == []
    logs = tmp_path / "0" / "logs" / "machines"
    written = pd.read_csv(logs / "metrics.csv")
    assert written["step"].tolist() == [10, 20, 30]
    assert np.isfinite(written["redundancy_score"]).all()
    assert json.loads((logs / "metrics_run.json").read_text())["status"] == "ended"
    losses = [float(line.split()[-1]) for line in output[0].splitlines() if "loss" in line]
    assert losses[2] < losses[0]


def test_a_lost_worker_is_an_error_in_time(tmp_path: Path) -> None:
    csv = tmp_path / "0" / "logs" / "machines" / "metrics.csv"
    with two_workers(tmp_path, "--steps", 10**6, "--timeout", LOST_AFTER) as (chief, other):
        latest = time.monotonic() + 200
        while not (csv.exists() and len(csv.read_text().splitlines()) > 1):
            assert chief.poll() is None, (tmp_path / "0.txt").read_text(errors="replace")
            assert time.monotonic() < latest
            time.sleep(0.2)
        other.kill()
        assert chief.wait(LOST_AFTER) == 1
    output = (tmp_path / "0.txt").read_text(errors="replace")
    assert "UnavailableError" in output or "DeadlineExceededError" in output
    record = json.loads(csv.with_name("metrics_run.json").read_text())
    assert record["status"] == "failed"
    assert record["error"].startswith(("UnavailableError", "DeadlineExceededError"))

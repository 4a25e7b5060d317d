"""Under MirroredStrategy the training stays as it is, and all copies of the model are read."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from nasmon.kernels.metric_table import METRIC_NAMES
from tests.test_names import ROOT

EPS = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a process with two devices found; they cannot be had once TensorFlow runs."""
    folder = tmp_path_factory.mktemp("mirrored")
    command = [sys.executable, "-W", "ignore", "-m", "tests.mirrored", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((folder / "found.json").read_text())


def test_weights_are_equal_to_the_last_bit(found: Any) -> None:
    assert found["equal"] == {"arrays": True, "dataset": True}
    assert found["steps"] == {"arrays": [2, 4], "dataset": [2, 4]}
    assert found["widths"] == ["functional_nas_metrics_widths.npz"]


def test_readings_are_those_of_one_device(found: Any) -> None:
    assert len(found["one"]) == 8
    for name, expected in found["one"].items():
        measured = np.array(found["two"][name])
        assert np.isfinite(measured).sum() == (10 if name == "padded" else 30)
        # the states are joined in another order, in float64
        np.testing.assert_allclose(measured, expected, rtol=4 * EPS, err_msg=name)


def test_nothing_is_traced_after_setting_up(found: Any) -> None:
    assert found["traced"] == [0] * 4


def test_each_device_reads_its_own_copy(found: Any) -> None:
    before, after = (
        dict(zip(METRIC_NAMES, found[name][0], strict=True))
        for name in ("both copies", "second copy zero")
    )
    assert before["rows"] == after["rows"] == 2 * 10 * 14
    assert before["dead_channels"] == 0
    # the second sample alone is read there, and half of all rows are zero
    assert 0.2 < after["trace"] / before["trace"] < 5
    assert after["trace"] != pytest.approx(before["trace"], rel=0.01)

"""Figures of a run: ``nasmon.plot``, ``callback.plot`` and ``monitor.plot``."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import nasmon
from nasmon import Monitor, NASMonitorCallback
from nasmon.analysis import load_run
from nasmon.analysis.plot.picture import render
from nasmon.analysis.run_in_memory import run_in_memory
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.files import RUN_COLUMNS
from tests.networks import compiled, functional, images, tiny
from tests.recorded import write_run

OF_READINGS = ["redundancy", "correlation", "dashboard", "layers", "spectrum"]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> NASMonitorCallback:
    """The callback of a training that has ended."""
    folder = tmp_path_factory.mktemp("trained")
    callback = NASMonitorCallback(log_dir=folder, overhead_budget=None, verbose=0)
    x, y = images(16)
    model = compiled(functional())
    model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0, callbacks=[callback])
    return callback


def png(figure: Any) -> bytes:
    """What a notebook shows of a figure, at two pixels of it a pixel of the page."""
    content, size = figure._repr_png_()
    assert size["width"] == round(96 * figure.get_figwidth())
    return content


def texts(figure: Figure) -> set[str]:
    """All words of a figure."""
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


@pytest.mark.parametrize("kind", [*OF_READINGS, "widths", "front"])
def test_a_csv_is_drawn_as_by_the_command(tmp_path: Path, kind: str) -> None:
    path = write_run(tmp_path / "chain_nas_metrics.csv", evidence=True)
    figure = nasmon.plot(path, kind)
    assert isinstance(figure, Figure)
    run = load_run(path)
    assert png(figure) == render(kind, run, run.thresholds(), "png")


@pytest.mark.parametrize("kind", OF_READINGS)
def test_a_callback_is_drawn_as_its_csv(trained: NASMonitorCallback, kind: str) -> None:
    of_memory, of_file = trained.plot(kind), nasmon.plot(trained.csv_path, kind)
    assert isinstance(of_memory, Figure)
    assert png(of_memory) == png(of_file)
    assert png(of_memory).startswith(PNG)


def test_the_readings_in_memory_are_those_of_the_files(trained: NASMonitorCallback) -> None:
    assert trained.csv_path is not None
    kept, read = run_in_memory(trained.monitor), load_run(trained.csv_path)
    for column in RUN_COLUMNS:
        np.testing.assert_allclose(kept.readings[column], read.readings[column], err_msg=column)
    for metric in METRIC_NAMES:
        ours, theirs = kept.layer_history(metric), read.layer_history(metric)
        assert ours.layers == theirs.layers
        for one, other in zip(ours[1:], theirs[1:], strict=True):
            np.testing.assert_allclose(one, other)
    assert kept.spectra is not None
    assert read.spectra is not None
    for ours_at, theirs_at in zip(kept.spectra, read.spectra, strict=True):
        assert ours_at[:2] == theirs_at[:2]
        for name, spectrum in ours_at.layers.items():
            np.testing.assert_array_equal(spectrum.eigenvalues, theirs_at.layers[name].eigenvalues)


def test_metric_layers_and_thresholds_are_chosen(trained: NASMonitorCallback) -> None:
    figure = trained.plot("layers", metric="rank_99", layers="pointwise*")
    shown = texts(figure)
    assert "rank_99 by layer, functional" in shown
    assert "pointwise0" in shown
    assert "head" not in shown
    bands = texts(trained.plot("redundancy", thresholds={"high_redundancy": 0.95}))
    assert any("0.95" in text for text in bands)


def test_a_monitor_is_drawn_while_a_reading_is_in_flight() -> None:
    monitor = Monitor(*tiny(), verbose=0, overhead_budget=None)
    for step in range(3):
        monitor.read(step)
    monitor.launch(3, last=True)
    assert png(monitor.plot("spectrum")).startswith(PNG)
    monitor.collect(wait=True)
    assert png(monitor.plot()).startswith(PNG)


def test_neither_pyplot_nor_its_state_is_touched(tmp_path: Path) -> None:
    path = write_run(tmp_path / "chain_nas_metrics.csv", evidence=True)
    code = (
        "import sys, nasmon; assert 'matplotlib' not in sys.modules; import matplotlib\n"
        "before = dict(matplotlib.rcParams)\n"
        f"nasmon.plot({str(path)!r})._repr_png_()\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "assert not {'matplotlib.pyplot', 'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    environment = {**os.environ, "MPLBACKEND": "agg"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_figure_is_the_users_own(trained: NASMonitorCallback, tmp_path: Path) -> None:
    figure = trained.plot()
    figure.savefig(tmp_path / "mine.png")
    assert (tmp_path / "mine.png").read_bytes().startswith(PNG)


def test_the_newest_run_is_drawn_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no run with a reading was found under logs/"):
        nasmon.plot()
    write_run(tmp_path / "logs/nas/chain_nas_metrics.csv")
    assert any("chain" in text for text in texts(nasmon.plot(kind="redundancy")))


def test_what_is_odd_in_a_run_is_a_warning(tmp_path: Path) -> None:
    path = write_run(tmp_path / "chain_nas_metrics.csv")
    with path.open("a") as file:
        file.write("9,9")
    with pytest.warns(RuntimeWarning, match="nasmon: .*chain_nas_metrics.csv"):
        nasmon.plot(path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "pie"}, "plot type is 'pie'; use one of redundancy"),
        ({"kind": "layers", "metric": "speed"}, "metric is 'speed'; use one of"),
        ({"kind": "layers", "layers": ["nothing"]}, "no layer matches 'nothing'"),
        ({"thresholds": {"high": 1}}, "high"),
        ({"kind": "widths"}, "do not tell the widths; end the run, and give the path of its CSV"),
    ],
)
def test_a_mistake_is_named(
    trained: NASMonitorCallback, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        trained.plot(**given)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="source is of type int; give the path of a run's CSV"):
        nasmon.plot(5)
    with pytest.raises(UsageError, match="nothing.csv"):
        nasmon.plot(tmp_path / "nothing.csv")
    with pytest.raises(UsageError, match="no reading of tiny was taken yet"):
        nasmon.plot(Monitor(*tiny(), verbose=0))
    with pytest.raises(RuntimeError, match="call fit with this callback first"):
        NASMonitorCallback().plot()

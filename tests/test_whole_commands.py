"""Every command of ``analysis`` on runs that were trained for real."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from nasmon import Monitor
from nasmon.record.files import metrics_path
from nasmon.train import train

CONFIG = """
terrain: {train_images: 24, val_images: 8, cache_dir: CACHE}
training: {batch_size: 8, widths: [4, 8, 12, 12]}
nas: {samples: 8, overhead_budget: null}
"""
EPOCHS = 5
HALF = ("--params", "0.5")
KINDS = ("redundancy", "correlation", "dashboard", "layers", "spectrum", "widths", "front")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, trained by the training command's own function."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "small.yaml").write_text(CONFIG.replace("CACHE", str(folder / "cache")))
    train(
        "nano_u",
        epochs=EPOCHS,
        lr=1e-5,  # of next to nothing, so that the readings settle
        enable_nas_monitoring=True,
        nas_log_dir=folder / "logs" / "nas",
        output_dir=folder / "logs",
        config=folder / "small.yaml",
    )
    return folder


@pytest.fixture(scope="module")
def narrower(folder: Path) -> Path:
    """The CSV of a run of the suggested command, as it stands; only its epochs are fewer."""
    csv = metrics_path(folder / "logs" / "nas", "nano_u")
    advice = json.loads(analysed(folder, "recommend", "--csv", csv, *HALF, "--format", "json"))
    typed = shlex.split(advice["command"])
    assert typed[:3] == ["python", "-m", "nasmon.train"]
    assert "saved: " in run(folder, "nasmon.train", *typed[3:], "--epochs", 1).stdout
    place = folder / typed[typed.index("--output-dir") + 1]
    model = keras.models.load_model(place / "nano_u.keras")
    assert model.count_params() == advice["model"]["params"] - advice["saving"]["params"]
    return metrics_path(folder / typed[typed.index("--nas-log-dir") + 1], "nano_u")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a network of 50 layers, six readings."""
    folder = tmp_path_factory.mktemp("deep")
    x = inputs = keras.Input((8, 8, 3))
    for index in range(49):
        x = layers.Conv2D(8, 3, padding="same", name=f"stage{index // 7}_conv{index}")(x)
        x = layers.ReLU()(layers.BatchNormalization()(x))
    model = keras.Model(inputs, layers.Conv2D(2, 1, name="head")(x), name="deep")
    images = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype(np.float32)
    path = metrics_path(folder, model.name)
    with Monitor(model, images, samples=16, csv_path=path) as monitor:
        for step in range(6):
            monitor.read(step, epoch=step)
            for variable in model.trainable_variables:
                variable.assign(0.95 * variable)
    return path


def analysed(folder: Path, command: str, *arguments: object) -> str:
    """What a command of the analysis prints."""
    return run(folder, f"nasmon.analysis.{command}", *arguments).stdout


def run(folder: Path, module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done


def test_the_run_is_advised_on(folder: Path) -> None:
    csv = metrics_path(folder / "logs" / "nas", "nano_u")
    text = analysed(folder, "recommend", "--csv", csv)
    assert "NAS ANALYSIS RECOMMENDATIONS FOR NANO_U" in text
    for number in range(1, 6):
        assert f"\n{number}. " in text
    assert "down1_block1_depthwise" in text
    assert "Widths are judged by what their consumers would lose" in " ".join(text.split())


def test_the_command_suggested_next_writes_somewhere_else_again(
    folder: Path, narrower: Path
) -> None:
    csv = metrics_path(folder / "logs" / "nas", "nano_u")
    again = json.loads(analysed(folder, "recommend", "--csv", csv, *HALF, "--format", "json"))
    assert str(narrower.parent.relative_to(folder)) not in again["command"]
    # without --csv it is the newest run
    newest = json.loads(analysed(folder, "recommend", "--format", "json"))
    assert newest["csv"] == str(narrower.relative_to(folder))


@pytest.mark.parametrize("format_", ["text", "json", "markdown"])
def test_every_format_on_50_layers(deep: Path, format_: str) -> None:
    said = analysed(deep.parent, "recommend", "--csv", deep, "--format", format_)
    assert "stage6_conv48" in said
    if format_ == "json":
        assert len(json.loads(said)["layers"]) == 50


@pytest.mark.parametrize("which", ["trained", "deep"])
def test_all_pictures(folder: Path, deep: Path, which: str, tmp_path: Path) -> None:
    csv = deep if which == "deep" else metrics_path(folder / "logs" / "nas", "nano_u")
    arguments = ("--csv", csv, "--all", "--output-dir", tmp_path)
    said = analysed(folder, "plot", *arguments)
    name = "deep" if which == "deep" else "nano_u"
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {f"{name}_{kind}.png" for kind in KINDS}
    assert all(kind in said for kind in KINDS)
    for path in tmp_path.iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("kind", "ending"),
    [*zip(KINDS, ("svg", "pdf", "svg", "pdf", "svg", "pdf", "svg"), strict=True)],
)
def test_each_picture_by_name(folder: Path, tmp_path: Path, kind: str, ending: str) -> None:
    output = tmp_path / f"picture.{ending}"
    csv = metrics_path(folder / "logs" / "nas", "nano_u")
    run(folder, "nasmon.analysis.plot", "--csv", csv, "--plot-type", kind, "--output", output)
    assert output.read_bytes()[:5] in (b"<?xml", b"%PDF-", b"<svg ")


def test_two_runs_are_compared(folder: Path, narrower: Path, tmp_path: Path) -> None:
    both = (metrics_path(folder / "logs" / "nas", "nano_u"), narrower)
    said = {
        format_: analysed(folder, "compare", "--csv", *both, "--format", format_)
        for format_ in ("text", "json", "markdown")
    }
    history = pd.read_csv(folder / "logs" / "nano_u_history.csv")
    for text in said.values():
        assert "miou" in text
    assert f"{history['val_miou'].iloc[-1]:.3f}" in said["text"]
    picture = tmp_path / "both.png"
    run(folder, "nasmon.analysis.plot", "--compare", *both, "--output", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("which", ["trained", "deep"])
def test_a_report_is_one_file(folder: Path, deep: Path, which: str, tmp_path: Path) -> None:
    csv = deep if which == "deep" else metrics_path(folder / "logs" / "nas", "nano_u")
    output = tmp_path / "report.html"
    assert str(output) in analysed(folder, "report", "--csv", csv, "--output", output)
    page = output.read_text("utf-8")
    assert page.count("<svg") >= 4
    assert "http://" not in page.replace("http://www.w3.org/", "")
    assert len(page) < 3e6

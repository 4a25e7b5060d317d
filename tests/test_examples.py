"""The files of docs/examples that need nothing but nasmon do what they say."""

import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nasmon import Reading
from nasmon.record.files import record_path
from nasmon.record.run import read_record
from tests.examples import EXAMPLES, Run, running
from tests.test_names import ROOT


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    return running(tmp_path, monkeypatch)


def test_the_page_names_each_example_and_a_test_runs_it() -> None:
    there = {path.name for path in EXAMPLES.glob("*.py")}
    page = (EXAMPLES.parent / "examples.md").read_text("utf-8")
    assert set(re.findall(r"\(examples/(\w+\.py)\)", page)) == there
    tests = [path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py")]
    for name in there:
        assert any(f'"{name}"' in text or f'"{name[:-3]}"' in text for text in tests), name


def last_of(csv: str, names: list[str]) -> pd.DataFrame:
    """The last reading's rows by layer, of a run that ended and monitored these layers."""
    assert read_record(record_path(Path(csv))).status == "ended"
    rows = pd.read_csv(csv.replace(".csv", "_layers.csv"))
    last = rows[rows["step"] == rows["step"].max()]
    assert last["layer"].tolist() == names
    return last.set_index("layer")


def test_fit(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    model = run("fit")["model"]
    last = last_of("logs/fit/metrics.csv", ["edges", "shapes", "head"])
    assert last["step"].iloc[0] == int(model.optimizer.iterations) == 160
    assert model.history.history["val_accuracy"][-1] > 0.9
    assert EventAccumulator("logs/fit").Reload().Tags()["tensors"]
    out = capsys.readouterr().out
    assert "the latest reading: step 160" in out
    assert f"--csv {Path('logs/fit/metrics.csv')}" in out


def test_a_loop_of_ones_own(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    monitor = run("loop")["monitor"]
    last = last_of("logs/loop/metrics.csv", ["first", "second", "head"])
    assert last["step"].iloc[0] == monitor.readings[-1].step == 300
    out = capsys.readouterr().out
    errors = [float(line.split()[-1]) for line in out.splitlines() if "validation error" in line]
    assert len(errors) == 6
    assert errors[-1] < errors[0] / 2


def test_a_pretrained_backbone(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("backbone")
    reading: Reading = made["monitor"].readings[-1]
    names = [layer.name for layer in reading.layers]
    assert len(names) == 17
    assert {name.rpartition("/")[2] for name in names} >= {"block_1_project", "Conv_1"}
    # frozen layers are the same throughout
    first = made["monitor"].readings[0]
    np.testing.assert_allclose(first.metrics, reading.metrics, rtol=1e-3)
    table = capsys.readouterr().out.partition("saturation\n")[2].splitlines()
    assert [line.split()[0] for line in table] == names


def test_a_transformer_on_text(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("text_transformer")
    names = {layer.name for layer in made["monitor"].readings[-1].layers}
    assert {"block1/attention", "block1/wide", "block2/narrow", "head"} <= names
    assert made["model"].history.history["val_accuracy"][-1] > 0.9
    assert "block2/wide" in capsys.readouterr().out


def test_keyword_spotting(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("keyword_spotting")
    out = capsys.readouterr().out
    file = Path("logs/keywords/keywords.tflite")
    assert f"flash {file.stat().st_size:,} bytes" in out
    accuracies = [float(line.split()[-1]) for line in out.splitlines() if "accuracy in" in line]
    assert min(accuracies) > 0.9
    assert made["int8"].ram < 20_000
    last_of("logs/keywords/keywords_nas_metrics.csv", ["conv", *SEPARABLE, "words"])


SEPARABLE = [f"{kind}{number}" for number in (1, 2) for kind in ("depthwise", "pointwise")]


def test_stopping_early(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    shares = run("early_stopping")["shares"]
    assert np.isfinite(shares).all()
    assert len(shares) < 50
    best = int(np.argmin(shares))
    out = capsys.readouterr().out
    assert f"stopped after {len(shares)} of 50 epochs" in out
    kept = keras.models.load_model("logs/stopping/best.keras")
    # the steps of the best epoch, of 1536 samples
    assert int(kept.optimizer.iterations) == 48 * (best + 1)


def test_a_gans_generator(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = run("gan")
    monitor = made["monitor"]
    assert [layer.name for layer in monitor.readings[-1].layers] == ["first", "second", "points"]
    assert monitor.readings[-1].step == 640
    last_of("logs/gan/generator_nas_metrics.csv", ["first", "second", "points"])
    assert "second" in capsys.readouterr().out


def test_widths_that_are_compared(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run("compare_widths", "24", "8", "2")
    assert not ended.value.code
    out = capsys.readouterr().out
    widths = [int(path.name) for path in sorted(Path("logs/widths").iterdir())]
    assert widths == [2, 8, 24]
    assert out.count("ACCEPT CHANGES") + out.count("REVERT TO PREVIOUS") == 2
    assert "the task metric" in out

"""The README says what is true: its table, its commands, its code."""

import re
import shlex
import subprocess
import time
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nasmon import Monitor
from nasmon.kernels.metric_table import METRICS
from nasmon.train.cli import build_parser
from nasmon.train.config import resolve_settings
from tests.networks import compiled, functional, images, tiny

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.strip().splitlines()
]
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def metrics_table() -> str:
    """The table of metrics as the README must show it."""
    over = {"mean": "mean by channels", "sum": "sum", "max": "largest", "none": "-"}
    lines = [
        "| metric | definition | range | all layers | target | how to read it |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for m in METRICS:
        meaning = f"{m.meaning} ({m.reference})" if m.reference else m.meaning
        cells = (f"`{m.name}`", m.definition, m.range, over[m.aggregate], m.target, meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_table_of_metrics_is_the_codes() -> None:
    found = re.search(r"<!-- metrics:.*?-->\n(.*?)\n<!-- end", README, re.DOTALL)
    assert found is not None
    assert found[1] == metrics_table()


def overhead_table() -> str:
    """The table of overheads, as the benchmark's own results have it."""
    results = (ROOT / "bench" / "RESULTS.md").read_text("utf-8")
    found = re.search(r"<!-- What a training pays -->(.*?)<!-- end", results, re.DOTALL)
    assert found is not None
    lines = [line.strip("| ").split(" | ") for line in found[1].splitlines() if line[:1] == "|"]
    heading, _, *cells = lines
    measured = pd.DataFrame(cells, columns=heading)
    table = measured.pivot_table("extra %", ["training", "reading"], "samples", "first", sort=False)
    rows = [
        ["training", "a reading", *(f"{samples} samples" for samples in table.columns)],
        ["---"] * (2 + len(table.columns)),
        *([*names, *values] for names, values in zip(table.index, table.to_numpy(), strict=True)),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def test_the_table_of_overheads_is_the_benchmarks() -> None:
    found = re.search(r"<!-- overheads:.*?-->\n(.*?)\n<!-- end", README, re.DOTALL)
    assert found is not None
    assert found[1] == overhead_table()


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    headings = {
        "#" + re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-")
        for h in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    for target in targets:
        assert target in headings or (ROOT / target).exists(), target


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_make_knows_the_commands(command: str) -> None:
    # the files that it names need not be there to see what make would run
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    if command.startswith("make train"):
        # what make would run, without the quotes that the shell takes away
        line = done.stdout.decode().replace("\\\n", " ").strip().splitlines()[-1]
        check_training_arguments(shlex.split(line.partition("-m train")[2]))


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m train" in c])
def test_the_command_line_takes_the_commands(command: str) -> None:
    check_training_arguments(shlex.split(command.partition("-m train")[2].replace(".with_nas", "")))


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m analysis" in c])
def test_the_analysis_takes_the_commands(command: str) -> None:
    _, _, module, *arguments = shlex.split(command)
    parser = import_module(f"nasmon.{module}.command").build_parser()
    assert parser.parse_args(arguments)


def check_training_arguments(arguments: list[str]) -> None:
    """As the command line would: its parser, then the checks of every option."""
    parsed = vars(build_parser().parse_args(arguments))
    given = {k: v for k, v in parsed.items() if "." in k and v not in (None, False)}
    if "training.widths" in given:
        given["training.widths"] = " ".join(given["training.widths"])
    resolve_settings(None, given)


def test_every_command_is_checked_here() -> None:
    others = [c for c in COMMANDS if not c.startswith(("make", "python -m"))]
    assert others == ["pip install -c constraints.txt ."]


def test_the_example_configuration_is_accepted(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "mine.yaml").write_text(text)
    settings = resolve_settings(tmp_path / "mine.yaml")
    assert settings.nas.enabled
    assert settings.nas.thresholds.high_redundancy == 0.6


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
def test_the_snippet_for_fit_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = tf.data.Dataset.from_tensor_slices(images(16)).batch(8)
    model = compiled(functional())
    exec(SNIPPETS[0], {"model": model, "train_ds": data, "val_ds": data})
    assert len(pd.read_csv("metrics.csv")) == 1


def test_the_snippet_for_a_loop_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv1")(inputs))
    x = np.random.default_rng(0).random((16, 8, 8, 3), np.float32)
    exec(SNIPPETS[1], {"model": model, "x_val": x, "train_one_step": lambda model: None})
    assert "conv1" in capsys.readouterr().out
    assert pd.read_csv("logs/own/metrics.csv")["step"].tolist() == [50, 100]


def test_the_snippet_for_a_loop_within_the_budget_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, x = tiny()
    names = {"train_one_step": lambda model: time.sleep(0.02), "validate": lambda model: None}
    run = {"Monitor": Monitor, "model": model, "x_val": x, **names}
    exec(SNIPPETS[2], run)
    readings = run["monitor"].readings
    assert 1 < len(readings) < 100
    assert readings[-1].step == 100

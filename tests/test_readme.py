"""The README and the pages under docs/ say what is true: tables, commands, code, links."""

import re
import shlex
import subprocess
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from nasmon import Monitor, NASMonitorCallback
from nasmon.cli import COMMANDS as SUBCOMMANDS
from nasmon.kernels.metric_table import METRICS
from nasmon.train import export, shrink
from nasmon.train.cli import build_parser
from nasmon.train.config import resolve_settings
from tests.networks import compiled, functional, images, tiny

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    file.relative_to(ROOT).as_posix(): file.read_text("utf-8")
    for file in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
}
each_page = pytest.mark.parametrize("page", PAGES)
LINK = re.compile(r"\]\(([^)]+)\)")


def blocks(language: str, page: str) -> list[str]:
    """The fenced blocks of one language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


def prose(page: str) -> str:
    """A page without its fenced blocks, in which brackets and # mean other things."""
    return re.sub(r"^```.*?^```", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)


def table_between_markers(name: str) -> str:
    """The table that begins with the marker of this name, on whichever page has it."""
    pattern = rf"<!-- {name}:.*?-->\n(.*?)\n<!-- end"
    (table,) = (t for text in PAGES.values() for t in re.findall(pattern, text, re.DOTALL))
    return table


COMMANDS = [
    line for page in PAGES for block in blocks("bash", page) for line in block.strip().splitlines()
]


def metrics_table() -> str:
    """The table of metrics as the page must show it."""
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
    assert table_between_markers("metrics") == metrics_table()


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
    assert table_between_markers("overheads") == overhead_table()


def test_the_readme_is_short() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 200


def test_the_readme_leads_to_every_page() -> None:
    targets = {target.partition("#")[0] for target in LINK.findall(prose("README.md"))}
    assert PAGES.keys() - {"README.md"} <= targets


def test_the_site_leads_to_every_page() -> None:
    site = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [page for page in PAGES if f": {page}\n" not in site] == []


def anchors(page: str) -> set[str]:
    """What a link to a heading of this page may have after its #."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", h.lower()).replace(" ", "-") for h in headings}


@each_page
def test_links_lead_somewhere(page: str) -> None:
    targets = LINK.findall(prose(page))
    assert targets
    for target in targets:
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.is_relative_to(ROOT), target
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.relative_to(ROOT).as_posix()), target


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_make_knows_the_commands(command: str) -> None:
    # the files that it names need not be there to see what make would run
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    if command.startswith("make train"):
        # what make would run, without the quotes that the shell takes away
        line = done.stdout.decode().replace("\\\n", " ").strip().splitlines()[-1]
        check_training_arguments(shlex.split(line.partition("-m train")[2]))


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m train.shrink" in c])
def test_the_shrinking_command_takes_its_commands(command: str) -> None:
    assert shrink.build_parser().parse_args(shlex.split(command)[3:])


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m train.export" in c])
def test_the_exporting_command_takes_its_commands(command: str) -> None:
    assert export.build_parser().parse_args(shlex.split(command)[3:])


@pytest.mark.parametrize(
    "command",
    [c for c in COMMANDS if re.search(r"-m train\b", c) and not re.search(r"\.(shrink|export)", c)],
)
def test_the_command_line_takes_the_commands(command: str) -> None:
    check_training_arguments(shlex.split(command.partition("-m train")[2].replace(".with_nas", "")))


@pytest.mark.parametrize("command", [c for c in COMMANDS if "-m analysis" in c])
def test_the_analysis_takes_the_commands(command: str) -> None:
    _, _, module, *arguments = shlex.split(command)
    parser = import_module(f"nasmon.{module}.command").build_parser()
    assert parser.parse_args(arguments)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("nasmon ")])
def test_the_installed_command_takes_its_commands(command: str) -> None:
    _, name, *arguments = shlex.split(command)
    assert import_module(SUBCOMMANDS[name].module).build_parser().parse_args(arguments)


def check_training_arguments(arguments: list[str]) -> None:
    """As the command line would: its parser, then the checks of every option."""
    parsed = vars(build_parser().parse_args(arguments))
    given = {k: v for k, v in parsed.items() if "." in k and v not in (None, False)}
    if "training.widths" in given:
        given["training.widths"] = " ".join(given["training.widths"])
    resolve_settings(None, given)


def test_every_command_is_checked_here() -> None:
    checked = ("make", "nasmon ", "python -m train", "python -m analysis")
    others = [c for c in COMMANDS if not c.startswith(checked)]
    # tests/test_wheel.py installs the package, and knows its extras
    assert others == [
        "pip install -c constraints.txt .",
        'pip install -c constraints.txt ".[cuda]"',
    ]


def test_the_example_configuration_is_accepted(tmp_path: Path) -> None:
    (text,) = (text for page in PAGES for text in blocks("yaml", page))
    (tmp_path / "mine.yaml").write_text(text)
    settings = resolve_settings(tmp_path / "mine.yaml")
    assert settings.nas.enabled
    assert settings.nas.thresholds.high_redundancy == 0.6


def test_every_snippet_is_run_here() -> None:
    snippets = {page: len(blocks("python", page)) for page in PAGES if blocks("python", page)}
    # in tests/test_contributing.py
    assert snippets.pop("CONTRIBUTING.md") == 5
    assert snippets == {
        "README.md": 1,
        "docs/a-smaller-network.md": 1,
        "docs/for-a-small-device.md": 1,
        "docs/how-the-advice-is-made.md": 2,
        "docs/in-your-own-fit.md": 1,
        "docs/several-devices.md": 2,
        "docs/your-own-loop.md": 2,
    }


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
@pytest.mark.parametrize("page", ["README.md", "docs/in-your-own-fit.md"])
def test_the_snippets_for_fit_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (snippet,) = blocks("python", page)
    data = tf.data.Dataset.from_tensor_slices(images(16)).batch(8)
    model = compiled(functional())
    exec(snippet, {"model": model, "train_ds": data, "val_ds": data})
    assert len(pd.read_csv("metrics.csv")) == 1


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning")
def test_the_snippet_for_a_smaller_network_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model, (x, y) = compiled(functional()), images()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    run = {"model": model, "train_ds": data, "val_ds": data}
    exec(blocks("python", "docs/a-smaller-network.md")[0], run)
    assert keras.models.load_model("small.keras").count_params() <= model.count_params() / 4
    assert "parameters:" in capsys.readouterr().out


def test_the_snippets_on_advice_print_what_the_page_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page, run = "docs/how-the-advice-is-made.md", dict[str, object]()
    for snippet, printed in zip(blocks("python", page), blocks("text", page), strict=True):
        exec(snippet, run)
        out = capsys.readouterr().out
        assert [line.strip() for line in out.splitlines()] == [
            line.strip() for line in printed.splitlines()
        ]


def test_the_snippet_for_a_small_device_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model, (x, y) = functional(), images()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    snippet = blocks("python", "docs/for-a-small-device.md")[0]
    # a model of its own size
    snippet = snippet.replace('"40kB"', "0.9").replace('"150kB"', "0.9")
    exec(snippet, {"model": model, "train_ds": data, "x_train": x, "x_val": x})
    out = capsys.readouterr().out
    assert "bytes of RAM:" in out
    assert "(64, 12, 16, 1)" in out
    assert Path("small.tflite").stat().st_size > 1000


def test_the_snippet_for_several_devices_runs_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = images(16)
    data = {"x": x, "y": y, "x_val": x, "y_val": y}
    names = {"tf": tf, "build_model": functional, "NASMonitorCallback": NASMonitorCallback}
    exec(blocks("python", "docs/several-devices.md")[0], {**data, **names})
    (written,) = Path("logs/nas").glob("*_nas_metrics.csv")
    assert len(pd.read_csv(written)) == 1


def test_the_snippet_on_shards_prints_the_covariance_of_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = np.random.default_rng(0).normal(size=(90, 4)).astype(np.float32)
    run: dict[str, Any] = {"shards": np.split(rows, [20, 21, 70]), "channels": 4}
    exec(blocks("python", "docs/several-devices.md")[1], run)
    found = run["covariance"](run["state"])
    np.testing.assert_allclose(found, np.cov(rows, rowvar=False), atol=1e-6)


def test_the_snippet_for_a_loop_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(4, 3, name="conv1")(inputs))
    x = np.random.default_rng(0).random((16, 8, 8, 3), np.float32)
    exec(
        blocks("python", "docs/your-own-loop.md")[0],
        {"model": model, "x_val": x, "train_one_step": lambda model: None},
    )
    assert "conv1" in capsys.readouterr().out
    assert pd.read_csv("logs/own/metrics.csv")["step"].tolist() == [50, 100]


def test_the_snippet_for_a_loop_within_the_budget_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, x = tiny()
    names = {"train_one_step": lambda model: time.sleep(0.02), "validate": lambda model: None}
    run = {"Monitor": Monitor, "model": model, "x_val": x, **names}
    exec(blocks("python", "docs/your-own-loop.md")[1], run)
    readings = run["monitor"].readings
    assert 1 < len(readings) < 100
    assert readings[-1].step == 100

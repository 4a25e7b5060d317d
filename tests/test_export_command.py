"""``python -m train.export``: what it leaves, what it says, and what it refuses."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import Sequential, layers

from nasmon.analysis.report.command import main as report
from nasmon.errors import UsageError
from nasmon.litert.planned import planned_file
from nasmon.litert.run import Int8Model
from nasmon.record.exported import ExportedRecord, read_exported, write_exported
from nasmon.record.files import exported_path
from nasmon.train.export import main
from tests.commands import running_in, train_small

CONFIG = """
terrain: {train_images: 32, val_images: 12, cache_dir: CACHE}
training: {batch_size: 8, widths: [4, 8, 12, 12]}
nas: {samples: 8, overhead_budget: null, width_evidence: false}
"""

MODEL = ("--model", "logs/nano_u.keras")

CSV = "logs/nas/nano_u_nas_metrics.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    train_small(folder, CONFIG, 2, seed=5)
    return folder


@pytest.fixture
def command(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Runs a command in the folder; returns exit code, stdout and stderr."""
    yield from running_in(folder, capsys, monkeypatch)


def test_a_model_becomes_a_file_that_is_judged_and_told_of(folder: Path, command: Any) -> None:
    before = Path("logs/nano_u.keras").read_bytes()
    code, out, err = command(main, *MODEL, "--c-source")
    assert (code, err) == (0, "")
    assert Path("logs/nano_u.keras").read_bytes() == before
    file = Path("logs/nano_u_int8.tflite").read_bytes()
    record, planned = read_exported(exported_path(Path(CSV))), planned_file(file)
    assert (record.flash, record.ram) == planned[:2]
    assert record.predicted_ram == record.ram
    assert record.predicted_flash == pytest.approx(record.flash, rel=0.02)
    assert record.samples == 32
    assert record.file.resolve() == (folder / "logs" / "nano_u_int8.tflite").resolve()
    assert set(record.float32) == set(record.int8) == {"loss", "miou"}
    assert record.int8["miou"] == pytest.approx(record.float32["miou"], abs=0.05)
    assert re.match(
        r"miou changed by [-+]0\.\d+ \(95 % interval .* over 12 samples\)", record.change
    )
    assert Int8Model(file).predict(np.zeros((1, 60, 80, 3), np.float32)).shape == (1, 60, 80, 1)
    for told in (f"{record.flash:,}", f"{record.ram:,}", record.change, "logs/nano_u_int8.tflite"):
        assert told in out
    assert sum(record.operations.values()) == len(planned.operations)

    source = Path("logs/nano_u_int8.cc").read_text()
    body = source.partition("{")[2].partition("}")[0]
    assert bytes(int(one, 16) for one in re.findall("0x(..)", body)) == file
    assert f"nano_u_int8_len = {len(file)};" in source

    code, out, err = command(report, "--csv", CSV)
    assert (code, err) == (0, "")
    page = Path(out.strip()).read_text()
    assert "As 8-bit integers" in page
    assert record.change.replace("+", "&#43;") in page or record.change in page
    assert f"{record.flash:,}" in page

    code, _, err = command(main, *MODEL)
    assert code == 2
    assert err.endswith("nano_u_int8.tflite is there already; pass --overwrite to replace it\n")
    code, _, err = command(main, *MODEL, "--overwrite", "--samples", 4)
    assert (code, err) == (0, "")
    assert read_exported(exported_path(Path(CSV))).samples == 4


def test_a_run_that_begins_anew_drops_what_its_model_became(folder: Path, command: Any) -> None:
    place = exported_path(folder / CSV)
    place.write_text("{}")
    train_small(folder, CONFIG, 1, overwrite=True)
    assert not place.exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--model", "gone.keras"), "--model is gone.keras, which does not exist"),
        ((*MODEL, "--samples", "0"), "--samples is '0'; use a whole number of at least 1"),
        ((*MODEL, "--csv", "logs/other.csv"), "--csv is logs/other.csv, beside which there is no"),
        ((*MODEL, "--data-dir", "gone"), "gone"),
        ((*MODEL, "--output", "logs/nano_u.keras"), "give a file that ends in .tflite"),
        ((*MODEL, "--output", "folder.tflite"), "is a folder, not a file; give another --output"),
        (
            (
                *MODEL,
                "--fast",
            ),
            "unrecognized arguments: --fast; see",
        ),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    command: Any, arguments: tuple[str, ...], line: str
) -> None:
    Path("folder.tflite").mkdir(exist_ok=True)
    code, _, err = command(main, *arguments)
    assert code == 2
    assert err.startswith("export: error: ")
    assert line in err
    assert err.count("\n") == 1


def test_a_model_of_another_kind_is_refused(folder: Path, command: Any) -> None:
    Sequential([layers.Input((4,)), layers.Dense(2)]).save(folder / "dense.keras")
    code, _, err = command(main, "--model", "dense.keras")
    assert code == 2
    assert "is for models from images [H, W, 3] to logits [H, W, 1]" in err


def test_without_the_extra_it_says_how_to_install_it(
    command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.tools.flatbuffer_utils", None)
    code, _, err = command(main, *MODEL, "--output", "logs/again.tflite", "--overwrite")
    assert code == 2
    assert err.endswith("install it with: pip install 'nasmon[mcu]'\n")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = ExportedRecord(
        model=tmp_path / "logs" / "m.keras",
        digest="0" * 64,
        file=tmp_path / "logs" / "m_int8.tflite",
        samples=100,
        float32={"loss": 0.5, "miou": float("nan")},
        int8={"loss": 0.6, "miou": 0.7},
        change="miou changed by +0.1",
        flash=1000,
        ram=500,
        busiest="CONV_2D",
        predicted_flash=None,
        predicted_ram=500,
        operations={"CONV_2D": 3},
        seconds={"convert": 1.5},
    )
    path = tmp_path / "nas" / "m_int8.json"
    path.parent.mkdir()
    write_exported(path, record)
    assert json.loads(path.read_text())["float32"]["miou"] is None
    again = read_exported(path)
    assert np.isnan(again.float32.pop("miou"))
    assert again == record._replace(float32={"loss": 0.5})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{", "cannot be read"),
        ("[]", "does not tell of a model in int8"),
        ('{"format": "nasmon int8", "version": 9}', "has version 9, this nasmon reads 1"),
        ('{"format": "nasmon int8", "version": 1}', "is damaged .KeyError: 'model'"),
    ],
)
def test_a_damaged_record_is_said_in_a_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "m_int8.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=line):
        read_exported(path)

"""``python -m train.shrink``: what it leaves, what it says, and what it refuses."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

from nasmon.analysis.compare.command import main as compare
from nasmon.analysis.plot.alternative_text import alternative_text
from nasmon.analysis.plot.command import main as plot
from nasmon.analysis.recommend.command import main as recommend
from nasmon.analysis.report.command import main as report
from nasmon.analysis.run import load_run
from nasmon.analysis.shrunk import made_of
from nasmon.analysis.words import number
from nasmon.record.files import shrunk_path
from nasmon.record.run import read_record
from nasmon.record.shrunk import read_shrunk
from nasmon.train.shrink import build_parser, main
from nasmon.train.shrink_job import job_of
from tests.commands import running_in, train_small

CONFIG = """
terrain: {train_images: 32, val_images: 8, cache_dir: CACHE}
training: {batch_size: 8, widths: [4, 8, 12, 12]}
nas: {samples: 8, overhead_budget: null}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, trained by the training command's own function."""
    folder = tmp_path_factory.mktemp("shrunk")
    train_small(folder, CONFIG, 4, seed=5)
    return folder


@pytest.fixture
def command(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Runs a command in the folder; returns exit code, stdout and stderr."""
    yield from running_in(folder, capsys, monkeypatch)


MODEL = ("--model", "logs/nano_u.keras")


@pytest.fixture(scope="module")
def before(folder: Path) -> bytes:
    return (folder / "logs" / "nano_u.keras").read_bytes()


def test_two_budgets_leave_two_models_and_all_their_files(
    folder: Path, before: bytes, command: Any
) -> None:
    rule = ("--accept", "miou >= -1", "--search", 1, "--accept-on", "int8", "--prove")
    code, out, err = command(main, *MODEL, "--params", "0.6", "700", *rule)
    assert (code, err) == (0, "")
    assert (folder / "logs" / "nano_u.keras").read_bytes() == before
    original = keras.models.load_model("logs/nano_u.keras")
    decided = r"\naccepted: miou [\d.]+ -> [\d.]+, asked for is >= -1; how [^\n]*\nuse logs/"
    assert re.search(decided, out)
    assert out.count("\nfrom scratch: miou ") == 2
    assert out.count("\nnano") == 0
    share = int(0.6 * original.count_params())
    for budget in (share, 700):
        stem = f"nano_u_{budget}"
        small = keras.models.load_model(f"logs/{stem}.keras")
        assert small.count_params() <= budget
        assert [layer.name for layer in small.layers] == [layer.name for layer in original.layers]
        csv = Path(f"logs/nas/{stem}_nas_metrics.csv")
        record, shrunk = read_record(csv.with_name(f"{csv.stem}_run.json")), None
        assert (record.seed, record.params) == (5, small.count_params())
        shrunk = read_shrunk(shrunk_path(csv))
        assert shrunk.model.resolve() == (folder / "logs" / "nano_u.keras").resolve()
        assert shrunk.params == small.count_params() == shrunk.plan.after.params
        assert shrunk.accepted is True
        assert shrunk.int8 is not None
        assert set(shrunk.int8.before) == set(shrunk.int8.after) == {"loss", "miou"}
        assert shrunk.int8.ram == shrunk.plan.after.ram
        assert f"{shrunk.int8.flash:,}" in out
        assert shrunk.rivals[0].name == "from scratch"
        assert set(shrunk.before) == set(shrunk.carried) == set(shrunk.after) == {"loss", "miou"}
        sizes, lost = zip(*shrunk.curve, strict=True)
        assert sorted(set(sizes), reverse=True) == list(sizes)
        assert lost[0] == pytest.approx(0, abs=1e-4)
        assert lost[-1] > lost[0]
        history = pd.read_csv(f"logs/{stem}_history.csv")
        # a quarter of the four epochs that the original was trained for
        assert len(history) == shrunk.epochs == 1
        assert history["val_miou"].iloc[-1] == pytest.approx(shrunk.after["miou"], abs=1e-5)
        for group in shrunk.plan.groups:
            assert f"{group.leader} " in out
        assert f"nano_u_{budget}.keras" in out
    assert len(pd.read_csv("logs/nano_u_tries.csv")) >= 3

    again, _, said = command(main, *MODEL, "--params", "700")
    assert again == 2
    assert "from an earlier run; pass --overwrite" in said
    assert said.count("\n") == 1

    last = "logs/nas/nano_u_700_nas_metrics.csv"
    code, out, err = command(report, "--csv", last)
    assert (code, err) == (0, "")
    page = Path(out.strip()).read_text()
    assert Path(out.strip()).name == "nano_u_700_report.html"
    assert "What it was made from" in page
    assert "Compared with nano_u" in page
    assert 'id="shrinking-title"' in page
    # the picture tells of both smaller models
    description = page.partition('<desc id="shrinking-description">')[2].partition("</desc>")[0]
    assert description.count("parameters:") == 2

    code, out, err = command(compare, "--csv", last)
    assert code == 0
    assert "NANO_U_700 AGAINST NANO_U" in out

    # and the original's front has both, as they did after training
    run = load_run(Path("logs/nas/nano_u_nas_metrics.csv"))
    made = made_of(run)
    assert [one.params for one in made] == sorted((one.params for one in made), reverse=True)
    text = alternative_text("front", run)
    assert all(f"{one.params:,} parameters {number(one.after['miou'])}" in text for one in made)
    assert len(made) == 2
    code, out, err = command(plot, "--csv", run.path, "--plot-type", "front", "--output", "f.png")
    assert (code, err) == (0, "")
    assert Path("f.png").read_bytes().startswith(b"\x89PNG")


def test_several_seeds_leave_one_model_and_what_each_came_to(before: bytes, command: Any) -> None:
    options = ("--params", "700", "--seeds", 2, "--output-dir", "seeds")
    code, out, err = command(main, *MODEL, *options)
    assert (code, err) == (0, "")
    assert "in the mean of 2 trainings (" in out
    shrunk = read_shrunk(Path("seeds/nas/nano_u_700_nas_metrics_shrunk.json"))
    first, second = shrunk.trainings
    assert first == shrunk.after != second
    history = pd.read_csv("seeds/nano_u_700_history.csv")
    assert history["val_miou"].tolist() == pytest.approx([first["miou"]], abs=1e-5)


def test_what_is_spare_is_taken_out_without_a_budget(before: bytes, command: Any) -> None:
    code, _, err = command(main, *MODEL, "--spare", "--output-dir", "spare")
    assert (code, err) == (0, "")
    shrunk = read_shrunk(Path("spare/nas/nano_u_spare_nas_metrics_shrunk.json"))
    assert shrunk.budgets == {}
    assert shrunk.params == keras.models.load_model("spare/nano_u_spare.keras").count_params()
    assert shrunk.plan.before.params is not None
    assert shrunk.params < shrunk.plan.before.params
    assert all(group.lost <= 1e-3 for group in shrunk.plan.groups if group.spare)
    assert shrunk.carried["miou"] == pytest.approx(shrunk.before["miou"], abs=0.02)


def test_the_advice_names_the_command(folder: Path, before: bytes, command: Any) -> None:
    csv = "logs/nas/nano_u_nas_metrics.csv"
    code, out, _ = command(recommend, "--csv", csv)
    assert code == 0
    assert "-m nasmon.train.shrink --model logs/nano_u.keras --params 0.5 0.25" in out
    tree = json.loads(command(recommend, "--csv", csv, "--format", "json")[1])
    typed = tree["shrink_command"].split()
    job = job_of(build_parser().parse_args(typed[3:]))
    assert job.budgets == ({"params": 0.5}, {"params": 0.25})
    # as the record of the training says
    training = job.settings.training
    assert (training.seed, training.batch_size, training.epochs) == (5, 8, 1)
    assert job.settings.terrain.train_images == 32
    assert job.settings.nas.log_dir == "logs/nas"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "there is no budget; give --params or --macs or --flash or --ram"),
        (("--params", "small"), "--params is 'small'; use a number, or a share such as 0.25"),
        (("--params", "1.5"), "--params is 1.5; a share is at most 1"),
        (("--params", "0"), "--params is 0; use a whole number, or a share of today's"),
        (("--macs", "nan"), "--macs is nan; use a whole number, or a share of today's"),
        (("--flash", "64XB"), "--flash is '64XB'; use a number, a size such as 64kB, or a share"),
        (("--ram", "1kB"), "ram=1000 cannot be met: with all widths at their least"),
        (("--params", "0.5", "--accept-on", "int4"), "invalid choice: 'int4'"),
        (("--params", "20"), "params=20 cannot be met: with all widths at their least"),
        (("--params", "0.5", "0.5"), "two of the budgets are the same"),
        (("--params", "1", "2", "--macs", "1", "2", "3"), "--params has 2 values; give one, or 3"),
        (("--params", "0.5", "--keep", "tow"), "'tow', which matches no layer"),
        (("--params", "0.5", "--search", "many"), "--search is 'many'; use a whole number"),
        (("--params", "0.5", "--accept", "miou"), "use a metric, >= or <="),
        (("--params", "0.5", "--accept", "iou > 1"), "use a metric, >= or <="),
        (("--spare", "--keep", "*"), "nothing is spare in logs/nano_u.keras; leave out --spare"),
        (("--params", "0.5", "--seeds", "0"), "--seeds is '0'; use a whole number"),
        (("--params", "0.5", "--seeds", "1001"), "--seeds is '1001'; use a whole number from 1 to"),
        (("--params", "0.5", "--search", "1000000000000"), "use a whole number from 0 to 100000"),
        (("--params", "0.5", "--epochs", "1e9"), "--epochs is '1e9'; use a whole number from 1 to"),
        (("--params", "0.5", "--lr", "nan"), "--lr is 'nan'; use a number above 0 and at most 10"),
        (("--params", "0.5", "--keep", "\x1b[2J"), "'\\x1b[2J', which matches no layer"),
        (("--params", "0.5", "--epochs", "0"), "--epochs is '0'; use a whole number"),
        (("--params", "0.5", "--data-dir", "nowhere"), "data folder nowhere does not exist"),
        (("--params", "0.5", "--csv", "no.csv"), "--csv is no.csv, beside which there is no"),
        (("--model", "none.keras", "--params", "0.5"), "none.keras, which does not exist"),
        (("--model", "small.yaml", "--params", "0.5"), "small.yaml, which is no .keras file"),
        (("--model", "torn.keras", "--params", "0.5"), "torn.keras cannot be loaded"),
        (("--model", "dense.keras", "--params", "0.5"), "use nasmon in Python"),
    ],
)
def test_a_mistake_is_said_in_a_line_and_nothing_is_written(
    folder: Path, before: bytes, command: Any, arguments: tuple[str, ...], words: str
) -> None:
    (folder / "torn.keras").write_bytes(before[:100])
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(folder / "dense.keras")
    there = {path for path in folder.rglob("*") if path.is_file()}
    code, _, err = command(main, *MODEL, *arguments)
    assert code == 2
    assert words in err
    assert [line.split(":")[1] for line in err.splitlines() if "error" in line] == [" error"]
    assert "Traceback" not in err
    assert {path for path in folder.rglob("*") if path.is_file()} == there


def test_a_damaged_or_foreign_file_is_told(folder: Path, before: bytes, command: Any) -> None:
    csv = Path("logs/nas/nano_u_nas_metrics.csv")
    place = shrunk_path(csv)
    try:
        for content, words in (
            ("{", "cannot be read"),
            ("{}", "does not tell how a model was shrunk"),
            ('{"format": "nasmon shrunk", "version": 9}', "has version 9, this nasmon reads 1"),
            ('{"format": "nasmon shrunk", "version": 1}', "is damaged (KeyError"),
        ):
            place.write_text(content)
            code, _, err = command(report, "--csv", csv)
            assert code == 2
            assert words in err
            assert "remove it to go on" in err
            assert err.count("\n") == 1
    finally:
        place.unlink()


def test_metrics_that_are_no_numbers_are_kept_as_such(tmp_path: Path, folder: Path) -> None:
    from nasmon.narrowing.plan import PlannedGroup, WidthPlan
    from nasmon.record.shrunk import (
        CurvePoint,
        Int8Record,
        RivalRecord,
        ShrunkRecord,
        write_shrunk,
    )
    from nasmon.widths.objectives import Amounts

    groups = (PlannedGroup("a", ("a", "b"), 8, 1, 4, float("nan"), 0, "kept"),)
    amounts = [Amounts((n, None, None, None)) for n in (80, 40)]
    plan = WidthPlan(groups, amounts[0], amounts[1])
    record = ShrunkRecord(
        model=tmp_path / "m.keras",
        csv=None,
        params=40,
        budgets={"params": 0.5},
        plan=plan,
        curve=(CurvePoint(80, 0.0),),
        before={"loss": 1.0},
        carried={"loss": float("inf")},
        after={"loss": float("nan")},
        accepted=False,
        decided_by="why",
        searched=None,
        won=None,
        epochs=3,
        seconds={"narrow": 1.0},
        int8=Int8Record({"loss": 1.1}, {"loss": 1.2}, 5000, 800),
        rivals=(RivalRecord("from scratch", {"loss": 2.0}, "loss 2: does worse"),),
    )
    path = tmp_path / "runs" / "m_shrunk.json"
    path.parent.mkdir()
    write_shrunk(path, record)
    found = read_shrunk(path)
    assert np.isnan(found.after["loss"])
    assert np.isnan(found.plan.groups[0].lost)
    assert found._replace(plan=plan, carried=record.carried, after=record.after) == record
    tree = json.loads(path.read_text())
    for name in ("int8", "rivals"):
        del tree[name]
    del tree["plan"]["after"]["flash"], tree["plan"]["busiest"]
    path.write_text(json.dumps(tree))
    earlier = read_shrunk(path)
    assert (earlier.int8, earlier.rivals, earlier.plan.after.flash) == (None, (), None)

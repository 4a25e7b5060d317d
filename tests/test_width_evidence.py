"""What a run records of its widths when it ends, and the advice that rests on it."""

import csv
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import nasmon
from nasmon import Monitor, NASMonitorCallback
from nasmon.analysis.recommend.command import main as recommend
from nasmon.analysis.recommend.planned import Asked, plan_of
from nasmon.analysis.run import load_run
from nasmon.narrowing.seen import Seen
from nasmon.record.files import curves_path, record_path, widths_path
from nasmon.record.run import read_record, write_record
from nasmon.record.widths import CURVE_COLUMNS, read_widths_file
from tests.networks import tiny

SAMPLES, INPUTS, WIDTH = 256, 8, 12


def inputs(samples: int = SAMPLES) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(samples, INPUTS)).astype(np.float32)


def planted() -> keras.Model:
    """With a layer of which three channels are spare: a dead one, a copy, and a sum of others."""
    x = keras.Input((INPUTS,))
    hidden = layers.Dense(WIDTH, activation="relu", name="hidden")(x)
    more = layers.Dense(WIDTH, activation="tanh", name="more")(hidden)
    model = keras.Model(x, layers.Dense(WIDTH, name="head")(more), name="planted")
    keras.utils.set_random_seed(3)
    for layer in model.layers[1:]:
        layer.kernel.assign(keras.random.normal(layer.kernel.shape))
    kernel = np.array(model.get_layer("hidden").kernel)
    kernel[:, 1], kernel[:, 5], kernel[:, 7] = 0, 2 * kernel[:, 4], kernel[:, 6]
    model.get_layer("hidden").kernel.assign(kernel)
    return model


def recorded(path: Path, model: keras.Model, samples: int = SAMPLES, **arguments: Any) -> Path:
    """The CSV of a run with one reading, closed."""
    with Monitor(model, inputs(samples), samples=samples, csv_path=path, **arguments) as monitor:
        monitor.read(3, epoch=0)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("run") / "run.csv", planted())


def advised(capsys: pytest.CaptureFixture[str], path: Path, *options: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        recommend(["--csv", str(path), "--format", "json", *options])
    assert ended.value.code == 0
    return json.loads(capsys.readouterr().out)


def test_the_files_tell_which_channels_go_and_what_that_costs(run: Path) -> None:
    evidence = read_widths_file(widths_path(run))
    assert (evidence.epoch, evidence.step, evidence.samples) == (0, 3, SAMPLES)
    hidden, more = evidence.groups
    assert (hidden.leader, hidden.needed) == ("hidden", WIDTH - 3)
    assert (more.leader, more.needed) == ("more", WIDTH)
    gone = set(hidden.order[WIDTH - 3 :].tolist())
    assert 1 in gone
    assert len(gone & {4, 5}) == len(gone & {6, 7}) == 1
    assert (np.diff(hidden.costs) <= 1e-12).all()
    # of the last three channels nothing but rounding is known
    assert hidden.costs[WIDTH - 3] < 1e-6 < hidden.costs[WIDTH - 4]
    with open(curves_path(run), newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == CURVE_COLUMNS
    own = [row for row in rows if row[0] == "hidden"]
    assert [int(row[2]) for row in own] == list(range(WIDTH, 0, -1))
    assert [float(row[3]) for row in own] == pytest.approx(hidden.costs[:0:-1], rel=1e-5)
    assert [int(row[4]) for row in own[1:]] == hidden.order[:0:-1].tolist()


def test_what_is_spare_is_advised_and_loses_nothing(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = advised(capsys, run)
    assert found["widths"] == {"hidden": WIDTH - 3}
    hidden, more, _ = found["layers"]
    assert hidden["lines"][0].startswith("narrow 12 -> 9: 3 are spare, its consumers lose nothing")
    assert more["action"] == "keep"
    assert more["lines"][0].startswith("keep 12: without one of them its consumers lose ")
    assert "Only training settles that" in found["caveat"]
    assert f"over {SAMPLES} samples at step 3" in found["basis"]
    model, x = planted(), inputs()
    small = nasmon.narrow(model, found["widths"], x)
    assert small.count_params() == found["model"]["params"] - found["saving"]["params"]
    np.testing.assert_allclose(small(x), model(x), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("options", "budgets"),
    [
        (("--params", "0.5"), {"params": 0.5}),
        (("--macs", "150"), {"macs": 150}),
        (("--params", "0.6", "--macs", "0.4"), {"params": 0.6, "macs": 0.4}),
    ],
)
def test_a_budget_is_met_with_the_widths_that_plan_widths_gives(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    options: Sequence[str],
    budgets: dict[str, Any],
) -> None:
    found = advised(capsys, run, *options)
    plan = nasmon.plan_widths(planted(), inputs(), **budgets)
    assert found["widths"] == plan.widths
    assert found["model"]["params"] - found["saving"]["params"] == plan.after.params
    planned = {group["leader"]: group for group in found["plan"]}
    for group in plan.groups:
        assert planned[group.leader]["width"] == group.width
        lost = planned[group.leader]["lost"]
        assert (np.nan if lost is None else lost) == pytest.approx(group.lost, 1e-3, nan_ok=True)
    assert "of their outputs before fine-tuning" in found["layers"][1]["lines"][0]


def test_a_budget_stands_in_the_command_to_the_digit() -> None:
    asked = Asked({"params": 0.25, "macs": 12_345_678}, keep=("head",), min_width=2, round_to=4)
    expected = "--params 0.25 --macs 12345678 --keep head --min-width 2 --round-to 4"
    assert asked.options == expected.split()


def test_layers_are_kept_and_widths_rounded_as_asked(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = advised(capsys, run, "--params", "0.8", "--keep", "more", "--round-to", "4")
    assert found["widths"] == {"hidden": 8}
    found = advised(capsys, run, "--params", "0.5", "--min-width", "5")
    assert min(found["widths"].values()) >= 5


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--params", "0"), "--params is 0; use a whole number, or a share of today's"),
        (("--params", "few"), "--params is 'few'; use a number, or a share such as 0.25"),
        (("--params", "3"), "params=3 cannot be met: with all widths at their least"),
        (("--params", "0.5", "--keep", "tow"), "'tow', which matches no layer; there are hidden"),
        (("--min-width", "0"), "--min-width is '0'; use a whole number"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(
    run: Path, capsys: pytest.CaptureFixture[str], options: Sequence[str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        recommend(["--csv", str(run), *options])
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_without_evidence_it_says_what_is_lacking(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path / "run.csv", planted(), width_evidence=False)
    assert not widths_path(path).exists()
    assert not curves_path(path).exists()
    found = advised(capsys, path)
    assert "by their layers' ranks: " in found["basis"]
    assert "run_widths.npz is not there." in found["basis"]
    assert found["plan"] is None
    with pytest.raises(SystemExit) as ended:
        recommend(["--csv", str(path), "--params", "0.5"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "--params needs what fewer channels would lose: " in said
    assert "run_widths.npz is not there; copy it beside run.csv" in said
    record = read_record(record_path(path))
    for status, words in (("running", "still goes on"), ("failed", "failed")):
        write_record(record_path(path), record._replace(status=status))
        assert f"the run {words}, and what fewer channels" in advised(capsys, path)["basis"]
        with pytest.raises(SystemExit):
            recommend(["--csv", str(path), "--ram", "0.5"])
        assert "wait for its end, or use nasmon.shrink" in capsys.readouterr().err


def test_too_few_samples_tell_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path / "run.csv", planted(), samples=8)
    found = advised(capsys, path)
    assert found["widths"] == {}
    assert "8 samples are too few to tell" in found["layers"][0]["lines"][0]


def test_with_more_that_may_be_lost_fewer_channels_are_enough() -> None:
    seen = Seen(planted(), inputs())
    groups = [group for group in seen.traced.groups if not group.fixed_by]
    counts = [seen.enough(groups, most)["hidden"] for most in (1e-6, 1e-3, 0.3)]
    assert counts[0] == seen.needed(groups)["hidden"] == WIDTH - 3
    assert counts[0] >= counts[1] > counts[2] > 0
    assert seen.enough(groups)["hidden"] == counts[1]


def test_two_that_stand_in_for_each_other_do_not_both_go() -> None:
    x = keras.Input((6,))
    sides = [layers.Dense(6, name=name)(x) for name in ("left", "right")]
    model = keras.Model(x, layers.Dense(9, name="head")(layers.Concatenate()(sides)))
    data = np.random.default_rng(1).normal(size=(300, 6)).astype(np.float32)
    plan = nasmon.plan_widths(model, data)
    # six directions, of which each side has all
    assert sum(group.width for group in plan.groups if not group.reason) == 6
    small = nasmon.narrow(model, plan, data)
    np.testing.assert_allclose(small(data), model(data), rtol=1e-3, atol=1e-3)


def test_evidence_of_another_run_is_left_out_and_damage_named(run: Path, tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.csv", planted())
    other = tmp_path / "other.csv"
    with Monitor(planted(), inputs(), samples=SAMPLES, csv_path=other) as monitor:
        monitor.read(4, epoch=0)
    widths_path(path).write_bytes(widths_path(other).read_bytes())
    found = load_run(path)
    assert found.width_evidence is None
    assert any("it is of step 4, which the CSV does not have" in note for note in found.notes)
    model, x = tiny()
    with Monitor(model, x, csv_path=tmp_path / "tiny.csv") as monitor:
        monitor.read(3, epoch=0)
    widths_path(path).write_bytes(widths_path(tmp_path / "tiny.csv").read_bytes())
    assert load_run(path).width_evidence is None
    widths_path(path).write_bytes(b"PK\x03\x04")
    with pytest.raises(nasmon.errors.UsageError, match="is damaged .* remove it to go on without"):
        plan_of(load_run(path), Asked())


def test_it_is_counted_as_set_up_and_taken_once_a_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor = Monitor(planted(), inputs(), csv_path=tmp_path / "run.csv")
    monitor.read(1)
    before, overhead = monitor.setup_seconds, monitor.budget.probe_seconds
    monitor.close()
    assert monitor.setup_seconds > before
    assert monitor.budget.probe_seconds == overhead
    taken = widths_path(tmp_path / "run.csv").stat().st_mtime_ns
    after = monitor.setup_seconds
    monitor.close()
    assert monitor.setup_seconds - after < 0.1
    assert widths_path(tmp_path / "run.csv").stat().st_mtime_ns == taken
    monitor.read(2)
    monitor.close()
    assert read_widths_file(widths_path(tmp_path / "run.csv")).step == 2


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_run_that_did_not_end_well_has_none(tmp_path: Path, status: str) -> None:
    monitor = Monitor(planted(), inputs(), csv_path=tmp_path / "run.csv")
    monitor.read(1)
    monitor.close(status)
    assert not widths_path(tmp_path / "run.csv").exists()


def test_a_new_run_removes_that_of_an_earlier_one(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.csv", planted())
    Monitor(planted(), inputs(), csv_path=path, if_exists="overwrite")
    assert not widths_path(path).exists()
    assert not curves_path(path).exists()


def test_its_failure_costs_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("nasmon.narrowing.recorded.Gathering", fail)
    monitor = Monitor(planted(), inputs(), csv_path=tmp_path / "run.csv")
    monitor.read(1)
    with pytest.warns(RuntimeWarning, match="is not recorded; RuntimeError: no such luck"):
        monitor.close()
    assert load_run(tmp_path / "run.csv").record.status == "ended"  # type: ignore[union-attr]
    monitor.read(2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        monitor.close()
    strict = Monitor(planted(), inputs(), csv_path=tmp_path / "strict.csv", on_error="raise")
    strict.read(1)
    with pytest.raises(RuntimeError, match="no such luck"):
        strict.close()


def test_the_training_is_what_it_would_have_been(tmp_path: Path) -> None:
    x = inputs()
    after = []
    for evidence in (True, False):
        keras.utils.set_random_seed(0)
        model = planted()
        model.compile("adam", "mse")
        for _ in range(2):
            callback = NASMonitorCallback(
                (x,),
                log_dir=None,
                csv_path=tmp_path / f"{evidence}.csv",
                if_exists="append",
                width_evidence=evidence,
            )
            model.fit(x, np.tile(x[:, :1], WIDTH), epochs=1, verbose=0, callbacks=[callback])
        after.append(model.get_weights())
    for one, other in zip(*after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert widths_path(tmp_path / "True.csv").exists()
    assert not widths_path(tmp_path / "False.csv").exists()

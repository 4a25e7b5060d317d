"""What lies beside a run's CSV is used if it is that run's, and named and left out if it is not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nasmon.analysis.compare.command import main as compare_main
from nasmon.analysis.plot.command import main as plot_main
from nasmon.analysis.recommend.command import main as recommend_main
from nasmon.analysis.report.command import main as report_main
from nasmon.analysis.run import load_run
from nasmon.errors import UsageError
from nasmon.record.files import layers_path, record_path, spectra_path
from tests.commands import in_process
from tests.planted_runs import advised, planted_values, wide_chain
from tests.recorded import write_run
from tests.test_outputs import SPECIAL

BESIDE: dict[str, Callable[[Path], Path]] = {
    "layers": layers_path,
    "record": record_path,
    "spectra": spectra_path,
}
RANKS = [30, 8, 12, 1]


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Runs a command's main in tmp_path; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return lambda main, *arguments: in_process(main, capsys, *arguments)


def a_run(folder: Path, *widths: int, readings: int = 12, ranks: list[int] = RANKS) -> Path:
    """A run called run.csv, 32, 32, 16 and 1 channels wide if nothing else is said."""
    record = wide_chain(*(widths or (32, 32, 16, 1)))
    values = planted_values(record, np.minimum(ranks, widths or 32).tolist(), readings)
    return write_run(folder / "run.csv", record, values)


def change_record(path: Path, **changes: Any) -> None:
    tree = json.loads(record_path(path).read_text())
    record_path(path).write_text(json.dumps({**tree, **changes}))


def left_out(kind: str, why: str) -> str:
    path = BESIDE[kind](Path("run.csv"))
    return f"recommend: note: {path} is another run's and was left out: {why}"


def test_a_run_s_own_files_are_used_without_a_word(tmp_path: Path) -> None:
    run = load_run(a_run(tmp_path))
    assert run.has_layers
    assert (run.record is None, run.spectra is None, run.notes) == (False, False, [])


NARROWER = (32, 16, 16, 1)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("layers", "at step 120 its redundancy_score over all layers is "),
        ("record", "it has 16 channels in layer 'conv1', the run 32"),
        ("spectra", "it has 16 channels in layer 'conv1', the run 32"),
    ],
)
def test_a_file_of_another_run_is_as_if_it_were_not_there(
    command, tmp_path: Path, kind: str, why: str
) -> None:
    path = a_run(tmp_path)
    other = a_run(tmp_path / "other", *NARROWER)
    BESIDE[kind](path).unlink()
    expected = command(recommend_main, "--csv", path.name, "--format", "json")
    shutil.copy(BESIDE[kind](other), BESIDE[kind](path))
    code, out, err = command(recommend_main, "--csv", path.name, "--format", "json")
    assert code == expected[0] == 0
    found, alone = json.loads(out), json.loads(expected[1])
    assert found.pop("notes") != alone.pop("notes")
    assert found == alone
    assert left_out(kind, why) in err
    state = f"{BESIDE[kind](Path('run.csv'))} is another run's, so "
    assert f"{state}" in err
    assert "put that of run.csv in its place" in err


def test_ranks_of_one_model_do_not_narrow_another(command, tmp_path: Path) -> None:
    """Ranks of 16 channels once made an advice for 32: "rank_99 is 13 of 16"."""
    path, other = a_run(tmp_path), a_run(tmp_path / "other", *NARROWER, ranks=[30, 13, 12, 1])
    for kind in ("layers", "spectra"):
        shutil.copy(BESIDE[kind](other), BESIDE[kind](path))
    code, text, err = command(recommend_main, "--csv", "run.csv")
    assert code == 0
    assert "narrow" not in text.replace("Narrow", "")
    assert "NOT KNOWN\n   → run_layers.csv is another run's, so nothing can be said by" in text
    assert left_out("layers", "at step 120 its ") in err


def test_the_same_model_s_other_run_is_told_by_its_numbers(tmp_path: Path) -> None:
    path, other = a_run(tmp_path), a_run(tmp_path / "other", ranks=[30, 9, 12, 1])
    shutil.copy(layers_path(other), layers_path(path))
    run = load_run(path)
    assert not run.has_layers
    assert run.notes == [
        f"{layers_path(path)} is another run's and was left out: at step 120 its saturation "
        "over all layers is 0.642, that of the CSV 0.6296"
    ]
    with pytest.raises(UsageError, match="is another run's; put that of run.csv in its place"):
        run.latest_layers(1)
    with pytest.raises(UsageError, match="is another run's; put that of run.csv in its place"):
        run.layer_history("rank_99")


@pytest.mark.parametrize("readings", [11, 5])
def test_rows_by_layer_that_end_earlier_are_not_those_of_the_run(
    tmp_path: Path, readings: int
) -> None:
    path, other = a_run(tmp_path), a_run(tmp_path / "other", readings=readings)
    shutil.copy(layers_path(other), layers_path(path))
    run = load_run(path)
    assert not run.has_layers
    assert "it does not have the CSV's last reading, of step 120" in run.notes[0]


@pytest.mark.parametrize("decimals", [3, 5])
def test_rounded_readings_are_no_other_run(tmp_path: Path, decimals: int) -> None:
    path = a_run(tmp_path)
    pd.read_csv(path).round(decimals).to_csv(path, index=False)
    run = load_run(path)
    assert run.has_layers
    assert run.notes == []


@pytest.mark.parametrize(
    ("status", "last_step", "is_own"),
    [
        ("ended", None, True),
        ("ended", 120, True),
        ("failed", 120, True),
        ("ended", 110, False),
        ("interrupted", 240, False),
        # it is still being written, or was killed
        ("running", 110, True),
    ],
)
def test_the_last_step_tells_a_record_from_another(
    tmp_path: Path, status: str, last_step: int | None, is_own: bool
) -> None:
    path = a_run(tmp_path)
    change_record(path, status=status, last_step=last_step)
    run = load_run(path)
    assert (run.record is not None) == is_own
    assert run.name == ("chain" if is_own else "run")
    assert run.notes == (
        []
        if is_own
        else [
            f"{record_path(path)} is another run's and was left out: it ends at step {last_step}, "
            "the CSV at step 120"
        ]
    )


def test_a_record_that_an_editor_saved_with_a_mark_is_read(tmp_path: Path) -> None:
    path = a_run(tmp_path)
    record_path(path).write_text(record_path(path).read_text(), "utf-8-sig")
    assert load_run(path).name == "chain"


def test_other_names_of_layers_tell_a_record_from_another(tmp_path: Path) -> None:
    path = a_run(tmp_path)
    tree = json.loads(record_path(path).read_text())
    tree["layers"][1]["name"] = "dense"
    change_record(path, layers=tree["layers"])
    assert "it has a layer 'dense', which the run does not have" in load_run(path).notes[0]
    change_record(path, layers=tree["layers"][:1])
    assert "it lacks the run's layer 'conv1'" in load_run(path).notes[0]


@pytest.mark.parametrize("moment", [[11, 110], [40, 410]])
def test_spectra_of_a_step_that_was_never_read_are_another_run_s(
    tmp_path: Path, moment: list[int]
) -> None:
    path = a_run(tmp_path)
    with np.load(spectra_path(path)) as file:
        arrays = {**file, "latest": np.array(moment)}
    np.savez(spectra_path(path), **arrays)
    run = load_run(path)
    assert run.spectra is None
    assert f"they are of step {moment[1]}, which the CSV does not have" in run.notes[0]


def test_spectra_of_a_run_that_goes_on_may_be_newer_than_its_csv(tmp_path: Path) -> None:
    path = a_run(tmp_path)
    with np.load(spectra_path(path)) as file:
        arrays = {**file, "latest": np.array([14, 150])}
    np.savez(spectra_path(path), **arrays)
    assert load_run(path).spectra is None
    change_record(path, status="running")
    run = load_run(path)
    assert run.spectra is not None
    assert run.spectra[1].step == 150


def test_spectra_are_held_against_the_record_where_there_are_no_layers(tmp_path: Path) -> None:
    path, other = a_run(tmp_path), a_run(tmp_path / "other", *NARROWER)
    shutil.copy(spectra_path(other), spectra_path(path))
    layers_path(path).unlink()
    assert load_run(path).spectra is None


@pytest.mark.parametrize("torn", [True, False])
def test_a_killed_run_is_read_without_a_false_alarm(command, tmp_path: Path, torn: bool) -> None:
    """Its layers and spectra are a reading ahead of its CSV, whose last row may be cut off."""
    path = a_run(tmp_path)
    change_record(path, status="running")
    content = path.read_text()
    kept = content.rindex("\n", 0, -1) + 1
    path.write_text(content[: kept + 9] if torn else content[:kept])
    layers_path(path).write_text(layers_path(path).read_text()[: -30 if torn else None])
    code, text, err = command(recommend_main, "--csv", "run.csv")
    assert code == 0
    assert "narrow 32 -> 8: rank_99 is 8 of 32" in text
    assert "another run" not in err
    assert err.count("is cut off and was left out") == 2 * torn
    run = load_run(path)
    assert run.latest_layers(1)["step"].unique().tolist() == [110]
    assert run.record is not None
    change_record(path, status="failed", last_step=120)
    assert load_run(path).record is not None
    change_record(path, status="failed", last_step=130)
    assert load_run(path).record is None
    assert run.spectra is not None


def test_the_commands_go_on_without_what_is_another_run_s(command, tmp_path: Path) -> None:
    path, other = a_run(tmp_path), a_run(tmp_path / "other", *NARROWER)
    for of in BESIDE.values():
        shutil.copy(of(other), of(path))
    change_record(path, last_step=240)
    code, out, err = command(plot_main, "--csv", "run.csv", "--all")
    assert (code, out.count("\n")) == (0, 3)
    why = "run_layers.csv is another run's; put that of run.csv in its place"
    assert f"plot: note: layers is left out: {why}\n" in err
    assert "plot: note: run_run.json is another run's and was left out: it ends at step 240" in err
    code, out, err = command(compare_main, "--csv", "run.csv", other)
    assert code == 0
    assert "run_run.json is another run's, so neither the size nor the task metric" in err
    assert command(report_main, "--csv", "run.csv")[:2] == (0, "run_report.html\n")
    page = (tmp_path / "run_report.html").read_text("utf-8")
    assert "run_spectra.npz is another run" in page


def test_rows_by_layer_of_two_runs_beside_the_csv_of_one(tmp_path: Path) -> None:
    """The rows that make the CSV's numbers are the run's; they are the later ones."""
    path, other = a_run(tmp_path), a_run(tmp_path / "other", ranks=[30, 9, 12, 1])
    earlier, later = layers_path(other).read_text(), layers_path(path).read_text()
    layers_path(path).write_text(earlier + later.split("\n", 1)[1])
    assert load_run(path).latest_layers(1)["rank_99"].tolist() == RANKS
    layers_path(path).write_text(later + earlier.split("\n", 1)[1])
    assert not load_run(path).has_layers


def test_the_first_nasmon_s_rows_by_layer_are_read(tmp_path: Path) -> None:
    path = a_run(tmp_path)
    table = pd.read_csv(layers_path(path)).drop(columns=["params", "macs", "tied_to"])
    table.to_csv(layers_path(path), index=False)
    run = load_run(path)
    assert run.latest_layers(1)["tied_to"].tolist() == [""] * 4
    assert advised(run).widths == {"conv1": 8, "conv2": 12}


def test_no_file_is_a_reason_to_train_again() -> None:
    """What can be read, mended or done without costs no training; the advice may ask for one."""
    root = Path(__file__).parent.parent
    files = [*(root / "analysis").rglob("*.py"), *(root / "nasmon" / "record").glob("*.py")]
    asking = {path.name for path in files if "train again" in path.read_text("utf-8").lower()}
    assert asking == {"text.py", "verdict.py"}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("main", [recommend_main, plot_main, report_main])
def test_a_csv_that_is_no_file_is_one_line_at_once(
    command, tmp_path: Path, main: Any, kind: str
) -> None:
    SPECIAL[kind](tmp_path / "run.csv")
    code, out, err = command(main, "--csv", "run.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"error: run.csv is {kind}, not a file; give the CSV that a run wrote" in err


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/full"])
def test_a_device_is_compared_with_nothing(command, tmp_path: Path, place: str) -> None:
    a_run(tmp_path)
    code, _, err = command(compare_main, "--csv", "run.csv", place)
    assert (code, err.count("\n")) == (2, 1)
    assert f"compare: error: {place} is a device, not a file; give the CSV" in err


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("beside", BESIDE)
def test_a_companion_that_is_no_file_is_one_line_at_once(
    command, tmp_path: Path, beside: str, kind: str
) -> None:
    place = BESIDE[beside](a_run(tmp_path))
    place.unlink()
    SPECIAL[kind](place)
    code, out, err = command(recommend_main, "--csv", "run.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"error: {place.name} is {kind}, not a file; remove it to go on without " in err


def test_the_newest_run_is_sought_among_files_alone(command, tmp_path: Path) -> None:
    a_run(tmp_path / "logs")
    for number, make in enumerate(SPECIAL.values()):
        make(tmp_path / "logs" / f"{number}.csv")
    assert command(recommend_main)[0] == 0

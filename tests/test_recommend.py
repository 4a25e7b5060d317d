"""``python -m analysis.recommend`` as a whole: every format, every bad input, its speed."""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nasmon.analysis.recommend import as_json
from nasmon.analysis.recommend.command import advice_text, main
from nasmon.analysis.run import load_run
from nasmon.record.files import LAYER_COLUMNS, RUN_COLUMNS, layers_path, record_path, spectra_path
from nasmon.thresholds import DEFAULT_THRESHOLDS
from tests.commands import in_process
from tests.planted_runs import joined, planted_run, planted_values, wide_chain
from tests.recorded import chain, write_run

ROOT = Path(__file__).parent.parent
SECTIONS = (
    *("1. REDUNDANCY ANALYSIS:", "2. CORRELATION ANALYSIS:", "3. NUMERICAL STABILITY:"),
    *("4. TRAINING DYNAMICS:", "5. OVERALL RECOMMENDATION:", "BY LAYER:"),
)


@pytest.fixture
def recommend(capsys, monkeypatch, tmp_path):
    """Runs the command in this process, in an empty folder; returns its code and what it wrote."""
    monkeypatch.chdir(tmp_path)
    return partial(in_process, main, capsys)


def command(*arguments, shell="", **environment):
    """Runs the command in a process of its own."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {shell}', "sh", sys.executable, "-m", "analysis.recommend", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def planted(folder, **changes):
    """A run with layers to narrow, to keep, to wait for, and with dead and doubled channels."""
    return planted_run(folder, wide_chain(16, 16, 16, 1), [16, 8, 15, 1], **changes)


def high(record, redundancy, correlation, condition):
    """Values whose aggregates at the last reading are those."""
    count = len(record["layers"])
    return {
        "redundancy_score": [redundancy] * count,
        "correlation_mean": [correlation] * count,
        "condition_number": [condition] * count,
    }


def test_the_text_is_laid_out_as_its_user_laid_it_out(recommend, tmp_path):
    record = {**wide_chain(16, 8), "model_name": "nano_u"}
    planted_run(tmp_path, record, [16, 8], **high(record, 0.743, 0.412, 2.34e4))
    code, text, err = recommend("--csv", "chain_nas_metrics.csv")
    assert (code, err) == (0, "")
    assert text.startswith(
        "============================================================\n"
        "NAS ANALYSIS RECOMMENDATIONS FOR NANO_U\n"
        "============================================================\n"
        "\n"
        "1. REDUNDANCY ANALYSIS:\n"
        "   ⚠️  HIGH REDUNDANCY (final=0.743)\n"
        "   → Consider reducing bottleneck size or decoder filters\n"
        "   → Reduce filters by 25-30%, bottleneck by 25%\n"
        "   → High redundancy indicates wasted capacity\n"
        "\n"
        "2. CORRELATION ANALYSIS:\n"
        "   ℹ️  MODERATE CORRELATION (final=0.412)\n"  # noqa: RUF001
        "   → Features have some redundancy\n"
        "   → Consider adding dropout or reducing layer width\n"
        "\n"
        "3. NUMERICAL STABILITY:\n"
        "   ✓ GOOD CONDITIONING (final=2.34e4)\n"
        "   → Excellent numerical stability\n"
        "\n"
        "4. TRAINING DYNAMICS:\n"
    )
    assert "   ⚠️  ARCHITECTURE NEEDS OPTIMIZATION\n" in text
    assert text.endswith("\n============================================================\n")
    positions = [text.index(section) for section in SECTIONS]
    assert positions == sorted(positions)


def test_the_table_says_what_to_do_with_each_layer(recommend, tmp_path):
    planted(tmp_path)
    _, text, _ = recommend("--csv", "chain_nas_metrics.csv")
    lines = text.splitlines()
    table = lines[lines.index("BY LAYER:") + 2 :]
    assert table[0].split() == (
        "layer channels redun. corr. eff.rank rank_99 dead settled what to do".split()
    )
    assert [row.split()[0] for row in table[2:6]] == ["conv0", "conv1", "conv2", "conv3"]
    assert table[3].split()[-5:] == ["0", "yes", "narrow", "to", "8"]
    assert table[2].endswith("  yes  keep")
    assert len({row.index("yes") for row in table[2:6]}) == 1
    assert "   2 layers: keep (the width is used)\n" in text
    assert "   1 layer: fixed (the width is that of another layer, the input or the output)" in text
    assert "All changes together: 833 -> 569 parameters (31.7 % less), 37,632 -> 25,344" in text
    assert (
        "     python -m train --model chain --widths 16 8 16 --output-dir logs/chain_narrower "
        "--nas-log-dir logs/chain_narrower/nas\n"
    ) in text
    caveat = "This is a reading of the variance, not a measurement of the loss"
    assert caveat in " ".join(text.split())


def test_sixty_layers_with_long_names_stay_readable(recommend, tmp_path):
    record = chain((16,) * 60, inputs=16)
    names = [f"encoder/stage_{i}/block_{i}/expanded_convolution_number_{i}" for i in range(60)]
    for layer, name in zip(record["layers"], names, strict=True):
        layer["name"], layer["widths"] = name, [[layer["widths"][0][0], 1]]
    write_run(tmp_path / "run.csv", record)
    _, text, _ = recommend("--csv", "run.csv")
    lines = text.splitlines()
    assert all(name in lines for name in names)
    assert max(map(len, (line for line in lines if "--widths" not in line))) <= 100


def test_layers_with_the_same_to_say_are_named_together(recommend, tmp_path):
    write_run(tmp_path / "run.csv", readings=2)
    _, text, _ = recommend("--csv", "run.csv")
    assert "   conv0, conv1, conv2, conv3:\n   → 2 readings are too few to tell" in text
    assert "No layer is to be narrowed; 4 have not settled." in text


@pytest.mark.parametrize("readings", [1, 2])
@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_short_runs_are_advised_in_every_format(recommend, tmp_path, readings, form):
    write_run(tmp_path / "run.csv", readings=readings)
    code, text, err = recommend("--csv", "run.csv", "--format", form)
    assert (code, err) == (0, "")
    assert "too few to tell" in text


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_undefined_values_are_shown_as_such(recommend, tmp_path, form):
    record = wide_chain(16, 1)
    nan = float("nan")
    planted_run(tmp_path, record, [nan, 1], trace=[nan, nan], **high(record, nan, nan, nan))
    code, text, _ = recommend("--csv", "chain_nas_metrics.csv", "--format", form)
    assert code == 0
    assert "UNDEFINED" in text
    if form == "json":
        tree = json.loads(text, parse_constant=pytest.fail)
        assert tree["layers"][0]["rank_99"] is None
        assert tree["findings"][0]["value"] is None
    else:
        assert "no advice: the activations are not finite" in text


def test_json_holds_all_that_the_text_says(recommend, tmp_path):
    run = planted(tmp_path, dead_channels=[0, 0, 1, 0])
    matrix = np.eye(16)
    matrix[2, 5] = matrix[5, 2] = 0.99
    matrix[3, :] = matrix[:, 3] = np.nan
    with np.load(spectra_path(run.path)) as file:
        arrays = {**file, "latest/correlations/2": matrix.astype(np.float32)}
    np.savez(spectra_path(run.path), **arrays)
    _, text, _ = recommend("--csv", "chain_nas_metrics.csv", "--format", "json")
    tree = json.loads(text)
    assert (tree["format"], tree["version"]) == ("nasmon recommendations", 1)
    sizes = {"params": 833, "macs": 37_632, "flash": 3156, "ram": 1536}
    assert tree["model"] == {"name": "chain", **sizes}
    assert tree["thresholds"] == DEFAULT_THRESHOLDS
    assert [one["title"] for one in tree["findings"]] == [
        section[3:-1] for section in SECTIONS[:-1]
    ]
    narrow, dead = tree["layers"][1], tree["layers"][2]
    assert (narrow["action"], narrow["width"], narrow["settled"]) == ("narrow", 8, True)
    assert narrow["saving"]["params"] == 264
    assert narrow["saving"]["params_share"] == pytest.approx(264 / 833)
    assert dead["dead_indices"] == [3]
    (pair,) = dead["duplicates"]
    assert (pair["first"], pair["second"], dead["duplicate_pairs"]) == (2, 5, 1)
    assert (tree["widths"], tree["saving"]["macs"]) == ({"conv1": 8}, 37_632 - 25_344)
    assert tree["command"].startswith("python -m train --model chain --widths 16 8 16 ")
    assert (tree["epoch"], tree["step"], tree["readings"]) == (11, 120, 12)
    _, told, _ = recommend("--csv", "chain_nas_metrics.csv")
    unwrapped = " ".join(told.split())
    said = [line for one in (*tree["findings"], narrow, dead) for line in one["lines"]]
    for line in (*said, tree["summary"], tree["caveat"], tree["command"]):
        assert line in unwrapped


def test_every_field_of_the_json_is_documented(recommend, tmp_path):

    run = planted(tmp_path)
    _, text, _ = recommend("--csv", run.path, "--format", "json")
    tree = json.loads(text)
    fields = {*tree, *tree["model"], *tree["saving"], *tree["findings"][0], *tree["layers"][0]}
    for field in fields:
        assert f"``{field}``" in as_json.__doc__, field


def test_markdown_has_the_sections_the_table_and_the_command(recommend, tmp_path):
    planted(tmp_path)
    _, text, _ = recommend("--csv", "chain_nas_metrics.csv", "--format", "markdown")
    lines = text.splitlines()
    assert lines[0] == "# NAS analysis recommendations for CHAIN"
    assert [line for line in lines if line.startswith("## ")] == [
        "## 1. Redundancy analysis",
        "## 2. Correlation analysis",
        "## 3. Numerical stability",
        "## 4. Training dynamics",
        "## 5. Overall recommendation",
        "## By layer",
    ]
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + 4
    assert {row.count("|") for row in rows} == {10}
    assert lines[lines.index("```sh") + 1].startswith("python -m train --model chain --widths 16 8")


UGLY = "<script>alert(1)</script>|`x`\n\x1b[31m_y_\u202e"


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_a_layer_may_be_called_anything(recommend, tmp_path, form):
    record = joined()
    for layer in record["layers"]:
        layer["name"] = layer["name"].replace("a", UGLY)
    for owner in record["structure"]["owners"]:
        owner["name"] = owner["name"].replace("a", UGLY)
        owner["tied_to"] = owner["tied_to"].replace("a", UGLY)
    record["layers"][0]["widths"] = [[UGLY, 1]]
    record["structure"]["costs"] = []
    record["model_name"] = UGLY
    planted_run(tmp_path, record, [16, 8, 16, 2])
    code, text, _ = recommend("--csv", "chain_nas_metrics.csv", "--format", form)
    assert code == 0
    assert "\x1b" not in text
    assert "\u202e" not in text
    if form == "text":
        assert "\n<script>alert(1)</script>|`x`\\n\\x1b[31m_y_\\u202e\n" in text
    else:
        assert "<script>" not in text.replace("\\<", "")
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert {row.replace("\\|", "").count("|") for row in rows} == {10}


def test_a_terminal_without_the_signs_gets_words(tmp_path):
    path = planted(tmp_path).path
    done = command("--csv", str(path), PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert "   [INFO] " in done.stdout
    assert "   [OK] GOOD CONDITIONING" in done.stdout
    assert "   -> " in done.stdout


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    write_run(tmp_path / "run.csv", chain((16,) * 500, inputs=16), readings=2)
    done = command("--csv", str(tmp_path / "run.csv"), shell="| head -n 2")
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] == "NAS ANALYSIS RECOMMENDATIONS FOR CHAIN"


def test_the_newest_run_is_taken_and_named_as_asked(recommend, tmp_path):
    old = write_run(tmp_path / "logs" / "old" / "old_nas_metrics.csv")
    os.utime(old, (1, 1))
    new = write_run(tmp_path / "logs" / "nas" / "new_nas_metrics.csv")
    record_path(new).unlink()
    code, text, _ = recommend()
    assert (code, text.splitlines()[1]) == (0, "NAS ANALYSIS RECOMMENDATIONS FOR NEW")
    _, text, _ = recommend("--model-name", "mine")
    assert text.splitlines()[1] == "NAS ANALYSIS RECOMMENDATIONS FOR MINE"


def test_a_newer_file_that_holds_no_run_is_named(recommend, tmp_path):
    path = write_run(tmp_path / "logs" / "nas" / "old_nas_metrics.csv")
    os.utime(path, (1, 1))
    assert "holds no reading" not in recommend()[2]
    path.with_name("new_nas_metrics.csv").write_text(path.read_text().splitlines()[0] + "\n")
    code, text, err = recommend()
    assert (code, text.splitlines()[1]) == (0, "NAS ANALYSIS RECOMMENDATIONS FOR CHAIN")
    assert "logs/nas/new_nas_metrics.csv was written later and holds no reading; this is" in err
    assert "holds no reading" not in recommend("--csv", path)[2]


def test_a_csv_copied_alone_is_advised_without_the_table(recommend, tmp_path):
    path = write_run(tmp_path / "nano_u_baseline.csv")
    for companion in (layers_path(path), record_path(path), spectra_path(path)):
        companion.unlink()
    code, text, err = recommend("--csv", path)
    assert code == 0
    assert "NAS ANALYSIS RECOMMENDATIONS FOR NANO_U_BASELINE" in text
    assert all(section in text for section in SECTIONS)
    assert f"NOT KNOWN\n   → {layers_path(path)} is not there, so nothing can be said" in text
    assert err.splitlines()[0].startswith(f"recommend: note: {layers_path(path)} is not there")
    assert err.splitlines()[1].startswith(f"recommend: note: {record_path(path)} is not there")
    for form in ("json", "markdown"):
        assert recommend("--csv", path, "--format", form)[0] == 0


def test_torn_last_rows_are_left_out_with_a_note(recommend, tmp_path):
    path = write_run(tmp_path / "run.csv")
    whole = recommend("--csv", path)[1]
    for torn in (path, layers_path(path)):
        torn.write_text(torn.read_text() + "12,130,0.9")
    code, text, err = recommend("--csv", path)
    assert (code, text) == (0, whole)
    assert err == (
        f"recommend: note: the last row of {path} is cut off and was left out\n"
        f"recommend: note: the last row of {layers_path(path)} is cut off and was left out\n"
    )
    _, text, _ = recommend("--csv", path, "--format", "json")
    assert len(json.loads(text)["notes"]) == 2


@pytest.mark.parametrize(
    ("status", "note"),
    [
        ("running", "the run is still running; this is about its latest reading"),
        ("interrupted", "the run was interrupted; this is about its latest reading"),
        ("failed", "the run failed; this is about its latest reading"),
    ],
)
def test_a_run_that_did_not_end_is_noted(recommend, tmp_path, status, note):
    write_run(tmp_path / "run.csv", {**chain((16, 1)), "status": status})
    assert recommend("--csv", "run.csv")[2] == f"recommend: note: {note}\n"


def test_thresholds_come_from_the_run_and_then_from_the_config(recommend, tmp_path):
    record = wide_chain(16, 8)
    record["thresholds"]["high_redundancy"] = 0.8
    planted_run(tmp_path, record, [16, 8], **high(record, 0.75, 0.4, 10))
    path = "chain_nas_metrics.csv"
    assert "MODERATE REDUNDANCY (final=0.750)" in recommend("--csv", path)[1]
    (tmp_path / "mine.yaml").write_text("nas: {thresholds: {high_redundancy: 0.74}}")
    _, text, _ = recommend("--csv", path, "--config", "mine.yaml")
    assert "HIGH REDUNDANCY (final=0.750)" in text
    assert "Decided by: redundancy 0.750 > 0.74" in text


def test_widths_are_rounded_as_asked(recommend, tmp_path):
    planted_run(tmp_path, wide_chain(32, 32, 1), [32, 9, 1])
    path = "chain_nas_metrics.csv"
    assert "narrow 32 -> 12:" in recommend("--csv", path)[1]
    assert "narrow 32 -> 9:" in recommend("--csv", path, "--round-to", 1)[1]
    assert "narrow 32 -> 10:" in recommend("--csv", path, "--round-to", 5)[1]


HEADER = ",".join(RUN_COLUMNS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "bad.csv does not exist; give the CSV that a run wrote"),
        (b"", "bad.csv is empty; give the CSV that a run wrote"),
        (b"epoch,step,redund", "bad.csv has no column redundancy_score"),
        (HEADER.encode(), "bad.csv "),
        (f"{HEADER}\n".encode(), "bad.csv holds no reading yet; wait for the first one"),
        (f"{HEADER}\n0,10,0.5".encode(), "bad.csv holds no reading yet; wait for the first one"),
        (b"loss,accuracy\n1,2\n", "bad.csv is not a CSV of nasmon: it has the columns loss, acc"),
        (b"\xff\xfe\x00\x01\n", "bad.csv is not a CSV file of nasmon: it is not text"),
        (
            HEADER.replace("trace,", "").encode() + b"\n",
            "bad.csv has no column trace; give a CSV that nasmon wrote",
        ),
        (f"{HEADER}\n{','.join(['x'] * len(RUN_COLUMNS))}\n".encode(), "bad.csv is damaged ("),
    ],
)
def test_a_bad_csv_is_one_line_and_exit_code_2(recommend, tmp_path, text, message):
    if text is not None:
        (tmp_path / "bad.csv").write_bytes(text)
    code, out, err = recommend("--csv", "bad.csv")
    assert (code, out) == (2, "")
    assert err.startswith(f"recommend: error: {message}")
    assert err.count("\n") == 1


def test_rows_by_layer_that_were_never_written_are_noted(recommend, tmp_path):
    path = write_run(tmp_path / "run.csv")
    header = layers_path(path).read_text().splitlines()[0]
    layers_path(path).write_text(f"{header}\n11,120,conv0")
    code, text, err = recommend("--csv", path)
    assert code == 0
    assert f"NOT KNOWN\n   → {layers_path(path)} holds no whole row" in text
    assert f"recommend: note: {layers_path(path)} holds no whole row" in err


def test_a_step_that_is_not_there_does_no_harm(recommend, tmp_path):
    path = write_run(tmp_path / "run.csv", readings=3)
    path.write_text(path.read_text().replace("\n2,30,", "\n,,"))
    code, text, _ = recommend("--csv", path, "--format", "json")
    assert (code, json.loads(text)["step"]) == (0, None)


def test_the_rows_by_layer_are_not_the_runs_csv(recommend, tmp_path):
    path = write_run(tmp_path / "run.csv")
    code, _, err = recommend("--csv", layers_path(path))
    assert (code, err.count("\n")) == (2, 1)
    assert "holds the rows by layer; give the run's own CSV" in err


def break_channels(path):
    text = layers_path(path).read_text()
    layers_path(path).write_text(text.replace("conv1,Conv2D,32,", "conv1,Conv2D,,"))


def break_layers(path):
    text = layers_path(path).read_text()
    layers_path(path).write_text(text.replace(",rank_99", ",rank_98", 1))


def break_record(path):
    record_path(path).write_text("{")


def break_spectra(path):
    spectra_path(path).write_bytes(b"PK\x03\x04")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (break_layers, "run_layers.csv has no column rank_99; remove it to go on without the rows"),
        (break_channels, "run_layers.csv is damaged (layer 'conv1' has no channels); remove"),
        (break_record, "run_run.json cannot be read ("),
        (break_spectra, "run_spectra.npz is damaged ("),
    ],
)
def test_a_damaged_companion_is_one_line_and_exit_code_2(recommend, tmp_path, damage, message):
    path = write_run(tmp_path / "run.csv")
    damage(path)
    code, out, err = recommend("--csv", "run.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"recommend: error: {message}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "xml"), "--format is 'xml'; use one of text, json, markdown"),
        (("--round-to", "0"), "--round-to is '0'; use a whole number of at least 1"),
        (("--round-to", "4.5"), "--round-to is '4.5'; use a whole number of at least 1"),
        (("--config", "absent.yaml"), "config file absent.yaml cannot be read"),
        (("--config", "bad.yaml"), "nas.thresholds.high_redundancy in bad.yaml is 'big'; use"),
        (("--csv", "."), ". is a folder, not a file; give the CSV that a run wrote"),
        (("--output", "x"), "unrecognized arguments: --output x; see"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(recommend, tmp_path, arguments, message):
    write_run(tmp_path / "logs" / "run.csv")
    (tmp_path / "bad.yaml").write_text("nas: {thresholds: {high_redundancy: big}}")
    code, out, err = recommend(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"recommend: error: {message}")


def test_without_any_run_the_remedy_is_named(recommend):
    code, _, err = recommend()
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("recommend: error: no run with a reading was found under logs/; train")


def test_the_text_for_other_commands_is_the_one_that_is_printed(recommend, tmp_path):
    run = planted(tmp_path)
    assert recommend("--csv", run.path)[1] == advice_text(load_run(run.path), None) + "\n"


def test_it_answers_at_once_and_loads_nothing_heavy(tmp_path):
    path = planted(tmp_path).path
    seconds = []
    for _ in range(2):
        before = time.perf_counter()
        done = command("--csv", str(path))
        seconds.append(time.perf_counter() - before)
        assert done.returncode == 0, done.stderr
    # TensorFlow alone takes more than two seconds to load
    assert min(seconds) < 2
    code = (
        "import sys\nfrom nasmon.analysis.recommend.command import main\n"
        f"try: main(['--csv', {str(path)!r}])\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'nasmon.train'}\n"
        "print(heavy & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == "set()\n"


def write_long_run(path, readings, layers):
    """A run of many readings, written as text: only its last readings differ."""
    record = chain((16,) * layers, inputs=16)
    values = planted_values(record, [12] * layers, readings=1)
    write_run(path, record, values, spectra=False)
    for file, columns in ((path, RUN_COLUMNS), (layers_path(path), LAYER_COLUMNS)):
        header, *rows = file.read_text().splitlines()
        assert header == ",".join(columns)
        rest = [row.split(",", 2)[2] for row in rows]
        with file.open("w") as out:
            out.write(f"{header}\n")
            for number in range(readings):
                moment = f"{number},{10 * number},"
                out.writelines(f"{moment}{row}\n" for row in rest)
    return path


def test_a_million_rows_by_layer_take_less_than_ten_seconds(tmp_path):
    path = write_long_run(tmp_path / "run.csv", readings=10_000, layers=100)
    before = time.perf_counter()
    done = command("--csv", str(path))
    assert time.perf_counter() - before < 10
    assert done.returncode == 0, done.stderr
    assert "narrow 16 -> 12: rank_99 is 12 of 16" in done.stdout

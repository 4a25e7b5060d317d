"""The command that writes a run's report: what the page holds, and where it goes."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nasmon.analysis.report import command
from nasmon.analysis.report.page import MARKER
from nasmon.analysis.run import load_run
from nasmon.record.files import layers_path, record_path, spectra_path
from tests.commands import in_process
from tests.pages import IMAGE, SCRIPT, Page, hostile_run
from tests.recorded import chain, metrics, write_run

NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


@pytest.fixture
def run_report(capsys, monkeypatch, tmp_path):
    """Runs the command in this process; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return partial(in_process, command.main, capsys)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Page:
    """The report of 60 layers, some of which are called like markup."""
    path = hostile_run(tmp_path_factory.mktemp("hostile") / "x_nas_metrics.csv")
    with pytest.raises(SystemExit):
        command.main(["--csv", str(path), "--output", str(path.with_name("page.html"))])
    return Page(path.with_name("page.html").read_text("utf-8"))


def write(folder: Path, name="nano_u", widths=(16, 32, 64, 16, 1), **record) -> Path:
    tree = {**chain(widths), "model_name": name, **record}
    return write_run(folder / f"{name}_nas_metrics.csv", tree)


def read(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def test_the_page_lies_beside_the_csv_and_is_named(run_report, tmp_path):
    write(tmp_path / "logs" / "nas")
    code, stdout, stderr = run_report()
    assert (code, stdout, stderr) == (0, "logs/nas/nano_u_report.html\n", "")
    page = read(tmp_path / "logs" / "nas" / "nano_u_report.html")
    assert page.texts("title")[0] == "nano_u: what its layers use"
    assert not [p for p in (tmp_path / "logs" / "nas").iterdir() if "unfinished" in p.name]


def test_the_verdict_comes_first_and_the_rest_follows(run_report, tmp_path):
    path = write(tmp_path)
    run_report("--csv", path)
    page = read(tmp_path / "nano_u_report.html")
    assert page.texts("h2") == [
        *("Verdict", "What to change", "Layer by layer", "Pictures", "The run")
    ]
    assert page.texts("h3") == [
        *("Redundancy analysis", "Correlation analysis", "Numerical stability"),
        *("Training dynamics", "Overall recommendation"),
    ]
    (decision,) = [t for tag, a, t in page.elements if "decision" in (a.get("class") or "")]
    assert re.match(r"Minor tweaks will do. Decided by: redundancy 0\.\d+ is", "".join(decision))
    statuses = ["".join(t) for _, a, t in page.elements if a.get("class") == "status"]
    assert len(statuses) == 5
    assert all(re.search(r"(Warning|Note|Good|Unknown)(: \w|\b)", s) for s in statuses)
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_what_to_change_is_a_command_to_paste(run_report, tmp_path):
    path = write(tmp_path)
    run_report("--csv", path)
    page = read(tmp_path / "nano_u_report.html")
    (command,) = ["".join(t) for _, a, t in page.elements if a.get("id") == "command-1"]
    assert command.startswith("python -m train --model chain --widths 16 32 64 12 --output-dir ")
    (paragraph,) = [text for text in page.texts("p") if text.startswith("All changes together")]
    assert "parameters (7.0 % less)" in paragraph
    assert any("not a measurement of the loss" in text for text in page.texts("p"))
    run_report("--csv", path, "--round-to", "7")
    page = read(tmp_path / "nano_u_report.html")
    (command,) = ["".join(t) for _, a, t in page.elements if a.get("id") == "command-1"]
    assert "--widths 16 32 64 14 " in command


def test_the_table_has_every_layer_and_what_sorts_it(hostile):
    rows = [a for tag, a, _ in hostile.elements if tag == "tr"]
    assert len(rows) == 1 + 60
    headers = [a for a in hostile.all("th") if a.get("scope") == "col"]
    assert [a["data-sort"] for a in headers].count("number") == 8
    assert len(headers) == 12
    cells = [a for tag, a, _ in hostile.elements if tag in ("td", "th") and "data-value" in a]
    assert len(cells) == 60 * 11
    numbers = [a["data-value"] for a in cells if a.get("class") == "number"]
    assert all(value == "" or np.isfinite(float(value or "nan")) for value in numbers)
    assert numbers.count("") >= 1 + 5  # the correlation of one layer, and all of another
    (region,) = [a for a in hostile.all("div") if a.get("class") == "scroll tall"]
    assert (region["role"], region["tabindex"]) == ("region", "0")
    assert region["aria-labelledby"] == "section-layers"


def test_nothing_is_loaded_from_anywhere(hostile):
    without_data = re.sub(r"data:image/png;base64,[\w+/=\s]+", "", hostile.html)
    urls = set(re.findall(r"(?:https?:)?//[\w.-]+[^\s\"'<>)]*", without_data))
    assert urls <= NAMESPACES
    for tag, attributes, _ in hostile.elements:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), tag
        assert "@import" not in (attributes.get("style") or "")
    for target in re.findall(r"url\(([^)]*)\)", hostile.html):
        assert target.startswith("#")


def test_only_the_page_s_own_script_may_run(hostile):
    (policy,) = [a["content"] for a in hostile.all("meta") if "http-equiv" in a]
    (script,) = re.findall(r"<script>(.*?)</script>", hostile.html, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy is not None
    assert policy.split("; ")[:4] == [
        *("default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"),
        f"script-src 'sha256-{digest}'",
    ]


def test_names_are_text_wherever_they_stand(hostile):
    assert len(hostile.all("script")) == 1
    assert hostile.all("img") == []
    assert not [a for _, a, _ in hostile.elements if any(name.startswith("on") for name in a)]
    assert hostile.texts("h1") == [f"{IMAGE}: what its layers use"]
    heads = [text for text in hostile.texts("th") if text.startswith("<script>")]
    assert heads == [f"{SCRIPT} Conv2D"]


def test_the_page_is_marked_up_for_all_readers(hostile):
    assert hostile.all("html") == [{"lang": "en"}]
    ids = [a["id"] for _, a, _ in hostile.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"] for a in hostile.all("a")]
    assert targets[0] == "#main"
    assert {str(target)[1:] for target in targets} <= set(ids)
    assert [len(hostile.all(tag)) for tag in ("header", "main", "nav", "footer")] == [1, 1, 1, 1]
    for _, attributes, _ in hostile.elements:
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attributes.get(name) or "").split()) <= set(ids)
    svgs = hostile.all("svg")
    assert len(svgs) == 4
    assert {svg["role"] for svg in svgs} == {"img"}
    assert len(hostile.all("figure")) == len(hostile.all("figcaption")) == 4
    assert all(len(text) > 40 for text in hostile.texts("desc"))
    assert any("saturation of 60 layers over 24 readings" in t for t in hostile.texts("desc"))


def test_sixty_layers_make_a_page_of_less_than_3_mb(hostile):
    assert len(hostile.html.encode()) < 3e6


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("ended", None),
        ("running", "This run has not ended."),
        ("interrupted", "This run was interrupted."),
        ("failed", "This run failed."),
    ],
)
def test_a_run_that_did_not_end_well_says_so_before_all_else(run_report, tmp_path, status, words):
    path = write(tmp_path, status=status, error="<b>out of memory" if status == "failed" else None)
    run_report("--csv", path)
    page = read(tmp_path / "nano_u_report.html")
    banners = [i for i, (_, a, _) in enumerate(page.elements) if "banner" in (a.get("class") or "")]
    assert len(banners) == (words is not None)
    if words:
        text = "".join(page.elements[banners[0]][2])
        assert text.startswith(words)
        assert ("<b>out of memory" in text) is (status == "failed")
        assert banners[0] < next(i for i, e in enumerate(page.elements) if e[0] == "h2")


def test_the_run_s_facts_are_told(run_report, tmp_path):
    path = write(tmp_path, command=["python", "-m", "train", "--model", "a b"])
    run_report("--csv", path)
    page = read(tmp_path / "nano_u_report.html")
    facts = dict(zip(page.texts("dt"), page.texts("dd"), strict=True))
    assert facts["Status"] == "ended"
    assert facts["Started"] == "2026-01-02 03:04:05 UTC"
    assert facts["Ended"] == "2026-01-02 03:14:05 UTC (after 0:10:00)"
    assert facts["Command"] == "python -m train --model 'a b'"
    assert (facts["Seed"], facts["Samples a reading"], facts["Readings"]) == ("0", "32", "12")
    assert facts["Parameters"] == "3,777"
    assert "tensorflow 2.21.0" in facts["Versions"]
    assert "high_redundancy 0.7" in facts["Thresholds"]
    assert facts["Monitor's overhead"] == "1.3 % of the training"


def test_dates_that_cannot_be_read_are_shown_as_they_are(run_report, tmp_path):
    path = write(tmp_path, started="<yesterday>", ended=None)
    run_report("--csv", path)
    page = read(tmp_path / "nano_u_report.html")
    facts = dict(zip(page.texts("dt"), page.texts("dd"), strict=True))
    assert (facts["Started"], facts["Ended"]) == ("<yesterday>", "not yet")


def test_a_csv_copied_alone_still_has_a_report(run_report, tmp_path):
    path = write(tmp_path)
    for companion in (layers_path(path), record_path(path), spectra_path(path)):
        companion.unlink()
    code, _, stderr = run_report("--csv", path)
    assert code == 0
    assert "nano_u_nas_metrics_layers.csv is not there" in stderr
    page = read(tmp_path / "nano_u_report.html")
    assert len(page.all("svg")) == 2
    assert page.all("table") == []
    assert page.texts("h2")[-1] == "Notes"
    notes = " ".join(page.texts("li"))
    for name in ("_layers.csv", "_run.json", "_spectra.npz"):
        assert f"nano_u_nas_metrics{name} is not there" in notes
    assert "What each layer uses is not known:" in page.texts("p")
    assert "No layer is to be narrowed." not in page.texts("p")


@pytest.mark.parametrize("readings", [1, 2])
def test_a_short_run_has_a_report(run_report, tmp_path, readings):
    path = write_run(tmp_path / "x_nas_metrics.csv", readings=readings)
    assert run_report("--csv", path)[0] == 0
    page = read(tmp_path / "chain_report.html")
    assert page.texts("tr")[1:]
    reading = "reading" if readings == 1 else "readings"
    assert any(text.startswith(f"{readings} {reading} up to") for text in page.texts("p"))


def test_a_run_of_nothing_defined_has_a_report(run_report, tmp_path):
    values = np.full_like(metrics(5, 6, (16, 32, 64, 16, 1)), np.nan)
    path = write_run(tmp_path / "x_nas_metrics.csv", values=values)
    assert run_report("--csv", path)[0] == 0
    page = read(tmp_path / "chain_report.html")
    assert "Undecided: what the decision needs is not defined." in page.html


def test_a_run_can_be_held_against_earlier_ones(run_report, tmp_path):
    for name, miou in (("before", 0.8), ("after", 0.85)):
        history = {"epoch": [0], "loss": [1.0], "val_loss": [1.0], "val_miou": [miou]}
        (tmp_path / name).mkdir()
        pd.DataFrame(history).to_csv(tmp_path / name / "history.csv", index=False)
    before = write(tmp_path / "before", "before", (16, 32, 1), history="history.csv")
    after = write(tmp_path / "after", "after", (8, 16, 1), history="history.csv")
    assert run_report("--csv", after, "--compare", before)[0] == 0
    page = read(tmp_path / "after" / "after_report.html")
    assert "Compared with before" in page.texts("h2")
    assert "after against before" in page.texts("h3")
    decisions = ["".join(t) for _, a, t in page.elements if "decision" in (a.get("class") or "")]
    assert decisions[1].startswith("Accept changes. Rule 1 of 4 (the task metric got better or")
    assert "val_miou 0.800 0.850" in page.texts("tr")
    assert len(page.all("svg")) == 5
    code, _, stderr = run_report("--csv", after, "--compare", after)
    assert (code, "is given twice" in stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a/b", "a_b_report.html"),
        ("..", "run_report.html"),
        ("größe-1.5", "größe-1.5_report.html"),
        ("x" * 300, f"{'x' * 100}_report.html"),
        (IMAGE, "___img_src_x_onerror__document.title__broken____report.html"),
    ],
)
def test_names_become_file_names(tmp_path, name, file):
    run = load_run(write(tmp_path), name)
    assert command.output_path(run, None) == tmp_path / file


def test_an_earlier_report_is_replaced_and_nothing_else(run_report, tmp_path):
    path = write(tmp_path)
    output = tmp_path / "new" / "page.html"
    assert run_report("--csv", path, "--output", output)[0] == 0
    run_report("--csv", path, "--output", output, "--model-name", "second")
    assert read(output).texts("title")[0] == "second: what its layers use"
    before = output.read_bytes()
    spectra_path(path).write_bytes(b"torn")
    code, _, stderr = run_report("--csv", path, "--output", output)
    assert (code, "is damaged" in stderr) == (2, True)
    assert output.read_bytes() == before
    assert [p.name for p in output.parent.iterdir()] == ["page.html"]
    spectra_path(path).unlink()
    (tmp_path / "mine.html").write_text("<!doctype html><title>mine</title>")
    for kept in (tmp_path / "mine.html", path, record_path(path)):
        content = kept.read_bytes()
        code, _, stderr = run_report("--csv", path, "--output", kept)
        assert code == 2
        assert stderr == (
            f"report: error: --output is {kept}, which is there and is no report of nasmon; give "
            "another name, or remove it\n"
        )
        assert kept.read_bytes() == content


def test_the_marker_stands_where_it_is_looked_for(hostile):
    assert hostile.html.encode().index(MARKER.encode()) < 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--csv", "absent.csv"), "absent.csv does not exist; give the CSV that a run wrote"),
        (("--csv", "empty.csv"), "empty.csv is empty; give the CSV that a run wrote"),
        (("--csv", "head.csv"), "head.csv holds no reading yet; wait for the first one"),
        (("--csv", "other.csv"), "other.csv is not a CSV of nasmon: it has the columns x, y"),
        ((), "no run with a reading was found under logs/; train with the monitor on"),
        (("--csv", "a.csv", "--output", "."), "--output is ., a folder; give the name of a file"),
        (("--csv", "a.csv", "--output", "a.csv/x"), "--output is a.csv/x, whose folder cannot be"),
        (("--csv", "a.csv", "--compare", "no.csv"), "no.csv does not exist; give the CSV that a"),
        (("--csv", "a.csv", "--round-to", "0"), "--round-to is '0'; use a whole number of at le"),
        (("--csv", "a.csv", "--round-to", "x"), "--round-to is 'x'; use a whole number of at le"),
        (("--csv", "a.csv", "--config", "no.yaml"), "config file no.yaml cannot be read"),
        (("--open",), "unrecognized arguments: --open; see"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run_report, tmp_path, arguments, message):
    write_run(tmp_path / "a.csv", chain((4, 1)))
    (tmp_path / "empty.csv").touch()
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    header = (tmp_path / "a.csv").read_text().splitlines()[0]
    (tmp_path / "head.csv").write_text(f"{header}\n")
    code, stdout, stderr = run_report(*arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith(f"report: error: {message}")
    assert stderr.count("\n") == 1
    assert not list(tmp_path.glob("**/*.html"))


def test_a_damaged_companion_is_named(run_report, tmp_path):
    path = write(tmp_path)
    record_path(path).write_text(json.dumps({"format": "other"}))
    code, _, stderr = run_report("--csv", path)
    assert (code, "is not the record of a nasmon run" in stderr) == (2, True)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission_is_named(run_report, tmp_path):
    path = write(tmp_path / "locked")
    path.parent.chmod(0o500)
    code, _, stderr = run_report("--csv", path)
    assert (code, "whose folder cannot be written" in stderr) == (2, True)


def test_no_tensorflow_is_loaded(tmp_path):
    path = write(tmp_path)
    code = (
        "import sys\nfrom nasmon.analysis.report import command\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"try: command.main(['--csv', {str(path)!r}])\n"
        "finally: print(sorted({'tensorflow', 'keras', 'selenium'} & set(sys.modules)))\n"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=root, timeout=60)
    assert done.stdout.decode().splitlines()[-1] == "[]", done.stderr.decode()


def test_the_files_of_a_run_may_be_moved(run_report, tmp_path):
    write(tmp_path / "old")
    shutil.move(tmp_path / "old", tmp_path / "new")
    code, stdout, _ = run_report("--csv", "new/nano_u_nas_metrics.csv")
    assert (code, stdout) == (0, "new/nano_u_report.html\n")

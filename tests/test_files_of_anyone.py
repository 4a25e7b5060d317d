"""Run files that anyone may have made: read, or one line at once, without much memory."""

import gzip
import io
import json
import os
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from nasmon.analysis.compare.command import main as compare
from nasmon.analysis.csv_files import read_columns, read_header
from nasmon.analysis.plot.command import main as plot
from nasmon.analysis.recommend.command import main as recommend
from nasmon.analysis.report.command import main as report
from nasmon.analysis.run import load_run
from nasmon.analysis.table_file import TableFile
from nasmon.errors import UsageError
from nasmon.record import json_file
from nasmon.record.exported import read_exported
from nasmon.record.files import layers_path, record_path, spectra_path, widths_path
from nasmon.record.rebuild import retrain_command, shrink_command
from nasmon.record.run import read_record
from nasmon.record.shrunk import read_shrunk
from nasmon.record.spectra import first_arrays, read_spectra
from nasmon.record.widths import read_widths_file
from tests.commands import in_process
from tests.recorded import write_run

ROOT = Path(__file__).parent.parent


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The CSV of a run with all its files, in the folder that the test is in."""
    monkeypatch.chdir(tmp_path)
    return write_run(Path("run.csv"), evidence=True)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda main, *arguments: in_process(main, capsys, *arguments)


class Measured(NamedTuple):
    code: int
    error: str
    seconds: float  # of processors, which others that run beside the tests do not change
    megabytes: float  # at the most


# a child's peak as wait4 tells it begins with what its parent holds
WATCHED = """
import runpy, sys
try:
    runpy.run_module("analysis.recommend", run_name="__main__", alter_sys=True)
finally:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def measured(csv: Path) -> Measured:
    """``analysis.recommend`` as a process of its own."""
    command = [sys.executable, "-c", WATCHED, "--csv", str(csv.resolve())]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(done.returncode, done.stderr, seconds, int(done.stdout.split()[-2]) / 1024)


def assert_is_refused(done: Measured, message: str) -> None:
    assert (done.code, done.error.count("\n")) == (2, 1)
    assert message in done.error
    assert done.seconds < 2
    assert done.megabytes < 500


# tables


def fill(path: Path, size: int) -> None:
    """Makes a table so many bytes long, with its last row again and again."""
    content = path.read_bytes()
    rows = content.splitlines(keepends=True)[-1] * 10_000
    with path.open("ab") as file:
        for _ in range(size // len(rows) + 1):
            file.write(rows)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
@pytest.mark.parametrize("table", [lambda path: path, layers_path], ids=["readings", "layers"])
def test_a_table_of_200_mb_is_one_line_at_once(run: Path, table: Callable[[Path], Path]) -> None:
    fill(table(run), 200 << 20)
    assert_is_refused(measured(run), f"{table(run)} is larger than ")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_a_packed_table_of_gigabytes_is_one_line_at_once(run: Path) -> None:
    # of many packed pieces: 1 MB of file for 4 GB of table
    rows = gzip.compress(run.read_bytes().splitlines(keepends=True)[-1] * 100_000)
    run.write_bytes(gzip.compress(run.read_bytes()) + rows * (4 * 10**9 // 15_000_000))
    assert run.stat().st_size < 32 << 20
    assert_is_refused(measured(run), "run.csv is larger than 67,108,864 bytes; give")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_of_rows_by_layer_of_200_mb_that_are_the_run_s_the_end_is_read(run: Path) -> None:
    content = layers_path(run).read_bytes()
    header, rows = content.split(b"\n", 1)
    first = b"".join(rows.splitlines(keepends=True)[:5])
    with layers_path(run).open("wb") as file:
        file.write(header + b"\n")
        for _ in range((200 << 20) // (1000 * len(first))):
            file.write(1000 * first)
        file.write(rows)
    done = measured(run)
    assert (done.code, done.error) == (0, "")
    assert done.megabytes < 500


@pytest.mark.parametrize("rows", [0, 3])
def test_a_million_columns_are_one_line(run: Path, command: Any, rows: int) -> None:
    header, *lines = run.read_text().splitlines()
    more = "".join(f",c{number}" for number in range(10**6))
    run.write_text("\n".join([header + more, *(line + ",0" * 10**6 for line in lines[:rows]), ""]))
    code, _, err = command(recommend, "--csv", run)
    assert (code, err.count("\n")) == (2, 1)
    assert "run.csv has a first line of more than 65,536 bytes; give the CSV that a run" in err


def test_a_row_of_millions_of_cells_is_one_line(run: Path, command: Any) -> None:
    run.write_text(run.read_text() + "0," * 5_000_000 + "0\n")
    code, _, err = command(recommend, "--csv", run)
    assert (code, err.count("\n")) == (2, 1)
    assert "run.csv is damaged (line 14 has 5000001 values for 13 columns); remove" in err


def test_a_table_that_another_program_saved_may_be_smaller(
    run: Path, command: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasmon.analysis.csv_files.MOST_SAVED_BYTES", 500)
    assert command(recommend, "--csv", run)[0] == 0
    run.write_text(run.read_text().replace(",", ";"))
    code, _, err = command(recommend, "--csv", run)
    assert (code, err.count("\n")) == (2, 1)
    assert "run.csv is not as nasmon wrote it and is larger than 500 bytes; give another" in err


def test_one_metric_is_read_of_more_rows_by_layer_than_all_are(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasmon.analysis.layer_file.MOST_LAYER_BYTES", 8000)
    found = load_run(run)
    assert found.layer_history("saturation").values.shape == (5, 12)
    with pytest.raises(UsageError, match="run_layers.csv is larger than 8,000 bytes; remove it"):
        found.latest_layers(12)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_an_encoding_is_read_if_its_mark_tells_it(run: Path, command: Any, encoding: str) -> None:
    expected = command(recommend, "--csv", run)
    run.write_text(run.read_text(), encoding)
    found = command(recommend, "--csv", run)
    if encoding == "utf-16":
        assert found == expected
        return
    assert (found[0], found[2].count("\n")) == (2, 1)
    assert "run.csv is not a CSV file of nasmon: it is not text; give the CSV" in found[2]


@pytest.mark.parametrize("content", [b"\0" * 10**6, b"a" * 10**6, b'"' + b"x" * 10**6])
def test_what_is_no_table_at_all_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    file = TableFile(tmp_path / "t.csv", "give another", 10**5)
    with pytest.raises(UsageError, match="; give another"):
        read_header(file)
    with pytest.raises(UsageError, match="t.csv is larger than 100,000 bytes; give another"):
        read_columns(file, ("epoch",))


# arrays


def packed_again(path: Path, name: str, member: bytes, zeros: int = 0) -> None:
    """An NPZ with one of its arrays in another's place, and so many zeros behind it."""
    with np.load(path) as file:
        arrays = dict(file)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, array in arrays.items():
            if other != name:
                content = io.BytesIO()
                np.save(content, array)
                archive.writestr(f"{other}.npy", content.getvalue())
        with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
            file.write(member)
            for _ in range(zeros >> 20):
                file.write(bytes(1 << 20))


def npy_header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    content = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue()


class Canary:
    """Makes a folder of a pickle that is loaded."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("loaded",)


def pickled() -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([Canary()], object), allow_pickle=True)
    return content.getvalue()


ARRAYS = {
    "spectra": (spectra_path, "latest/correlations/0", read_spectra),
    "spectra to continue": (spectra_path, "first", first_arrays),
    "widths": (widths_path, "order/0", read_widths_file),
}


@pytest.mark.parametrize("which", ARRAYS)
@pytest.mark.parametrize(
    ("member", "zeros", "reason"),
    [
        (npy_header((10**10,)), 0, r"ValueError: \S+npy claims 80,000,000,\d+ bytes and has 128"),
        (npy_header((1 << 24,)), 1 << 27, r"bytes that claim to be 134,\d+,\d+"),
        (npy_header((2**62, 2**62)), 0, r"claims [\d,]+ bytes and has 128"),
        (npy_header((10**15,), "<U0"), 0, r"claims 1,000,[\d,]+ bytes and has 128"),
        (npy_header((-4,)), 0, r"claims 96 bytes and has 128"),
        (pickled(), 0, r"holds a pickle, which is never loaded"),
        (b"\x93NUMPY\x01\x00\x0a\x00" + b"(" * 10 + b"\n", 0, r"Error"),
        (b"", 0, r"ValueError"),
    ],
    ids=["claim", "bomb", "overflow", "empty texts", "negative", "pickle", "header", "nothing"],
)
def test_arrays_are_refused_before_they_are_read(
    run: Path, which: str, member: bytes, zeros: int, reason: str
) -> None:
    place, name, read = ARRAYS[which]
    packed_again(place(run), name, member, zeros)
    before = time.process_time()
    with pytest.raises(UsageError, match=rf"{place(run)} is damaged \(.*{reason}.*\); .*remove it"):
        read(place(run))
    assert time.process_time() - before < 1
    assert not Path("loaded").exists()


def test_arrays_that_another_program_packed_are_read(run: Path) -> None:
    before = read_spectra(spectra_path(run))
    with np.load(spectra_path(run)) as file:
        np.savez_compressed(spectra_path(run), **file)
    after = read_spectra(spectra_path(run))
    for layer, spectrum in before[1].layers.items():
        np.testing.assert_array_equal(after[1].layers[layer].correlations, spectrum.correlations)


@pytest.mark.parametrize(
    ("name", "array", "reason"),
    [
        ("latest/eigenvalues/0", np.array(3.0), "layer 0 of latest"),
        ("latest/eigenvalues/0", np.array(["a"] * 16), "layer 0 of latest"),
        ("latest/correlations/1", np.zeros((3, 4)), "layer 1 of latest"),
        ("first/correlations/1", np.zeros((32, 32), "M8[s]"), "layer 1 of first"),
        ("latest", np.array([np.nan, np.inf]), "cannot convert float"),
        ("latest", np.arange(3), "too many values"),
    ],
)
def test_spectra_of_another_form_are_damage(
    run: Path, name: str, array: np.ndarray, reason: str
) -> None:
    with np.load(spectra_path(run)) as file:
        arrays = {**file, name: array}
    np.savez(spectra_path(run), **arrays)
    with pytest.raises(UsageError, match=rf"is damaged \(.*{reason}.*\); remove it to go on"):
        read_spectra(spectra_path(run))


# JSON

READERS = {"nasmon run": read_record, "nasmon shrunk": read_shrunk, "nasmon int8": read_exported}


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 10**5, "it is nested too deep"),
        ('{"format": ' + '{"a":' * 10**5 + "1" + "}" * 10**5 + "}", "it is nested too deep"),
        (
            '{"samples": ' + "9" * 10**5 + "}",
            "it holds 99999999999999999999, which 64",
        ),
        ('{"samples": 9223372036854775808}', "it holds 9223372036854775808, which 64 bits do not"),
        ('{"samples": 1e999}', "it holds 1e999, which is no finite number"),
        ('{"samples": NaN}', "it holds NaN, which is no finite number"),
        ('{"samples": 1', "Expecting ',' delimiter"),
        ("", "Expecting value"),
        ('"\xff"'.encode("utf-16").decode("latin1"), "codec can't decode"),
    ],
)
def test_json_that_cannot_be_read_is_one_line(
    tmp_path: Path, form: str, content: str, reason: str
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("latin1"))
    before = time.process_time()
    with pytest.raises(UsageError, match="a.json cannot be read .*; remove it to go on") as raised:
        READERS[form](path)
    assert time.process_time() - before < 1
    assert reason in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_json_is_read_up_to_a_size(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = record_path(run).stat().st_size
    monkeypatch.setattr(json_file, "MOST_JSON_BYTES", size)
    assert read_record(record_path(run)).model_name == "chain"
    monkeypatch.setattr(json_file, "MOST_JSON_BYTES", size - 1)
    with pytest.raises(UsageError, match=rf"\(it is larger than {size - 1:,} bytes\); remove it"):
        read_record(record_path(run))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by /proc")
def test_json_of_gigabytes_is_one_line_at_once(run: Path) -> None:
    with record_path(run).open("r+b") as file:
        file.truncate(10 << 30)
    assert_is_refused(measured(run), "run_run.json cannot be read (it is larger than")


@pytest.mark.parametrize("name", ["other_shrunk.json", "other_int8.json", "run_int8.json"])
def test_a_pipe_among_the_files_is_not_waited_for(run: Path, command: Any, name: str) -> None:
    os.mkfifo(name)
    code, _, err = command(report, "--csv", run)
    if name == "run_int8.json":
        assert (code, err.count("\n")) == (2, 1)
        assert "run_int8.json cannot be read (it is a pipe); remove it to go on" in err
    else:
        assert code == 0


@pytest.mark.parametrize(
    ("keys", "value", "field"),
    [
        (("model_name",), 5, "model_name"),
        (("params",), "many", "params"),
        (("params",), True, "params"),
        (("last_step",), "120", "last_step"),
        (("versions",), [1], "versions"),
        (("versions",), {"python": 3}, "versions"),
        (("seed",), [1], "seed"),
        (("command",), [1, 2], "command"),
        (("layers", 1, "channels"), 1.5, "layers"),
        (("layers", 1, "widths"), [["conv1", 1, 2]], "layers"),
        (("structure", "owners", 1, "tied_to"), None, "structure"),
        (("structure", "costs", 1, "macs", "in"), [], "structure"),
        (("rebuild", "places"), [["--out"]], "rebuild"),
        (("earlier",), [1], "earlier"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_told(
    run: Path, command: Any, keys: tuple[Any, ...], value: Any, field: str
) -> None:
    tree = json.loads(record_path(run).read_text())
    *outer, last = keys
    inner = tree
    for key in outer:
        inner = inner[key]
    inner[last] = value
    record_path(run).write_text(json.dumps(tree))
    code, _, err = command(recommend, "--csv", run)
    assert (code, err.count("\n")) == (2, 1)
    assert f"run_run.json is damaged (TypeError: {field} is not what it should be); remove" in err


def test_a_cost_that_lacks_a_part_is_told(run: Path, command: Any) -> None:
    tree = json.loads(record_path(run).read_text())
    del tree["structure"]["costs"][1]["params"]["in_out"]
    record_path(run).write_text(json.dumps(tree))
    code, _, err = command(recommend, "--csv", run, "--params", "0.5")
    assert (code, err.count("\n")) == (2, 1)
    assert "damaged: the cost of 'conv1' lacks 'in_out'; remove the record" in err


# names

HOSTILE = "\x1b[31m\u202e'\";$(x)`y`<script>alert(1)</script>\n&"
SHOWN = "\\x1b[31m\\u202e'\";$(x)`y`<script>alert(1)<_script>\\n&"
FORBIDDEN = "\x1b\u202e\u2066\x07"


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that is called so, as are its folder, its layers, and all that its record tells."""
    monkeypatch.chdir(tmp_path)
    name = HOSTILE.replace("/", "_")
    path = write_run(Path(name) / f"{name}.csv")
    layer = json.dumps(HOSTILE)[1:-1]
    tree = json.loads(record_path(path).read_text().replace("conv1", layer))
    tree |= dict.fromkeys(("model_name", "status", "error", "started", "ended"), HOSTILE)
    tree |= {"versions": {HOSTILE: HOSTILE}, "command": ["python", HOSTILE]}
    tree["layers"][0]["kind"] = HOSTILE
    record_path(path).write_text(json.dumps(tree))
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    layers_path(path).write_text(layers_path(path).read_text().replace("conv1", quoted))
    spectra_path(path).unlink()
    return path


@pytest.mark.parametrize(
    ("main", "arguments"),
    [
        (recommend, ()),
        (recommend, ("--format", "markdown")),
        (recommend, ("--format", "json")),
        (recommend, ("--params", "0.5")),
        (report, ()),
        (plot, ("--all", "--file-type", "svg")),
        (plot, ("--plot-type", "spectrum")),
        (compare, ()),
    ],
)
def test_names_do_nothing_to_a_terminal_a_page_or_a_picture(
    hostile: Path, command: Any, main: Any, arguments: tuple[str, ...]
) -> None:
    code, out, err = command(main, "--csv", hostile, *arguments)
    assert code == (2 if {"--params", "spectrum"} & {*arguments} or main is compare else 0)
    assert not {*FORBIDDEN} & {*out, *err}
    if main is not compare and "--params" not in arguments:
        assert SHOWN in err or SHOWN.replace("<_", "</") in err
    written = [path for end in ("svg", "html") for path in Path().rglob(f"*.{end}")]
    assert bool(written) == (main in (report, plot) and code == 0)
    for path in written:
        text = path.read_text("utf-8")
        assert not {*FORBIDDEN} & {*text}
        assert "<script>alert" not in text


def test_a_file_that_is_not_there_is_told_on_one_line(command: Any) -> None:
    code, _, err = command(recommend, "--csv", "no\x1b[2J\u202e\nsuch")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("recommend: error: no\\x1b[2J\\u202e\\nsuch does not exist; give the")


def test_an_unknown_option_is_told_on_one_line(command: Any) -> None:
    code, _, err = command(recommend, "--\x1b[2J\n")
    assert (code, err.count("\n")) == (2, 1)
    assert "unrecognized arguments: --\\x1b[2J\\n; see" in err


@pytest.mark.parametrize("sign", ["\n", "\x1b", "\u202e"])
def test_no_command_is_to_be_pasted_that_is_not_what_it_seems(run: Path, sign: str) -> None:
    record = read_record(record_path(run))
    assert record.rebuild is not None
    assert retrain_command(record, {"conv1": 8}) is not None
    rebuild = record.rebuild._replace(command=("python", f"a{sign}b"))
    assert retrain_command(record._replace(rebuild=rebuild), {"conv1": 8}) is None
    trained = record.rebuild._replace(command=("python", "-m", "nasmon.train"))
    suggested = partial(shrink_command, options=("--params", "0.5"))
    for name in ("plain", f"a{sign}b"):
        Path(f"{name}.keras").touch()
        of_run = record._replace(rebuild=trained, history=Path(f"{name}_history.csv"))
        assert (suggested(of_run) is None) == (name != "plain")


def test_quotes_in_a_name_end_no_command(run: Path) -> None:
    record = read_record(record_path(run))
    assert record.rebuild is not None
    rebuild = record.rebuild._replace(command=("python", "'; rm -rf ~; $(x)`y`"))
    command = retrain_command(record._replace(rebuild=rebuild), {"conv1": 8})
    assert command is not None
    assert """ ''"'"'; rm -rf ~; $(x)`y`' --widths """ in command

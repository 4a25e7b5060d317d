"""Programs for a GPU: exported, run by JAX on its CPU backend, checked; and what is refused.

The commands that need jax alone run in processes of their own, from a folder that holds
``bench/gpu`` and nothing else of the repository.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.gpu import count, export, page, run
from bench.gpu.agreement import KEPT, difference, thin
from bench.gpu.export import Writer, export_eigenvalues, export_network
from bench.gpu.folder import LIST, fingerprint, read_expected, read_list
from bench.gpu.inputs import KINDS, Input, draw
from bench.gpu.networks import CHUNKS, forward_of
from bench.gpu.tables import Measured, read
from nasmon.monitor import DEFAULT_MAX_ROWS
from nasmon.probe import Probe
from nasmon.probe_set import DEFAULT_CHUNK
from tests.commands import in_process
from tests.networks import functional, images

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a small network, and a batch of matrices."""
    folder = tmp_path_factory.mktemp("exported")
    writer = Writer(folder)
    export_network(writer, "small", functional())
    export_eigenvalues(writer, "2x8")
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``bench/gpu`` and nothing else."""
    folder = tmp_path_factory.mktemp("alone")
    shutil.copytree(ROOT / "bench" / "gpu", folder / "bench" / "gpu")
    return folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    """The same, to be spoiled."""
    return shutil.copytree(exported, tmp_path / "copy")


def python(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs Python in a folder, with JAX on its CPU backend."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
    )


def test_programs_run_and_agree(exported: Path, alone: Path) -> None:
    pytest.importorskip("jax")
    table = alone / "gpu.csv"
    done = python(alone, "-m", "bench.gpu.run", exported, "--repeats", 3, "--csv", table)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all agree\n")
    rows, programs = read(table, Measured), read_list(exported)
    assert [(row.of, row.part) for row in rows] == [
        *(("small", part) for part in ("forward", "absorb", "measure")),
        ("2x8", "eigenvalues"),
    ]
    assert [row.program for row in rows] == [program.fingerprint for program in programs]
    for row in rows:
        assert row.runner.startswith("jax ")
        assert float(row.milliseconds) >= float(row.host_ms) > 0
        assert not row.kernels  # there is no GPU to see any on
        assert (row.difference == "") == (row.part == "forward")


def test_results_that_disagree_are_found(copy: Path, alone: Path) -> None:
    pytest.importorskip("jax")
    for program in read_list(copy):
        if program.tolerance is not None:
            outputs = read_expected(copy, program)
            # as little as is not rounding, in one number alone
            largest = np.nanargmax(np.abs(outputs[-1]))
            outputs[-1][largest] *= 1 + 2 * program.tolerance
            np.savez(copy / f"{program.name}.expected.npz", *outputs)
    table = alone / "disagreeing.csv"
    done = python(alone, "-m", "bench.gpu.run", copy, "--repeats", 1, "--csv", table)
    assert done.returncode == 1, done.stdout + done.stderr
    wrong = [line.split()[0] for line in done.stdout.splitlines() if "DISAGREES" in line]
    assert wrong == ["absorb-small", "measure-small", "eigenvalues-2x8"]
    assert done.stdout.endswith("3 of 4 failed\n")
    assert [row.part for row in read(table, Measured)] == ["forward"]


def test_what_does_not_compile_is_told(copy: Path, alone: Path) -> None:
    pytest.importorskip("jax")
    (copy / "eigenvalues-2x8.hlo.pb").write_bytes(b"no program")
    arguments = ("--only", "2x8", "--csv", alone / "broken.csv")
    done = python(alone, "-m", "bench.gpu.run", copy, *arguments)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "eigenvalues-2x8" in done.stdout
    assert "does not compile: " in done.stdout
    assert not (alone / "broken.csv").exists()


def test_nothing_but_numpy_is_loaded(alone: Path) -> None:
    code = (
        "import sys, bench.gpu.run, bench.gpu.count, bench.gpu.page\n"
        "print({'tensorflow', 'keras', 'nasmon', 'pandas', 'jax'} & set(sys.modules))"
    )
    done = python(alone, "-c", code)
    assert done.stdout == "set()\n", done.stderr


@pytest.mark.parametrize("command", ["run", "count"])
def test_without_jax_the_extra_is_named(command: str, exported: Path, alone: Path) -> None:
    code = (
        "import sys; sys.modules['jax'] = None\n"
        f"from bench.gpu.{command} import main\nmain(sys.argv[1:])"
    )
    done = python(alone, "-c", code, exported)
    assert done.returncode == 2
    assert "gpu-bench" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def damaged_list(folder: Path) -> None:
    (folder / LIST).write_text("[{")


def other_list(folder: Path) -> None:
    (folder / LIST).write_text('[{"name": "absorb"}]')


def unknown_kind(folder: Path) -> None:
    text = (folder / LIST).read_text("utf-8")
    (folder / LIST).write_text(text.replace('"rows"', '"columns"'), "utf-8")


def no_list(folder: Path) -> None:
    (folder / LIST).unlink()


def no_program(folder: Path) -> None:
    (folder / "absorb-small.hlo.pb").unlink()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (damaged_list, "is damaged"),
        (other_list, "is damaged"),
        (unknown_kind, "is damaged (an input's kind is 'columns')"),
        (no_list, "is not there; give a folder that bench.gpu.export wrote"),
        (no_program, "absorb-small.hlo.pb cannot be read"),
        (shutil.rmtree, "there is no folder"),
    ],
)
def test_a_spoiled_folder_is_refused_in_one_line(
    spoil: Callable[[Path], None], told: str, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(copy)
    code, _, error = in_process(run.main, capsys, copy)
    assert code == 2
    assert told in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("command", [run, count])
def test_wrong_options_are_refused_in_one_line(
    command, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    for arguments, told in (
        (["--only", "nothing"], "there are: forward-small, absorb-small"),
        (["--csv", tmp_path / "no" / "gpu.csv"], "in a folder that is not there"),
        (["--csv", other], "is no table with the columns"),
        (["--sideways"], "unrecognized arguments"),
    ):
        code, _, error = in_process(command.main, capsys, exported, *arguments)
        assert code == 2
        assert told in error
        assert len(error.splitlines()) == 1


def test_wrong_numbers_are_refused(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = in_process(run.main, capsys, exported, "--threads", "0")
    assert code == 2
    assert "'0' is no whole number above 0" in error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--network", "nano_v"], "use some of nano_u, mobilenetv2, resnet50"),
        (["--network", "--batch", "16"], "write layers x channels"),
        (["--network", "--batch"], "there is nothing to write"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = in_process(export.main, capsys, tmp_path / "new", *arguments)
    assert code == 2
    assert told in error
    assert not (tmp_path / "new").exists()


def test_a_file_is_no_folder_to_export_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    code, _, error = in_process(export.main, capsys, tmp_path / "file", "--network")
    assert code == 2
    assert "cannot be made a folder" in error


def test_the_page_takes_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = in_process(page.main, capsys, "folder")
    assert code == 2
    assert "unrecognized arguments" in error


def test_what_is_only_counted_needs_no_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--only-to-count", "--network", "--batch", "2x8")
    assert in_process(export.main, capsys, tmp_path, *arguments)[0] == 0
    (program,) = read_list(tmp_path)
    assert program.tolerance is None
    assert {file.name for file in tmp_path.iterdir()} == {LIST, "eigenvalues-2x8.hlo.pb"}


def test_rows_are_those_that_a_probe_takes() -> None:
    model = functional()
    samples = CHUNKS * DEFAULT_CHUNK
    probe = Probe(model, images(samples)[0], "auto", samples, None, DEFAULT_MAX_ROWS, False)
    forward = forward_of(model)
    assert probe.rows == [CHUNKS * rows for rows, _ in forward.rows]
    assert [info.channels for info in probe.layers] == [channels for _, channels in forward.rows]
    assert forward.function.get_concrete_function(*forward.arguments).captured_inputs == []


def test_a_program_is_told_by_what_it_does_not_by_its_names(exported: Path, tmp_path: Path) -> None:
    text = """HloModule a_inference_f_12__.3
ENTRY %main.7 (a.1: f32[2]) -> f32[2] {
  %a.1 = f32[2]{0} parameter(0), metadata={op_name="x"}
  %c.2 = f32[] constant(0.5)
  ROOT %add.3 = f32[2]{0} add(%a.1, %a.1)
}"""
    renamed = text.replace("a_inference_f_12__.3", "g").replace("a.1", "b.41").replace('"x"', '"y"')
    assert fingerprint(renamed) == fingerprint(text)
    others = (text.replace("add(", "subtract("), text.replace("0.5", "0.25"), text[:-2])
    assert len({fingerprint(other) for other in (text, *others)}) == 4
    # another export in the same process has other names
    export_eigenvalues(Writer(tmp_path, checked=False), "2x8")
    assert read_list(tmp_path)[0].fingerprint == read_list(exported)[-1].fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_drawn_from_their_seed(kind: str) -> None:
    given = Input(kind, (2, 24, 24), "float32", seed=3, value=2)
    drawn = draw(given)
    assert drawn.shape == given.shape
    assert drawn.dtype == given.dtype
    np.testing.assert_array_equal(drawn, draw(given))
    assert kind == "constant" or (drawn != draw(given._replace(seed=4))).any()


@pytest.mark.parametrize("size", [1, 16, 300])
def test_drawn_covariances_are_well_conditioned(size: int) -> None:
    matrices = draw(Input("covariances", (3, size, size), "float64"))
    np.testing.assert_array_equal(matrices, np.swapaxes(matrices, 1, 2))
    assert np.linalg.cond(matrices).max() < 100


def test_differences_are_of_the_largest_number_or_of_each() -> None:
    expected = np.array([1e-3, 10.0, 1e4, np.nan])
    found = np.array([2e-3, 10.1, 1e4, np.nan])
    assert difference(expected, expected, "each") == 0
    assert difference(found, expected, "each") == pytest.approx(0.01)
    assert difference(found, expected, "largest") == pytest.approx(1e-5)
    for scale in ("each", "largest"):
        assert difference(found[:3], expected, scale) == np.inf
        assert difference(found[::-1], expected, scale) == np.inf
        assert difference(np.where(found > 1e3, np.inf, found), expected, scale) == np.inf
        assert difference(np.array([]), np.array([]), scale) == 0


def test_of_outputs_some_thousand_numbers_are_kept() -> None:
    assert thin(np.arange(10)).size == 10
    thinned = thin(np.arange(3 * KEPT + 1).reshape(-1, 1))
    assert KEPT / 2 < thinned.size <= KEPT
    assert len(set(np.diff(thinned))) == 1

"""The wheel installs one name, which nothing in an environment or a project hides; what a release
needs besides is there.
"""

import inspect
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path

import pytest
import skimage.data
import yaml

from nasmon.train.data.textures import PHOTOGRAPHS
from tests.recorded import write_run

ROOT = Path(__file__).parent.parent
DATA = (
    "nasmon/py.typed",
    "nasmon/train/defaults.yaml",
    "nasmon/analysis/plot/publication.mplstyle",
    "nasmon/analysis/report/templates/report.html.j2",
    "nasmon/analysis/report/templates/style.css",
    "nasmon/analysis/report/templates/sort.js",
)
LICENCES = ("LICENSE", "NOTICE")
LIBRARY = "kernels"
"""A well-known library of another kind, with a name that one of our folders has, too."""


def pip(*arguments: object) -> None:
    """Runs pip as ``run_module`` runs a module."""
    run_module("pip", "--disable-pip-version-check", *arguments)


def run_module(*arguments: object) -> str:
    """Runs a module; a registry that cannot be reached skips the test, but not in CI."""
    command = [sys.executable, "-m", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    said = done.stdout + done.stderr
    if done.returncode and "No matching distribution" in said and not os.environ.get("CI"):
        pytest.skip("no package registry is reached")
    assert done.returncode == 0, said
    return said


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution of a clean clone, and the wheel that is built of it."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines()]
    ignore = shutil.ignore_patterns(".git", *ignored)
    shutil.copytree(ROOT, source, ignore=ignore, dirs_exist_ok=True)
    run_module("build", "--outdir", built, source)
    return built


@pytest.fixture(scope="module")
def wheel(release: Path) -> Path:
    (found,) = release.glob("*.whl")
    return found


@pytest.fixture(scope="module", params=["before", "after"])
def python(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory) -> Path:
    """A fresh environment with the wheel, and the library installed before it or after it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    # what nasmon needs is there already; the repository is not, for no .pth in there is read
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    for wanted in (LIBRARY, wheel) if request.param == "before" else (wheel, LIBRARY):
        pip("--python", python, "install", "--no-deps", "--force-reinstall", wanted)
    return python


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's project, with names of its own that are ours in the repository; and a run."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("kernels", "analysis"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("mine = True\n")
    (folder / "train.py").write_text("mine = True\n")
    write_run(folder / "run.csv")
    return folder


def output(project: Path, *command: object) -> str:
    done = subprocess.run(
        [*map(str, command)], cwd=project, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_one_name_and_its_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    metadata = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"nasmon", metadata}
    assert set(DATA) <= set(names)
    modules = {
        str(path.relative_to(ROOT))
        for folder in ("nasmon", "kernels", "train", "analysis")
        for path in (ROOT / folder).rglob("*.py")
    }
    installed = {name if name.startswith("nasmon/") else f"nasmon/{name}" for name in modules}
    assert installed == {name for name in names if name.endswith(".py")}


def test_the_wheel_and_the_source_distribution_can_be_published(release: Path) -> None:
    """Their descriptions are rendered, and the wheel has neither too much nor too little."""
    said = run_module("twine", "--no-color", "check", "--strict", *release.iterdir())
    assert said.count("PASSED") == 2, said
    run_module("check_wheel_contents", *release.glob("*.whl"))


def test_the_licence_is_in_both_and_told(release: Path, wheel: Path) -> None:
    (source,) = release.glob("*.tar.gz")
    with tarfile.open(source) as packed, zipfile.ZipFile(wheel) as zipped:
        inside = {name.partition("/")[2] for name in packed.getnames()}
        (folder,) = {name.partition("/")[0] for name in zipped.namelist()} - {"nasmon"}
        for name in LICENCES:
            text = (ROOT / name).read_bytes()
            assert zipped.read(f"{folder}/licenses/{name}") == text
            assert name in inside
        metadata = Parser().parsestr(zipped.read(f"{folder}/METADATA").decode())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) >= {"cuda", "docs", "mcu"}
    assert metadata.get_all("License-File") == [*LICENCES]
    needed = {"tests/test_wheel.py", "docs/limits.md", "Makefile", "constraints.txt", "mkdocs.yml"}
    assert needed <= inside


def test_the_notice_names_every_photograph_that_is_used() -> None:
    notice = (ROOT / "NOTICE").read_text("utf-8")
    assert re.findall(r"skimage\.data\.(\w+):", notice) == [*PHOTOGRAPHS]
    for name in PHOTOGRAPHS:
        (address,) = re.findall(rf"{name}: from \w+, (\S+),", notice)
        said = inspect.getdoc(getattr(skimage.data, name)) or ""
        assert address in said
        assert "Creative Commons CC0" in said


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    metadata = ConfigParser()
    metadata.read(ROOT / "setup.cfg")
    assert citation["version"] == metadata["metadata"]["version"]
    assert citation["license"] == metadata["metadata"]["license_expression"]
    assert citation["authors"] == [{"name": metadata["metadata"]["author"]}]


def test_the_commands_work_beside_what_has_their_names(python: Path, project: Path) -> None:
    here = "import kernels, train, analysis, nasmon; print(nasmon.__file__, kernels.mine)"
    where = output(project, python, "-c", here)
    assert (
        where == f"{next(python.parents[1].glob('lib/*/site-packages'))}/nasmon/__init__.py True\n"
    )
    assert "--enable-nas" in output(project, python.with_name("nasmon-train"), "--help")
    assert re.fullmatch(
        r"nasmon \d+\.\d+\.\d+\n", output(project, python.with_name("nasmon"), "--version")
    )
    by_script = output(project, python.with_name("nasmon-recommend"), "--csv", "run.csv")
    by_module = output(project, python, "-m", "nasmon.analysis.recommend", "--csv", "run.csv")
    assert "NAS ANALYSIS RECOMMENDATIONS FOR CHAIN" in by_script
    by_name = output(project, python.with_name("nasmon"), "recommend", "--csv", "run.csv")
    assert by_module == by_script == by_name


def test_a_users_strict_type_check_knows_the_types(python: Path, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    command = (sys.executable, "-m", "mypy", "--strict", "--python-executable", python)
    done = subprocess.run(
        [*map(str, command), "script.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    # what is right is taken, what is wrong is told
    errors = re.findall(r"^script.py:(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    assert errors == [("5", "assignment"), ("6", "call-arg")], done.stdout


SCRIPT = """import nasmon

widths: dict[str, int] = nasmon.plan_widths(None, params=0.5).widths
accepted: bool | None = nasmon.shrink(None, None).accepted
reading: int = nasmon.Monitor(None, None).read(0)
nasmon.plan_widths(None, param=0.5)
"""


def test_the_library_of_the_same_name_stays_whole(python: Path, tmp_path: Path) -> None:
    files = "from importlib.metadata import files; import nasmon.kernels.metric_table; "
    files += f"missing = [f for f in files({LIBRARY!r}) if not f.locate().exists()]; print(missing)"
    assert output(tmp_path, python, "-c", files) == "[]\n"


@pytest.mark.parametrize("module", ["train", "analysis.recommend"])
def test_the_repositorys_short_names_work_without_an_editable_install(
    python: Path, module: str
) -> None:
    assert output(ROOT, python, "-m", module, "--help").startswith(f"usage: python -m {module} ")
    where = "import nasmon.kernels, nasmon; print(nasmon.__file__, nasmon.kernels.__file__)"
    folders = [Path(file).parent for file in output(ROOT, python, "-c", where).split()]
    assert folders == [ROOT / "nasmon", ROOT / "kernels"]

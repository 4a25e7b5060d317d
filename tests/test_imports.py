"""Imports point one way: kernels <- nasmon <- train, analysis; reading loads no TensorFlow."""

import ast
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "kernels": {"kernels"},
    "nasmon": {"nasmon", "kernels"},
    "train": {"train", "nasmon"},
    "analysis": {"analysis", "kernels", "nasmon"},
}
INSIDE = ("kernels", "train", "analysis")
"""The folders that are installed as parts of nasmon."""


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_of(module: str) -> str:
    """Where a module lies: one of the folders at the top, or a library."""
    first, _, rest = module.partition(".")
    inner = rest.partition(".")[0]
    return inner if first == "nasmon" and inner in INSIDE else first


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        ours = {package_of(module) for module in imported(path)} & {*ALLOWED, "tests", "bench"}
        assert ours <= ALLOWED[package], path


def test_our_packages_are_imported_by_their_installed_names() -> None:
    """``kernels``, ``train`` and ``analysis`` may be anything else in a user's environment."""
    for folder in (*ALLOWED, "tests", "bench"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not {module.partition(".")[0] for module in imported(path)} & {*INSIDE}, path


def test_no_module_is_part_of_a_circle() -> None:
    """Neither at the top nor inside functions, nor for types alone."""
    files = {module_of(path): path for folder in ALLOWED for path in (ROOT / folder).rglob("*.py")}
    # a package's own file hands on names of its modules
    graph = {
        module: {name for name in map(owner_of(files), imported(path)) if name in files}
        for module, path in files.items()
        if path.name != "__init__.py"
    }
    TopologicalSorter(graph).prepare()


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts).removesuffix(".__init__")
    return name if parts[0] == "nasmon" else f"nasmon.{name}"


def owner_of(files: Mapping[str, Path]) -> Callable[[str], str]:
    """From what is imported to the module that it is, or is a name of."""
    return lambda name: name if name in files else name.rpartition(".")[0]


def test_kernels_know_no_keras_and_no_files() -> None:
    for path in (ROOT / "kernels").glob("*.py"):
        libraries = {module.partition(".")[0] for module in imported(path)}
        assert not libraries & {"keras", "pandas", "csv", "pathlib", "os"}, path


@pytest.mark.parametrize(
    "statement",
    [
        "import nasmon, nasmon.cli, nasmon.kernels, nasmon.train, nasmon.analysis",
        "from nasmon.kernels.metric_table import METRICS",
        "from nasmon.train import train",
        "from train import train",
        "import nasmon.train.cli",
        "import nasmon.analysis.recommend.command, nasmon.analysis.compare.command",
        "import nasmon.analysis.report.command, nasmon.analysis.plot.command",
        "import nasmon.record.run, nasmon.record.files, nasmon.record.spectra, nasmon.reading",
        "from nasmon.widths import graph, objectives; from nasmon import acceptance, schedule",
    ],
)
def test_starting_loads_no_tensorflow(statement: str) -> None:
    code = f"import sys; {statement}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert done.stdout.decode().strip() == "set()"


def test_the_monitor_loads_little_besides_tensorflow_and_keras() -> None:
    """What draws, reads images or trains is loaded by the commands that do so."""
    code = (
        "import sys, keras, pandas, tensorflow; before = set(sys.modules)\n"
        "from nasmon import Monitor, NASMonitorCallback, plan_widths, shrink\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    loaded = {name for name in done.stdout.decode().split() if not name.startswith("_")}
    assert loaded - sys.stdlib_module_names <= {"nasmon", "yaml"}


def test_only_the_readers_modules_of_the_monitor_are_used_by_the_analysis() -> None:
    light = {
        *("nasmon.errors", "nasmon.thresholds", "nasmon.acceptance", "nasmon.text_table"),
        *("nasmon.reading", "nasmon.command_parser", "nasmon.terminal", "nasmon.short_names"),
        *("nasmon.table", "nasmon.html", "nasmon.board.event_names", "nasmon.board.tags"),
        *("nasmon.record.files", "nasmon.record.run", "nasmon.record.spectra"),
        *(
            "nasmon.record.rebuild",
            "nasmon.record.exported",
            "nasmon.record.shrunk",
            "nasmon.record.widths",
            "nasmon.narrowing.budgets",
            "nasmon.narrowing.choices",
            "nasmon.narrowing.plan",
            "nasmon.widths.graph",
            "nasmon.widths.objectives",
            "nasmon.widths.segments",
        ),
    }
    for path in (ROOT / "analysis").rglob("*.py"):
        for module in map(owner_of(light_modules(light)), imported(path)):
            package = package_of(module)
            assert package != "nasmon" or module in light, path
            assert package != "kernels" or module == "nasmon.kernels.metric_table", path


def light_modules(names: Collection[str]) -> dict[str, Path]:
    return dict.fromkeys((*names, "nasmon.kernels.metric_table"), Path())


@pytest.mark.parametrize("package", ["nasmon", "nasmon.analysis", "nasmon.train"])
def test_the_packages_public_names_are_there_with_an_example_each(package: str) -> None:
    module = import_module(package)
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
        assert ">>> " in getattr(module, name).__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing

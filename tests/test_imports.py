"""Imports point one way: kernels <- nasmon <- train; and what needs no TensorFlow loads none."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "kernels": {"kernels"},
    "nasmon": {"nasmon", "kernels"},
    "train": {"train", "nasmon"},
    # the training's own reader of its config file
    "analysis": {"analysis", "kernels", "nasmon", "train"},
}
OURS = {*ALLOWED, "tests", "bench"}


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports anywhere."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_one_way(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert imported(path) & OURS <= ALLOWED[package], path


def test_kernels_know_no_keras_and_no_files() -> None:
    for path in (ROOT / "kernels").glob("*.py"):
        assert not imported(path) & {"keras", "pandas", "csv", "pathlib", "os"}, path


@pytest.mark.parametrize(
    "statement",
    [
        "import nasmon, kernels, train",
        "from kernels.metric_table import METRICS",
        "from train import train",
        "import train.cli",
        "import analysis.recommend, analysis.compare, analysis.report, analysis.plot",
        "import nasmon.record, nasmon.run_files, nasmon.sinks",
    ],
)
def test_starting_loads_no_tensorflow(statement: str) -> None:
    code = f"import sys; {statement}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=ROOT, check=True)
    assert done.stdout.decode().strip() == "set()"


def test_only_the_readers_modules_of_the_monitor_are_used_by_the_analysis() -> None:
    light = {"nasmon.errors", "nasmon.interpreter", "nasmon.run_files", "nasmon.record"}
    for path in (ROOT / "analysis").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                package = node.module.partition(".")[0]
                assert package != "nasmon" or node.module in light, path
                assert package != "kernels" or node.module == "kernels.metric_table", path
                assert package != "train" or node.module in {"train.config", "train.errors"}, path


@pytest.mark.parametrize("package", ["analysis", "nasmon"])
def test_the_packages_public_names_are_there(package: str) -> None:
    module = import_module(package)
    for name in module.__all__:
        assert getattr(module, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = module.nothing

"""Across the packages no name stands for two things."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("kernels", "nasmon", "train", "analysis")
SHARED = {
    # each command's own
    "main": {"command", "cli", "shrink", "export"},
    "build_parser": {"command", "cli", "shrink", "export"},
    # of each kind of state: that of no rows, that of the rows of both, and its arrays
    "empty": {"covariance", "kept_rows"},
    "merge": {"covariance", "kept_rows"},
    "to_arrays": {"covariance", "kept_rows"},
    "from_arrays": {"covariance", "kept_rows"},
}


def public_names(path: Path) -> Iterator[str]:
    """The classes, functions and constants that a module defines for others."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            parts = (part for target in targets for part in ast.walk(target))
            names = [part.id for part in parts if isinstance(part, ast.Name)]
        else:
            continue
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_is_defined_once() -> None:
    homes: dict[str, set[Path]] = defaultdict(set)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for name in public_names(path):
                homes[name].add(path)
    twice = {name: found for name, found in homes.items() if len(found) > 1}
    others = {n: f for n, f in twice.items() if {path.stem for path in f} != SHARED.get(n)}
    assert not others
    assert set(twice) == set(SHARED)


def test_a_module_says_what_it_is_about() -> None:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path
            assert not {"utils", "util", "helpers", "misc", "common"} & {path.stem}, path

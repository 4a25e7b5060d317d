"""The files of docs/examples, run as a user would run them."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.test_names import ROOT

EXAMPLES = ROOT / "docs" / "examples"

Run = Callable[..., dict[str, Any]]


def running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """For a fixture: runs examples in a folder as commands would; returns what they define."""
    monkeypatch.chdir(folder)

    def run(name: str, *arguments: str) -> dict[str, Any]:
        path = EXAMPLES / f"{name}.py"
        monkeypatch.setattr(sys, "argv", [str(path), *arguments])
        return runpy.run_path(str(path), run_name="__main__")

    return run

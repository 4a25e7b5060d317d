"""The notebook runs from top to bottom, and what it shows is there to be shown."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from nasmon import NASMonitorCallback, Shrunk, WidthPlan

NOTEBOOK = Path(__file__).parent.parent / "docs" / "examples" / "first_look.ipynb"


def code_cells() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_cell(source: str, names: dict[str, Any]) -> Any:
    """Runs a cell; returns what a notebook shows of it, its last expression's value."""
    *body, last = ast.parse(source).body
    if not isinstance(last, ast.Expr):
        exec(source, names)
        return None
    exec(compile(ast.Module(body, []), NOTEBOOK.name, "exec"), names)
    return eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each cell shows, by the cell's id."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("notebook"))
        return {cell["id"]: run_cell("".join(cell["source"]), names) for cell in code_cells()}


def test_it_is_kept_without_outputs() -> None:
    for cell in code_cells():
        assert (cell["outputs"], cell["execution_count"]) == ([], None), cell["id"]


def test_the_network_learns_and_is_made_smaller(shown: dict[str, Any]) -> None:
    accuracy, redundancy = shown["fit"]
    assert accuracy > 0.9
    assert 0 < redundancy < 1
    before, after = shown["sizes"]
    assert after <= before / 4
    assert shown["result"].after["accuracy"] > 0.9


def test_the_callback_the_plan_and_the_result_show_themselves(shown: dict[str, Any]) -> None:
    for cell, kind in (("table", NASMonitorCallback), ("plan", WidthPlan), ("result", Shrunk)):
        assert isinstance(shown[cell], kind)
        assert "<td" in shown[cell]._repr_html_()
        assert "second" in shown[cell]._repr_html_()


@pytest.mark.parametrize("cell", ["dashboard", "ranks", "widths"])
def test_the_pictures_show_themselves(shown: dict[str, Any], cell: str) -> None:
    assert isinstance(shown[cell], Figure)
    assert shown[cell]._repr_png_()[0].startswith(b"\x89PNG")

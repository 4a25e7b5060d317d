"""What CONTRIBUTING.md shows works: its edits are made in a copy of the packages, and run there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.recorded import write_run

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("nasmon", "kernels", "train", "analysis")
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


class Recipe(NamedTuple):
    """A section of the page with lines to add, what to run then, and what that prints."""

    title: str
    edits: str
    code: str
    printed: str


def recipes() -> Iterator[Recipe]:
    for section in PAGE.split("\n## ")[1:]:
        blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```", section, re.DOTALL | re.MULTILINE))
        if blocks:
            edits = blocks.get("diff", "")
            yield Recipe(section.splitlines()[0], edits, blocks["python"], blocks["text"])


class Edit(NamedTuple):
    """A part of a file before and after lines were added to it."""

    file: str
    before: str
    after: str

    def apply(self, copy: Path) -> None:
        text = (copy / self.file).read_text("utf-8")
        assert text.count(self.before) == 1, f"{self.file} no longer has\n{self.before}"
        (copy / self.file).write_text(text.replace(self.before, self.after), "utf-8")

    def take_out(self, copy: Path) -> bool:
        """Whether what is added was there already, as an example of how it came in."""
        text = (copy / self.file).read_text("utf-8")
        (copy / self.file).write_text(text.replace(self.after, self.before), "utf-8")
        return self.after in text


def edits_of(recipe: Recipe) -> list[Edit]:
    edits = []
    for part in re.split(r"^--- ", recipe.edits, flags=re.MULTILINE)[1:]:
        file, *lines = part.splitlines()
        assert all(line[:1] in ("+", " ") for line in lines), lines
        before = "".join(f"{line[1:]}\n" for line in lines if line[0] == " ")
        edits.append(Edit(file, before, "".join(f"{line[1:]}\n" for line in lines)))
    return edits


def run(code: str, copy: Path) -> subprocess.CompletedProcess[str]:
    """Runs code on the copied packages, in a folder where a run lies."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=copy.parent,
        env={**os.environ, "PYTHONPATH": str(copy), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def check_style(files: list[Path]) -> None:
    """The edited files are formatted, and lint finds nothing."""
    for command in (["format", "--check"], ["check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--config", ROOT / "ruff.toml"]
        done = subprocess.run([*map(str, [*ruff, *files])], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


RECIPES = {recipe.title: recipe for recipe in recipes()}


def test_the_page_has_a_recipe_for_each_table() -> None:
    titles = ["A metric", "A layer's rule", "An objective", "A place for readings", "A picture"]
    assert list(RECIPES) == titles
    assert [title for title, recipe in RECIPES.items() if not recipe.edits] == titles[3:4]
    assert len(PAGE.splitlines()) <= 200


@pytest.mark.parametrize("title", [title for title, recipe in RECIPES.items() if recipe.edits])
def test_a_recipe_works_and_is_needed(title: str, tmp_path: Path) -> None:
    recipe, copy = RECIPES[title], tmp_path / "copy"
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    write_run(tmp_path / "run.csv", evidence=True)
    edits = edits_of(recipe)
    was_there = [edit.take_out(copy) for edit in edits]
    if any(was_there):
        assert run(recipe.code, copy).returncode != 0
    for edit in edits:
        edit.apply(copy)
    check_style([copy / edit.file for edit in edits])
    done = run(recipe.code, copy)
    assert done.returncode == 0, done.stderr
    assert recipe.printed.strip() in done.stdout, done.stdout


@pytest.mark.parametrize("title", [title for title, recipe in RECIPES.items() if not recipe.edits])
def test_what_needs_no_edit_works(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(RECIPES[title].code, {})
    assert capsys.readouterr().out == RECIPES[title].printed

"""The running interpreter and this project's modules, in commands that a user is to paste."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path


def typed_python() -> str:
    """The interpreter as the user can type it: ``python`` if that is this one, else its path."""
    found = shutil.which("python")
    # by folder, not by file: a virtual environment's python is a link to the one outside
    if found is not None and os.path.dirname(found) == os.path.dirname(sys.executable):
        return "python"
    near = os.path.relpath(sys.executable)
    return sys.executable if near.startswith(os.pardir) else near


def typed_module(module: str) -> str:
    """A module of this project as the user can type it behind ``python -m``.

    Args:
        module: its whole name, such as "nasmon.analysis.recommend".

    Returns:
        Without "nasmon." in the repository's own folder, where the packages lie side by side.
    """
    package = ".".join(module.split(".")[:2])
    spec, short = find_spec(package), module.removeprefix("nasmon.")
    folders = (spec.submodule_search_locations if spec else None) or ()
    here = Path.cwd() / package.removeprefix("nasmon.")
    return short if any(here.is_dir() and here.samefile(folder) for folder in folders) else module

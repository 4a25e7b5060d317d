"""The command that trains a model again with other widths, and overwrites nothing; and how this
project's commands are typed where they are shown.
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from nasmon.record.run import Record
from nasmon.widths.graph import channels_of


def retrain_command(record: Record, widths: Mapping[str, int]) -> str | None:
    """The command to paste.

    Args:
        record: of the run.
        widths: new widths by owner, only those that change.

    Returns:
        The run's own command with all widths, those that stay among them, and with other places to
        write to; None if nothing changes, or the command cannot say what changes.
    """
    rebuild = record.rebuild
    if rebuild is None or not widths or not set(widths) <= set(rebuild.layers):
        return None
    today = channels_of(record.owners)
    today = today or {layer.name: layer.channels for layer in record.layers}
    if not set(rebuild.layers) <= set(today):
        return None
    numbers = [str(widths.get(name, today[name])) for name in rebuild.layers]
    places = _other_places(rebuild.places, record.model_name)
    return _pasted([*_typed(rebuild.command), rebuild.flag, *numbers, *places])


def shrink_command(record: Record, options: Sequence[str]) -> str | None:
    """The command that makes a smaller model of the one that was trained.

    Args:
        record: of the run.
        options: such as ("--params", "0.5").

    Returns:
        None if our training command did not train it, its file is not there, or the command
        cannot be shown as it is.
    """
    if record.rebuild is None or tuple(record.rebuild.command[1:3]) != _TRAINING:
        return None
    history = record.history
    if history is None or not history.name.endswith(_HISTORY):
        return None
    model = history.with_name(f"{history.name.removesuffix(_HISTORY)}.keras")
    if not model.exists():
        return None
    command = [typed_python(), "-m", typed_module("nasmon.train.shrink")]
    return _pasted([*command, "--model", os.path.relpath(model), *options])


def _pasted(parts: Sequence[str]) -> str | None:
    """A command for a shell; None if a part would be shown as other than it is."""
    # a line break in a name would make two commands of one
    return shlex.join(parts) if all(part.isprintable() for part in parts) else None


_TRAINING, _HISTORY = ("-m", "nasmon.train"), "_history.csv"


def _typed(command: Sequence[str]) -> list[str]:
    """A recorded command as it can be typed here: the interpreter, and a module of ours."""
    if command[:1] != ("python",):
        return list(command)
    # runs of the time when train was a name of its own hold this, and no other command does
    earlier = tuple(command[1:4]) == ("-m", "train", "--enable-nas")
    if earlier or tuple(command[1:3]) == _TRAINING:
        return [typed_python(), "-m", typed_module("nasmon.train"), *command[3:]]
    return [typed_python(), *command[1:]]


def _other_places(places: Sequence[tuple[str, str]], model_name: str) -> list[str]:
    """The flags and new values: all in one folder, which is not there yet, beside the old one."""
    if not places:
        return []
    paths = {flag: Path(os.path.normpath(value)) for flag, value in places}
    old = next(iter(paths.values()))
    folder = _new_folder(old, re.sub(r"[^\w.-]", "_", f"{model_name}_narrower"))
    new: dict[Path, Path] = {}
    for flag, path in paths.items():
        inside = path.is_relative_to(old) and ".." not in path.parts
        place = folder / (path.relative_to(old) if inside else path.name)
        if place in new.values() or path.name == "..":
            place = folder / flag.strip("-")
        new.setdefault(path, place)
    return [part for flag, path in paths.items() for part in (flag, str(new[path]))]


def _new_folder(old: Path, name: str) -> Path:
    """Beside a folder that was itself made for a narrower model, else inside the old place."""
    parent = old.parent if re.fullmatch(rf"{re.escape(name)}(-\d+)?", old.name) else old
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name}-{number}"
    return folder


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


def typed_program(module: str) -> str:
    """The command that is running, as the user typed it: our script, or ``python -m`` a module.

    Args:
        module: of the command; ``nasmon`` has put its subcommand's name into the process's own.
    """
    called = Path(sys.argv[0]).name
    return called if _OURS.match(called) else f"python -m {typed_module(module)}"


_OURS = re.compile(r"(python -m )?nasmon([ -]|$)")

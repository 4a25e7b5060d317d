"""Settings of a run: the package's defaults, a user's file over them, the caller's over both.

And the way back: a run's settings as the command that trains the same model with other widths.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from functools import reduce
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from nasmon.config_file import Tree, check_section, read_config, shown_value, unknown_key
from nasmon.errors import UsageError
from nasmon.thresholds import check_rising
from nasmon.train.models import BLOCK_NAMES, expand_widths
from nasmon.train.options import Settings, all_options, section_of

if TYPE_CHECKING:
    from nasmon import Rebuild


def resolve_settings(
    config: str | os.PathLike[str] | None = None,
    given: Mapping[str, Any] | None = None,
    names: Mapping[str, str] | None = None,
) -> Settings:
    """Read the defaults, lay the file's values over them, then the caller's, and check all.

    Args:
        config: A YAML file with any of the keys of ``defaults.yaml``.
        given: Values by dotted key, such as ``{"training.epochs": 3}``; they win.
        names: What the caller calls those keys, such as ``{"training.epochs": "--epochs"}``, for
            the errors.

    Returns:
        The settings.

    Raises:
        UsageError: If the file cannot be read, a key is unknown, or a value cannot be used.
    """
    tree = yaml.safe_load((files("nasmon.train") / "defaults.yaml").read_text("utf-8"))
    called = {key: key for key, _ in all_options()}
    if config is not None:
        _overlay(tree, read_config(Path(config)), Settings, str(config))
        called = {key: f"{key} in {config}" for key in called}
    for key, value in (given or {}).items():
        _set(tree, key, value)
        called[key] = (names or {}).get(key, key)
    settings = _build(Settings, tree, "", called)
    _check_together(settings, called)
    return settings


def _overlay(tree: Tree, over: Tree, section: type, source: str, prefix: str = "") -> None:
    known = {one.name: one for one in fields(section)}
    for name, value in over.items():
        if name not in known:
            siblings = {one: f"{prefix}{one}" for one in known}
            everywhere = {key.rpartition(".")[2]: key for key, _ in all_options()}
            raise unknown_key(f"{prefix}{name}", siblings, everywhere, source)
        inner = section_of(known[name])
        if inner is None:
            tree[name] = value
            continue
        check_section(f"{prefix}{name}", value, [one.name for one in fields(inner)], source)
        _overlay(tree[name], value or {}, inner, source, f"{prefix}{name}.")


def _set(tree: Tree, key: str, value: Any) -> None:
    *sections, name = key.split(".")
    for section in sections:
        tree = tree[section]
    tree[name] = value


def _build(section: type, tree: Tree, prefix: str, called: Mapping[str, str]) -> Any:
    values: Tree = {}
    for one in fields(section):
        key, value = f"{prefix}{one.name}", tree[one.name]
        inner = section_of(one)
        if inner is not None:
            values[one.name] = _build(inner, value, f"{key}.", called)
            continue
        try:
            values[one.name] = one.metadata["option"].read(value)
        except UsageError as error:
            raise UsageError(f"{called[key]} is {shown_value(value)}; {error}") from None
    return section(**values)


def _check_together(settings: Settings, called: Mapping[str, str]) -> None:
    """Check what no single option can."""
    if settings.training.widths is not None:
        try:
            expand_widths(settings.training.widths)
        except UsageError as error:
            raise UsageError(f"{called['training.widths']}: {error}") from None
    check_rising(vars(settings.nas.thresholds))


_ALWAYS = ("training.model",)
_PLACES = ("training.output_dir", "nas.log_dir", "nas.csv_path")
_NOT_KEPT = ("nas.enabled", "training.widths", *_PLACES)


def how_to_rebuild(settings: Settings, config: str | None) -> Rebuild:
    """The options of a run that differ from the defaults, or from its config file, as flags.

    Args:
        settings: Of the run.
        config: The file that some of them came from.

    Returns:
        The command with the monitor on, without widths and without the places it writes to.
    """
    from nasmon import Rebuild

    from_file = resolve_settings(config)
    command = ["python", "-m", "nasmon.train", "--enable-nas"]
    command += [] if config is None else ["--config", config]
    for key, option in all_options():
        value = _value(settings, key)
        differs = key in _ALWAYS or value != _value(from_file, key)
        if option.flag and differs and key not in _NOT_KEPT:
            command += [option.flag, str(value)]
    places = [(key, _value(settings, key)) for key in _PLACES]
    flags = {key: option.flag for key, option in all_options()}
    return Rebuild(
        command=tuple(command),
        flag=flags["training.widths"],
        layers=tuple(f"{block}_pointwise" for block in BLOCK_NAMES),
        places=tuple((flags[key], value) for key, value in places if value is not None),
    )


def _value(settings: Settings, key: str) -> Any:
    return reduce(getattr, key.split("."), settings)

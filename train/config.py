"""Settings of a run: the package's defaults, a user's file over them, the caller's over both."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from nasmon.train.errors import InputError
from nasmon.train.models import expand_widths
from nasmon.train.options import Settings, all_options, section_of

Tree = dict[str, Any]

_ORDERED = (
    ("moderate_redundancy", "high_redundancy"),
    ("low_redundancy", "moderate_redundancy"),
    ("low_correlation", "high_correlation"),
)


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
        InputError: If the file cannot be read, a key is unknown, or a value cannot be used.
    """
    tree = yaml.safe_load((files("nasmon.train") / "defaults.yaml").read_text("utf-8"))
    called = {key: key for key, _ in all_options()}
    if config is not None:
        _overlay(tree, _read_file(Path(config)), Settings, str(config))
        called = {key: f"{key} in {config}" for key in called}
    for key, value in (given or {}).items():
        _set(tree, key, value)
        called[key] = (names or {}).get(key, key)
    settings = _build(Settings, tree, "", called)
    _check_together(settings, called)
    return settings


def given_thresholds(config: str | os.PathLike[str]) -> dict[str, float]:
    """The thresholds that a file sets, checked together with the defaults of the others.

    Raises:
        InputError: As ``resolve_settings``.
    """
    limits = vars(resolve_settings(config).nas.thresholds)
    given = (_read_file(Path(config)).get("nas") or {}).get("thresholds") or {}
    return {name: limits[name] for name in given}


def _read_file(path: Path) -> Tree:
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(
            f"config file {path} cannot be read ({reason}); give a YAML file of options"
        ) from None
    except yaml.YAMLError as error:
        raise InputError(f"config file {path} is not YAML: {_one_line(error)}") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise InputError(f"config file {path} holds no sections; see train/defaults.yaml")
    return tree


def _one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{problem} (line {mark.line + 1})" if mark else str(problem)


def _overlay(tree: Tree, over: Tree, section: type, source: str, prefix: str = "") -> None:
    known = {one.name: one for one in fields(section)}
    for name, value in over.items():
        if name not in known:
            raise InputError(_unknown(f"{prefix}{name}", str(name), list(known), prefix, source))
        inner = section_of(known[name])
        if inner is None:
            tree[name] = value
        elif isinstance(value, dict):
            _overlay(tree[name], value, inner, source, f"{prefix}{name}.")
        elif value is not None:
            keys = ", ".join(one.name for one in fields(inner))
            raise InputError(f"{prefix}{name} in {source} is {value!r}; give it keys: {keys}")


def _unknown(key: str, name: str, siblings: list[str], prefix: str, source: str) -> str:
    """Suggest a key of the same section, else the same key of another section, else list."""
    everywhere = {one.rpartition(".")[2]: one for one, _ in all_options()}
    for candidates in ({one: f"{prefix}{one}" for one in siblings}, everywhere):
        near = difflib.get_close_matches(name, candidates, n=1)
        if near:
            return f"unknown key {key} in {source}; did you mean {candidates[near[0]]}?"
    return f"unknown key {key} in {source}; known here: {', '.join(siblings)}"


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
        except InputError as error:
            raise InputError(f"{called[key]} is {_shown(value)}; {error}") from None
    return section(**values)


def _shown(value: Any) -> str:
    return "null" if value is None else repr(value)


def _check_together(settings: Settings, called: Mapping[str, str]) -> None:
    """Check what no single option can."""
    if settings.training.widths is not None:
        try:
            expand_widths(settings.training.widths)
        except InputError as error:
            raise InputError(f"{called['training.widths']}: {error}") from None
    limits = settings.nas.thresholds
    for lower, higher in _ORDERED:
        low, high = getattr(limits, lower), getattr(limits, higher)
        if low >= high:
            raise InputError(
                f"nas.thresholds: {lower} is {low:g} and {higher} {high:g}; give both so that the "
                "first is less"
            )

"""Where a reading becomes worth a remark: the one table of thresholds, and a user's own.

The options of a training run iterate ``THRESHOLDS``; ``summary()`` and the advice ask by name.
"""

import math
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from nasmon.config_file import check_section, read_config, shown_value, unknown_key
from nasmon.errors import UsageError
from nasmon.values import checked, not_text, real

KEY = "nas.thresholds"
"""Where they stand in a user's YAML file."""


class Threshold(NamedTuple):
    """One threshold."""

    name: str
    default: float
    meaning: str
    least: float = 0.0  # a user's own is at least this
    most: float = 1.0  # and at most this


THRESHOLDS: tuple[Threshold, ...] = (
    Threshold("high_redundancy", 0.7, "above it a layer is wider than its data"),
    Threshold("moderate_redundancy", 0.5, "from here on there is some width to spare"),
    Threshold("low_redundancy", 0.3, "below it a layer's width is well used"),
    Threshold("high_correlation", 0.6, "above it channels repeat one another"),
    Threshold("low_correlation", 0.3, "below it channels are diverse"),
    Threshold(
        "poor_conditioning",
        1e6,
        "above it some directions carry next to nothing",
        least=1.0,
        most=math.inf,
    ),
    Threshold("near_duplicate", 0.98, "abs(R_ij) from which two channels are near copies"),
    Threshold(
        "steady_redundancy", 0.02, "a change over the run up to which the redundancy is stable"
    ),
    Threshold(
        "settled_rank", 0.1, "the share of C that rank_99 may still move by in settled readings"
    ),
    Threshold(
        "rows_per_channel", 10.0, "with fewer rows the spectrum is a weak estimate", most=math.inf
    ),
)

DEFAULT_THRESHOLDS: dict[str, float] = {one.name: one.default for one in THRESHOLDS}
"""By name; a user's ``thresholds`` override them one by one."""

_READERS = {one.name: not_text(real(one.least, one.most)) for one in THRESHOLDS}

_RISING = (
    ("moderate_redundancy", "high_redundancy"),
    ("low_redundancy", "moderate_redundancy"),
    ("low_correlation", "high_correlation"),
)


def merged_thresholds(thresholds: Mapping[str, float] | None) -> dict[str, float]:
    """The defaults with a user's own in their place.

    Raises:
        ValueError: no dictionary, a name that there is not, or a value that it cannot have.

    Example:
        >>> merged_thresholds({"high_redundancy": 0.8})["high_redundancy"]
        0.8
    """
    given = {} if thresholds is None else thresholds
    if not isinstance(given, Mapping):
        raise UsageError(
            f'thresholds is {given!r}; use a dictionary such as {{"high_redundancy": 0.8}}'
        )
    for name in given:
        if name not in DEFAULT_THRESHOLDS:
            known = ", ".join(DEFAULT_THRESHOLDS)
            raise UsageError(f"thresholds has {name!r}, which is none of: {known}")
    merged = {**DEFAULT_THRESHOLDS, **checked(_READERS, **given)}
    check_rising(merged, "thresholds")
    return merged


def thresholds_of(
    recorded: Mapping[str, float] | None, config: Path | None = None
) -> dict[str, float]:
    """All of ``DEFAULT_THRESHOLDS``, with those of a run and then of a file in their place.

    Args:
        recorded: that the run was monitored with; those that are none of ours are left out.
        config: a YAML file of options; its ``nas.thresholds`` win over all others.

    Raises:
        UsageError: the file cannot be read, or holds a threshold that it must not.

    Example:
        >>> thresholds_of({"high_redundancy": 0.8})["high_redundancy"]
        0.8
    """
    known = {n: value for n, value in (recorded or {}).items() if n in DEFAULT_THRESHOLDS}
    return {**DEFAULT_THRESHOLDS, **known, **(given_thresholds(config) if config else {})}


def given_thresholds(config: Path) -> dict[str, float]:
    """The thresholds that a YAML file sets, checked together with the defaults of the others.

    Raises:
        UsageError: the file cannot be read, or holds a threshold that it must not.
    """
    source, tree = str(config), read_config(config)
    _refuse_misspelt(tree, "", source)
    check_section("nas", tree.get("nas"), ["thresholds"], source)
    nas = tree.get("nas") or {}
    _refuse_misspelt(nas, "nas.", source)
    given = nas.get("thresholds")
    check_section(KEY, given, list(DEFAULT_THRESHOLDS), source)
    values = {str(name): _read(str(name), value, source) for name, value in (given or {}).items()}
    check_rising({**DEFAULT_THRESHOLDS, **values})
    return values


def check_rising(thresholds: Mapping[str, float], called: str = KEY) -> None:
    """Refuses a low threshold that is not below its high one.

    Args:
        thresholds: all of ``DEFAULT_THRESHOLDS``.
        called: what the user calls them.

    Raises:
        UsageError: there is one.
    """
    for lower, higher in _RISING:
        low, high = thresholds[lower], thresholds[higher]
        if low >= high:
            raise UsageError(
                f"{called}: {lower} is {low:g} and {higher} {high:g}; give both so that the first "
                "is less"
            )


def _refuse_misspelt(section: Mapping[str, object], prefix: str, source: str) -> None:
    """Refuses a key that was meant for the thresholds; the others are the training's to check."""
    for key in map(str, section):
        if key != "thresholds" and get_close_matches(key, ["thresholds"]):
            raise unknown_key(f"{prefix}{key}", {"thresholds": KEY}, {}, source)
    if not prefix and "thresholds" in section:
        raise UsageError(f"unknown key thresholds in {source}; did you mean {KEY}?")


def _read(name: str, value: object, source: str) -> float:
    limits = {one.name: (one.least, one.most) for one in THRESHOLDS}
    if name not in limits:
        raise unknown_key(f"{KEY}.{name}", {one: f"{KEY}.{one}" for one in limits}, {}, source)
    try:
        return real(*limits[name])(value)
    except UsageError as error:
        raise UsageError(f"{KEY}.{name} in {source} is {shown_value(value)}; {error}") from None

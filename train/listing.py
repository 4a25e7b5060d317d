"""What there is to train, on what, and with which options: ``python -m train --list``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import reduce
from typing import Any

from nasmon.terminal import line_width
from nasmon.text_table import aligned
from nasmon.train.config import resolve_settings
from nasmon.train.models import MODELS
from nasmon.train.options import Settings, all_options

_INDENT = "  "


def listing() -> str:
    """Models, data and options with their defaults, as lines of text."""
    settings = resolve_settings()
    blocks = {
        "models (--model)": _models(settings),
        "data": _data(settings),
        "options and their defaults": _flags(settings),
        "in a YAML file only (--config)": _keys(settings),
    }
    return "\n\n".join(
        "\n".join([f"{heading}:", *(f"{_INDENT}{line}" for line in lines)])
        for heading, lines in blocks.items()
    )


def _models(settings: Settings) -> list[str]:
    rows = []
    for name, spec in MODELS.items():
        height, width, channels = spec.input_shape
        note = "(default)" if name == settings.training.model else ""
        widths = f"widths {' '.join(map(str, spec.widths))}"
        rows.append([name, widths, f"images of {height} x {width} x {channels}", note])
    return aligned(rows, texts=(0, 1, 2, 3))


def _data(settings: Settings) -> list[str]:
    terrain = settings.terrain
    scenes = f"{terrain.train_images} scenes to train on and {terrain.val_images} to validate on"
    rows = [
        ["the embedded terrain", f"{scenes}, composed from photographs (default)"],
        ["--data-dir DIR", "your images, as DIR/{train,val}/{img,mask}/"],
    ]
    return _hanging(rows)


def _flags(settings: Settings) -> list[str]:
    return _hanging(
        [
            [option.flag, _shown_default(_value(settings, key)), option.help]
            for key, option in all_options()
            if option.flag
        ]
    )


def _keys(settings: Settings) -> list[str]:
    keys = [
        f"{key} = {_shown_default(_value(settings, key))}"
        for key, option in all_options()
        if not option.flag
    ]
    return textwrap.wrap(
        ", ".join(keys), line_width() - len(_INDENT), break_long_words=False, break_on_hyphens=False
    )


def _hanging(rows: list[list[str]]) -> list[str]:
    """Aligned columns of words, the last of them on as many lines as it needs."""
    return [line for row in rows for line in _wrapped_row(row, _widths(rows))]


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in [*zip(*rows, strict=True)][:-1]]


def _wrapped_row(row: list[str], widths: list[int]) -> Iterator[str]:
    head = "".join(f"{cell.ljust(width)}  " for cell, width in zip(row[:-1], widths, strict=True))
    room = max(line_width() - len(_INDENT) - len(head), 20)
    for number, line in enumerate(textwrap.wrap(row[-1], room, break_on_hyphens=False)):
        yield f"{head if number == 0 else ' ' * len(head)}{line}".rstrip()


def _value(settings: Settings, key: str) -> Any:
    return reduce(getattr, key.split("."), settings)


def _shown_default(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)

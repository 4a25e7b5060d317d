"""How to train the same model with other widths, as a command that can be pasted."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from nasmon.train.config import resolve_settings
from nasmon.train.models import BLOCK_NAMES
from nasmon.train.options import Settings, all_options

if TYPE_CHECKING:
    from nasmon import Rebuild

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

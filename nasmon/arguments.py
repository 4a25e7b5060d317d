"""What the arguments of the callback and of Monitor may be: one table, checked before training."""

from collections.abc import Mapping

import keras

from nasmon.budget import OverheadBudget
from nasmon.errors import UsageError
from nasmon.schedule import LOG_FREQUENCIES
from nasmon.sinks.csv_tables import IF_EXISTS
from nasmon.sinks.opening import ERROR_POLICIES
from nasmon.sinks.run_record import Origin
from nasmon.sinks.sink import sinks_given
from nasmon.values import (
    Reader,
    either,
    instance_of,
    layer_selectors,
    not_text,
    one_of,
    optional,
    path,
    real,
    switch,
    whole,
)

_count = not_text(whole(1))
_share = not_text(real(0, above=True))


def _switch(value: object) -> bool:
    """As Keras's: a switch, or 0 or 1."""
    if not isinstance(value, bool) and value not in (0, 1):
        raise UsageError("use 0 or 1")
    return bool(value)


def _budget(value: object) -> object:
    return value if isinstance(value, OverheadBudget) else optional(_share, "None")(value)


def _origin(value: object) -> object:
    origin = instance_of(Origin, "use nasmon.Origin(seed=..., command=...)")(value)
    if not isinstance(origin.choices, Mapping):
        raise UsageError('give its choices as a dictionary such as {"batch_size": 32}')
    return origin


ARGUMENTS: dict[str, Reader] = {
    "model": instance_of(keras.Model, "use a Keras model"),
    "log_dir": optional(path, "None"),
    "csv_path": either(optional(path, "None"), False),
    "log_freq": one_of(*LOG_FREQUENCIES),
    "batch_freq": _count,
    "layers": layer_selectors,
    "samples": _count,
    "chunk": optional(_count, "None"),
    "max_rows": optional(_count, "None"),
    "few_samples": switch,
    "overhead_budget": _budget,
    "width_evidence": switch,
    "on_error": one_of(*ERROR_POLICIES),
    "if_exists": one_of(*IF_EXISTS),
    "verbose": _switch,
    "sinks": sinks_given,
    "origin": _origin,
}
"""By name; ``thresholds`` has a table of its own, ``nasmon.thresholds.THRESHOLDS``."""

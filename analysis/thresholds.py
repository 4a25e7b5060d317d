"""Which thresholds hold: a config's, else the run's own, else the table's."""

from pathlib import Path

from nasmon.kernels.metric_table import DEFAULT_THRESHOLDS

from nasmon.errors import UsageError
from nasmon.record import Record


def thresholds_of(record: Record | None, config: Path | None = None) -> dict[str, float]:
    """All of ``DEFAULT_THRESHOLDS``, with those of the run and then of the config in their place.

    Args:
        record: of the run, which holds the thresholds it was monitored with.
        config: a YAML file of the training command; its ``nas.thresholds`` win over all others.

    Raises:
        UsageError: the config cannot be read, or holds a key or value that it must not.
    """
    recorded = record.thresholds if record else {}
    known = {name: value for name, value in recorded.items() if name in DEFAULT_THRESHOLDS}
    return {**DEFAULT_THRESHOLDS, **known, **(_configured(config) if config else {})}


def _configured(path: Path) -> dict[str, float]:
    # the training's own reader, so that a file means the same everywhere
    from nasmon.train.config import given_thresholds
    from nasmon.train.errors import InputError

    try:
        return given_thresholds(path)
    except InputError as error:
        raise UsageError(str(error)) from None

"""What recorded runs tell: advice on widths, pictures, comparisons and a report.

It reads files only: no model, no TensorFlow. The commands are ``python -m analysis.recommend``,
``analysis.plot``, ``analysis.compare`` and ``analysis.report``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasmon.analysis.newest import newest_run
    from nasmon.analysis.recommend.advice import advise
    from nasmon.analysis.run import Run, load_run
    from nasmon.thresholds import thresholds_of

__all__ = ["Run", "advise", "load_run", "newest_run", "thresholds_of"]

_HOMES = {
    "Run": "nasmon.analysis.run",
    "advise": "nasmon.analysis.recommend.advice",
    "load_run": "nasmon.analysis.run",
    "newest_run": "nasmon.analysis.newest",
    "thresholds_of": "nasmon.thresholds",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

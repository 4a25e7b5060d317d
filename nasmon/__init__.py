"""nasmon watches a Keras model while it trains and tells how much of each layer's width it uses.

Names are loaded when they are first used, so that importing the package starts no TensorFlow.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if not (Path(__file__).parent / "kernels").is_dir():
    # a clone: there kernels, train and analysis lie beside this package, installed or not
    __path__.append(str(Path(__file__).parent.parent))

if TYPE_CHECKING:
    from nasmon.callback import NASMonitorCallback
    from nasmon.litert.run import to_int8
    from nasmon.monitor import Monitor
    from nasmon.narrowing.narrower import narrow
    from nasmon.narrowing.plan import WidthPlan
    from nasmon.narrowing.planner import plan_widths
    from nasmon.narrowing.search import Search
    from nasmon.narrowing.shrinking import Shrunk, shrink
    from nasmon.plotting import plot
    from nasmon.reading import LayerInfo, Reading
    from nasmon.record.run import Rebuild
    from nasmon.sinks.run_record import Origin, Watched
    from nasmon.sinks.sink import Sink
    from nasmon.taps import list_layers
    from nasmon.widths.layer_rules import declare_per_channel

    __version__: str

__all__ = [
    "LayerInfo",
    "Monitor",
    "NASMonitorCallback",
    "Origin",
    "Reading",
    "Rebuild",
    "Search",
    "Shrunk",
    "Sink",
    "Watched",
    "WidthPlan",
    "declare_per_channel",
    "list_layers",
    "narrow",
    "plan_widths",
    "plot",
    "shrink",
    "to_int8",
]

_HOMES = {
    "LayerInfo": "nasmon.reading",
    "Monitor": "nasmon.monitor",
    "NASMonitorCallback": "nasmon.callback",
    "Origin": "nasmon.sinks.run_record",
    "Reading": "nasmon.reading",
    "Rebuild": "nasmon.record.run",
    "Search": "nasmon.narrowing.search",
    "Shrunk": "nasmon.narrowing.shrinking",
    "Sink": "nasmon.sinks.sink",
    "Watched": "nasmon.sinks.run_record",
    "WidthPlan": "nasmon.narrowing.plan",
    "declare_per_channel": "nasmon.widths.layer_rules",
    "list_layers": "nasmon.taps",
    "narrow": "nasmon.narrowing.narrower",
    "plan_widths": "nasmon.narrowing.planner",
    "plot": "nasmon.plotting",
    "shrink": "nasmon.narrowing.shrinking",
    "to_int8": "nasmon.litert.run",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("nasmon")
    except PackageNotFoundError:
        # used from a folder that was never installed
        return "unknown"


def __dir__() -> list[str]:
    return __all__

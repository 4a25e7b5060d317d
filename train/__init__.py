"""Training of the segmentation models, with or without the spectral monitor.

``from train import train`` gives the function; ``python -m train --help`` the command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasmon.train.outputs import TrainingRun
    from nasmon.train.run import train

__all__ = ["TrainingRun", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from nasmon.train import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

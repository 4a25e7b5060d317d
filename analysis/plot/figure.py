"""A picture as a matplotlib figure, for notebooks and for those who go on drawing."""

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nasmon.analysis.newest import run_of
from nasmon.analysis.plot.kinds import Options
from nasmon.analysis.plot.picture import file_content, styled_figure
from nasmon.analysis.run_in_memory import Holder, run_in_memory
from nasmon.thresholds import merged_thresholds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PIXELS = 96  # of a page's inch


def figure_of(
    source: str | os.PathLike[str] | Holder | None,
    kind: str,
    metric: str,
    layers: Sequence[str],
    thresholds: Mapping[str, float] | None,
) -> "Figure":
    """As ``nasmon.plot``; a callback is given as the monitor that it has."""
    if source is None or isinstance(source, str | os.PathLike):
        run = run_of(None if source is None else str(Path(source)))
        limits = run.thresholds()
    else:
        run, limits = run_in_memory(source), dict(source.thresholds)
    options = Options(metric=metric, layers=tuple(layers))
    limits = merged_thresholds({**limits, **(thresholds or {})})
    with styled_figure(kind, run, limits, options) as figure:
        # a notebook shows a figure without pyplot by what it finds on it
        vars(figure)["_repr_png_"] = partial(_shown, figure, kind)
    for note in run.notes:
        warnings.warn(f"nasmon: {note}", RuntimeWarning, stacklevel=3)
    return figure


def _shown(figure: "Figure", salt: str) -> tuple[bytes, dict[str, int]]:
    """What a notebook shows of a figure: sharp, and as large as on paper."""
    width, height = (round(_PIXELS * inches) for inches in figure.get_size_inches())
    return file_content(figure, "png", salt), {"width": width, "height": height}

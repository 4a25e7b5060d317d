"""Drawing a run: the one place where a figure becomes a file's bytes, or an element of a page."""

import io
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasmon.analysis.figures.kinds import FILE_TYPES, KINDS, Options, missing
from nasmon.analysis.figures.labels import printable
from nasmon.analysis.figures.page_svg import page_svg
from nasmon.analysis.figures.words import alternative_text
from nasmon.analysis.run import Run
from nasmon.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_UNDATED = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
_MOST_PIXELS = 60_000  # of a side; Agg draws less than 2 ** 16


def svg(kind: str, run: Run, thresholds: Mapping[str, float], **options: Any) -> str:
    """A picture as an <svg> element for a page.

    Args:
        kind: one of KINDS.
        run: what to draw.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
        **options: the fields of ``Options``.

    Returns:
        An element with role="img", a title and a description. Its ids begin with the kind (and for
        "layers" the metric), so that pictures of several kinds may stand in one page.

    Raises:
        UsageError: there is no such kind, or what it needs was not recorded or is damaged.
    """
    chosen = Options(**options)
    text = _bytes(kind, run, thresholds, chosen, "svg").decode()
    title = f"{KINDS[kind].shows[:1].upper()}{KINDS[kind].shows[1:]}: {printable(run.name)}"
    return page_svg(text, _prefix(kind, chosen), title, alternative_text(kind, run, **options))


def render(
    kind: str, run: Run, thresholds: Mapping[str, float], file_type: str, **options: Any
) -> bytes:
    """A picture as a file's content; the same run gives the same bytes.

    Args:
        kind: as for ``svg``.
        run: what to draw.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
        file_type: one of FILE_TYPES.
        **options: the fields of ``Options``.

    Raises:
        UsageError: as ``svg``.
    """
    if file_type not in FILE_TYPES:
        raise UsageError(f"file type is {file_type!r}; use one of {', '.join(FILE_TYPES)}")
    if file_type == "svg":
        element = svg(kind, run, thresholds, **options)
        return f'<?xml version="1.0" encoding="utf-8"?>\n{element}\n'.encode()
    return _bytes(kind, run, thresholds, Options(**options), file_type)


def _bytes(
    kind: str, run: Run, thresholds: Mapping[str, float], options: Options, file_type: str
) -> bytes:
    reason = missing(kind, run, options)
    if reason:
        raise UsageError(reason)
    from nasmon.analysis.figures.style import publication

    with publication(_prefix(kind, options)), warnings.catch_warnings():
        # a name may hold letters that no font has; a box stands for them
        warnings.filterwarnings("ignore", r"Glyph .* missing from")
        figure = draw(kind, run, thresholds, options)
        file = io.BytesIO()
        dpi = min(200.0, _MOST_PIXELS / max(figure.get_size_inches()))
        figure.savefig(file, format=file_type, dpi=dpi, metadata=_UNDATED[file_type])
    return file.getvalue()


def draw(kind: str, run: Run, thresholds: Mapping[str, float], options: Options) -> "Figure":
    """The figure of a kind that is not ``missing``; within ``style.publication``."""
    from nasmon.analysis.figures import comparison, dashboard, layers, over_time, spectrum

    draw = {
        "redundancy": over_time.redundancy,
        "correlation": over_time.correlation,
        "dashboard": dashboard.dashboard,
        "comparison": comparison.comparison,
        "layers": layers.layers,
        "spectrum": spectrum.spectrum,
    }[kind]
    return draw(run, thresholds, options)


def _prefix(kind: str, options: Options) -> str:
    return f"{kind}-{options.metric}" if kind == "layers" else kind

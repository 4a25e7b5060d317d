"""Drawing a run: the one place where a figure becomes a file's bytes, or an element of a page."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from nasmon.analysis.plot.alternative_text import alternative_text
from nasmon.analysis.plot.kinds import FILE_TYPES, KINDS, Options, missing
from nasmon.analysis.run import Run
from nasmon.errors import UsageError
from nasmon.terminal import printable

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
    with styled_figure(kind, run, thresholds, options) as figure:
        return file_content(figure, file_type, _prefix(kind, options))


@contextmanager
def styled_figure(
    kind: str, run: Run, thresholds: Mapping[str, float], options: Options
) -> Iterator["Figure"]:
    """A figure, in the style that all pictures have.

    Args:
        kind: as for ``svg``.
        run: what to draw.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
        options: what else is chosen.

    Raises:
        UsageError: as ``svg``.
    """
    reason = missing(kind, run, options)
    if reason:
        raise UsageError(reason)
    with _style(_prefix(kind, options)):
        yield draw(kind, run, thresholds, options)


def file_content(figure: "Figure", file_type: str, salt: str) -> bytes:
    """A figure as a file's content.

    Args:
        figure: from ``styled_figure``.
        file_type: one of FILE_TYPES.
        salt: as of ``style.publication``.
    """
    with _style(salt):
        file = io.BytesIO()
        dpi = min(200.0, _MOST_PIXELS / max(figure.get_size_inches()))
        figure.savefig(file, format=file_type, dpi=dpi, metadata=_UNDATED[file_type])
    return file.getvalue()


@contextmanager
def _style(salt: str) -> Iterator[None]:
    from nasmon.analysis.plot.style import publication

    with publication(salt), warnings.catch_warnings():
        # a name may hold letters that no font has; a box stands for them
        warnings.filterwarnings("ignore", r"Glyph .* missing from")
        yield


def draw(kind: str, run: Run, thresholds: Mapping[str, float], options: Options) -> "Figure":
    """The figure of a kind that is not ``missing``; within ``style.publication``."""
    from nasmon.analysis.plot import front, layers, over_time, side_by_side, spectrum, widths

    draw = {
        "redundancy": over_time.redundancy,
        "correlation": over_time.correlation,
        "dashboard": over_time.dashboard,
        "comparison": side_by_side.comparison,
        "layers": layers.layers,
        "spectrum": spectrum.spectrum,
        "widths": widths.curves,
        "front": front.front,
    }[kind]
    return draw(run, thresholds, options)


def _prefix(kind: str, options: Options) -> str:
    return f"{kind}-{options.metric}" if kind == "layers" else kind


_ROOT = re.compile(r"<svg\b[^>]*>")
_SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')

_UNWANTED = re.compile(
    r"<metadata>.*?</metadata>\s*|<defs>\s*<style\b.*?</style>\s*</defs>\s*", re.DOTALL
)

# text between tags holds a user's names: only tags may change (matplotlib escapes > inside both)
_TAG = re.compile(r"<[^<>]+>")
_REFERENCE = re.compile(r'(?:url\(|href=")#([^")]+)')
_ID = re.compile(r' id="([^"]*)"')
_FONT = re.compile(r"font-family: ([^;]*sans-serif); ")
_UPRIGHT = re.compile(r' transform="rotate\(-0 [^"]*"')
_PLACE = re.compile(r'(?<= d=")[^"]+|(?<= x=")[^"]+|(?<= y=")[^"]+')
_FRACTION = re.compile(r"(\.\d\d)\d+")


def page_svg(file: str, prefix: str, title: str, description: str) -> str:
    """An <svg> element that names itself, with ids of its own.

    Args:
        file: an SVG file as matplotlib writes it.
        prefix: of all ids, another one for each picture of a page.
        title: what a screen reader says first; any text.
        description: what is seen, in words; any text.

    Returns:
        The element, well-formed as XML and as HTML.
    """
    root = _ROOT.search(file)
    size = root and _SIZE.search(root[0])
    if not root or not size:
        raise AssertionError("matplotlib wrote no <svg> element with a size")
    body = _UNWANTED.sub("", file[root.end() :])
    font = _FONT.search(body)
    used = set(_REFERENCE.findall(body))
    inside = re.sub(r"\n\s+", "\n", _TAG.sub(lambda tag: _lean(tag[0], prefix, used), body)).strip()
    width, height = (f"{float(number):g}" for number in size.groups())
    # matplotlib's own style sheet says this of all elements, of the whole page too
    style = "stroke-linejoin: round; stroke-linecap: butt; max-width: 100%; height: auto"
    family = f"; font-family: {font[1]}" if font else ""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" '
        f'aria-labelledby="{prefix}-title {prefix}-description" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" style="{style}{family}">\n'
        f'<title id="{prefix}-title">{escape(title)}</title>\n'
        f'<desc id="{prefix}-description">{escape(description)}</desc>\n{inside}'
    )


def _lean(tag: str, prefix: str, used: set[str]) -> str:
    """A tag without what is not needed, and its ids with a prefix."""
    tag = _ID.sub(lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", tag)
    tag = tag.replace("url(#", f"url(#{prefix}-").replace('xlink:href="#', f'href="#{prefix}-')
    tag = tag.replace("xlink:href=", "href=")
    tag = _UPRIGHT.sub("", _FONT.sub("", tag))
    # a hundredth of a point is finer than any screen
    return _PLACE.sub(lambda place: _FRACTION.sub(r"\1", place[0]), tag)

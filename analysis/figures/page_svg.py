"""From matplotlib's SVG file to an element that several of may stand in one page."""

import re
from xml.sax.saxutils import escape

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

"""Pictures of a run. Importing this package does not load matplotlib; drawing does.

``KINDS`` is the table of what can be drawn; ``svg`` is a picture for a page, ``render`` one for a
file, ``alternative_text`` says in words what is seen, and ``missing`` why it cannot be drawn.
"""

from nasmon.analysis.figures.kinds import FILE_TYPES, KINDS, Kind, Options, missing
from nasmon.analysis.figures.picture import render, svg
from nasmon.analysis.figures.words import alternative_text

__all__ = [
    "FILE_TYPES",
    "KINDS",
    "Kind",
    "Options",
    "alternative_text",
    "missing",
    "render",
    "svg",
]

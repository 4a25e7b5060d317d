"""The table of what can be drawn, and what a run must have recorded for it."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from nasmon.analysis.run import Run
from nasmon.errors import UsageError

FILE_TYPES = ("png", "svg", "pdf")
"""The endings that a picture's file may have."""

MOST_RUNS = 8
"""As many runs as one comparison can tell apart."""


class Kind(NamedTuple):
    """A type of picture."""

    name: str  # as in --plot-type
    shows: str  # what is seen, in a few words
    # the run's CSV alone, or what besides
    needs: Literal["run", "layers", "spectra", "widths", "runs"]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("redundancy", "redundancy over time", "run"),
        Kind("correlation", "correlation over time, with its spread", "run"),
        Kind("dashboard", "both, their histograms, and summary statistics", "run"),
        Kind("comparison", "two or more runs side by side", "runs"),
        Kind("layers", "one metric of every layer over time, as a heat map", "layers"),
        Kind("spectrum", "every layer's eigenvalues and cumulative variance", "spectra"),
        Kind("widths", "what is lost of each width with fewer channels", "widths"),
        Kind("front", "what smaller models lose, and how those that were made do", "widths"),
    )
}


class Options(NamedTuple):
    """What else a caller may choose.

    Attributes:
        metric: drawn by "layers": one of METRIC_NAMES.
        layers: patterns such as "encoder/*"; "layers", "spectrum" and "widths" draw only those that
            match. Empty for all.
        widths: advised, by layer that owns one; marked by "widths" and "front". Empty for those
            that lose nothing.
        others: drawn by "comparison" beside the run.
    """

    metric: str = "saturation"
    layers: tuple[str, ...] = ()
    others: tuple[Run, ...] = ()
    widths: Mapping[str, int] = {}


def missing(kind: str, run: Run, options: Options | None = None) -> str | None:
    """Why a run cannot be drawn this way, with the remedy; None if it can.

    Raises:
        UsageError: there is no such kind, or the run's spectra are damaged.
    """
    others = options.others if options else ()
    needs = kind_called(kind).needs
    absence = run.absent(needs) if needs in ("layers", "spectra", "widths") else None
    if absence:
        return absence.sentence
    if needs == "runs" and not others:
        return "a comparison needs at least two runs; pass --compare PATH PATH"
    if needs == "runs" and len(others) >= MOST_RUNS:
        return f"a comparison shows at most {MOST_RUNS} runs, not {1 + len(others)}; leave some out"
    return None


def kind_called(name: str) -> Kind:
    """The kind of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in KINDS:
        raise UsageError(f"plot type is {name!r}; use one of {', '.join(KINDS)}")
    return KINDS[name]


def chosen_layers(names: Sequence[str], patterns: Sequence[str]) -> list[int]:
    """The positions of the layers that match any pattern; of all without patterns.

    Raises:
        UsageError: a pattern matches none.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            raise UsageError(f"no layer matches {pattern!r}; the layers are {known}")
    return [
        position
        for position, name in enumerate(names)
        if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
    ]

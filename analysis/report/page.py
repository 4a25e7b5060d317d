"""The report as one HTML page that needs nothing else: no network, no other file.

Names of models and layers are any text: Jinja2 escapes all of it. Only the pictures are markup, and
those who draw them escape what they write. No script runs but the page's own, which the policy
names by its hash.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nasmon.analysis.compare.comparison import COMPARISON_CAVEAT, Comparison, compare
from nasmon.analysis.compare.text import changes_of, comparison_table, reason_of, verdict_of
from nasmon.analysis.exported import exported_of
from nasmon.analysis.layout import SIGNS
from nasmon.analysis.plot.kinds import KINDS, Options, missing
from nasmon.analysis.plot.picture import svg
from nasmon.analysis.recommend.advice import Recommendations
from nasmon.analysis.recommend.findings import Decision, Finding
from nasmon.analysis.recommend.text import caveat_of, next_commands, together
from nasmon.analysis.report.int8 import INT8, int8_of
from nasmon.analysis.report.origin import GROUPS, SIZES, origin_of
from nasmon.analysis.report.tables import TABLE_HEADINGS, banner, facts, layer_rows, subtitle
from nasmon.analysis.run import Run
from nasmon.analysis.shrunk import origins_of
from nasmon.terminal import printable

MARKER = '<meta name="generator" content="nasmon">'
"""What a page of ours has near its beginning."""

PICTURES = ("redundancy", "correlation", "layers", "spectrum")

OF_WIDTHS = ("front", "widths")
"""Pictures of a run that tells what fewer channels would lose."""

STATUS_NAMES = {"warning": "Warning", "info": "Note", "good": "Good", "unknown": "Unknown"}
"""What a status sign is called, by ``findings.Status``."""

_SENTENCES: dict[Decision, str] = {
    "reduce": "Reduce the architecture.",
    "optimal": "The architecture is optimal: keep it.",
    "regularize": "Add regularization.",
    "tweak": "Minor tweaks will do.",
    "undecided": "Undecided: what the decision needs is not defined.",
}

_TEXT_SIGN = "\N{VARIATION SELECTOR-15}"  # a sign in the colour of its words, not as a picture

_CAPTIONS = {
    "redundancy": (
        "Redundancy.",
        "The share of all variance that one direction holds; high values mean wasted width.",
    ),
    "correlation": (
        "Correlation.",
        "How alike two channels are on average; high values mean features learned twice.",
    ),
    "layers": (
        "Saturation by layer.",
        "The used share of each layer's width, reading by reading; low values mean that the layer "
        "can be narrowed.",
    ),
    "spectrum": (
        "Spectrum by layer.",
        "Each layer's eigenvalues at the first and at the latest reading, and how many channels "
        "hold 99 % of the variance.",
    ),
    "front": (
        "The front.",
        "What uniform widths of each size give up of what the next layers see, and how the models "
        "that were made of this one do.",
    ),
    "widths": (
        "Widths.",
        "What the next layers would lose of what they make of each width with fewer channels, "
        "before fine-tuning; the dotted line is the advised width.",
    ),
    "comparison": ("Runs side by side.", "This run and those it is held against."),
    "shrinking": (
        "Smaller models.",
        "What uniform widths of each size give up of what the next layers see, and how the models "
        "that were made do their task.",
    ),
}


class PagePicture(NamedTuple):
    """A picture of the page."""

    title: str
    caption: str
    width: str  # in points
    svg: Markup


def page(found: Recommendations, earlier: Sequence[Run] = ()) -> str:
    """The page.

    Args:
        found: all about the run.
        earlier: runs to hold it against, the first of which is the baseline.

    Raises:
        UsageError: a file of a run is damaged, or the runs cannot be compared.
    """
    environment = _environment()
    comparison = compare([*earlier, found.run], found.thresholds) if earlier else None
    origins, exported = origins_of(found.run), exported_of(found.run)
    pictures, undrawn = _pictures(found, earlier)
    if origins is not None:
        # it loads matplotlib
        from nasmon.analysis.plot.shrinking import shrinking_svg

        element = shrinking_svg(origins)
        pictures.insert(0, PagePicture(*_CAPTIONS["shrinking"], _width(element), Markup(element)))
    compared_notes = [note for each in comparison.runs for note in each.notes] if comparison else []
    context = {
        "policy": _policy(environment),
        "name": printable(found.run.name),
        "source": printable(str(found.run.path)),
        "subtitle": subtitle(found.run),
        "banner": banner(found.run),
        "version": _version(),
        "signs": {status: _as_text(sign) for status, sign in SIGNS.items()},
        "words": STATUS_NAMES,
        "decision": _decision(found),
        "findings": [_finding(finding) for finding in found.verdict.findings],
        "change": _change(found),
        "caveat": f"{found.advice.basis} {caveat_of(found.advice)}",
        "headings": TABLE_HEADINGS,
        "layers": layer_rows(found.advice),
        "layers_missing": [printable(note) for note in found.advice.notes],
        "origin": origins and origin_of(origins),
        "origin_sizes": SIZES,
        "origin_groups": GROUPS,
        "int8": exported and int8_of(exported),
        "int8_headings": INT8,
        "comparison": comparison and _comparison(comparison),
        "pictures": pictures,
        "facts": facts(found),
        "notes": _unique([*found.notes, *found.run.notes, *undrawn, *compared_notes]),
    }
    return environment.get_template("report.html.j2").render(sections=_sections(context), **context)


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _policy(environment: Environment) -> str:
    """What the page may load and run: its own script, styles, and pictures inside it."""
    script = environment.get_template("sort.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _sections(context: Mapping[str, Any]) -> list[dict[str, str]]:
    """Titles and ids of the sections that the page has, in their order."""
    titles = {
        "verdict": "Verdict",
        "origin": "What it was made from",
        "int8": "As 8-bit integers",
        "change": "What to change",
        "layers": "Layer by layer",
        "comparison": "Comparison",
        "pictures": "Pictures",
        "run": "The run",
        "notes": "Notes",
    }
    absent = {name for name in ("origin", "int8", "comparison", "notes") if not context[name]}
    return [{"id": name, "title": title} for name, title in titles.items() if name not in absent]


def _decision(found: Recommendations) -> dict[str, str]:
    verdict = found.verdict
    sentence = _SENTENCES[verdict.decision]
    return {"status": verdict.findings[-1].status, "sentence": sentence, "rule": verdict.rule}


def _finding(finding: Finding) -> dict[str, Any]:
    evidence = f" ({finding.evidence})" if finding.evidence else ""
    level = finding.level if finding.level.startswith("Redundancy ") else finding.level.lower()
    return {
        "status": finding.status,
        "title": finding.title.capitalize(),
        "text": f"{level}{evidence}",
        "lines": finding.lines,
    }


def _change(found: Recommendations) -> dict[str, Any]:
    widths = (f"{printable(name)} {width}" for name, width in found.advice.widths.items())
    known = bool(found.advice.layers)
    return {
        "together": together(found.advice) if known else "The widths of its layers are not known.",
        "commands": next_commands(found.advice),
        "widths": "" if found.advice.command else ", ".join(widths),
    }


def _comparison(comparison: Comparison) -> dict[str, Any]:
    return {
        "baseline": printable(comparison.runs[0].name),
        "caveat": COMPARISON_CAVEAT,
        "table": comparison_table(comparison),
        "against": [
            {
                "name": printable(against.name),
                "status": "good" if against.judgement.accept else "warning",
                "verdict": f"{verdict_of(against).capitalize()}.",
                "reason": reason_of(against),
                "lines": [
                    *(line for _, line in changes_of(against)),
                    *(f"note: {printable(note)}" for note in against.notes),
                ],
            }
            for against in comparison.against
        ],
    }


def _pictures(
    found: Recommendations, earlier: Sequence[Run]
) -> tuple[list[PagePicture], list[str]]:
    """The pictures that the run's files allow, and why others are not there."""
    run, drawn, undrawn = found.run, [], []
    options: dict[str, dict[str, Any]] = {kind: {} for kind in PICTURES}
    if run.width_evidence is not None:
        options |= {kind: {"widths": found.advice.widths} for kind in OF_WIDTHS}
    if earlier:
        options["comparison"] = {"others": tuple(earlier)}
    for kind, chosen in options.items():
        reason = missing(kind, run, Options(**chosen))
        if reason:
            undrawn.append(f"The picture of {KINDS[kind].shows} is missing: {reason}")
            continue
        element = svg(kind, run, found.thresholds, **chosen)
        drawn.append(PagePicture(*_CAPTIONS[kind], _width(element), Markup(element)))
    return drawn, undrawn


def _width(svg: str) -> str:
    root = svg[: svg.index(">")]
    found = re.search(r' width="([0-9.]+)', root)
    return found[1] if found else "480"


def _as_text(sign: str) -> str:
    return sign.strip().replace("\N{VARIATION SELECTOR-16}", "") + _TEXT_SIGN


def _unique(notes: Sequence[str]) -> list[str]:
    return [printable(note) for note in dict.fromkeys(notes)]


def _version() -> str:
    try:
        return version("nasmon")
    except PackageNotFoundError:  # used from a folder, without having been installed
        return ""

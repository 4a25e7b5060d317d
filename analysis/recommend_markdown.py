"""The advice as Markdown, for a page, an issue or a pull request."""

import re
from collections.abc import Mapping, Sequence

from nasmon.analysis.command_line import SIGNS, WORDS
from nasmon.analysis.findings import Advice, Finding, Verdict
from nasmon.analysis.recommend_text import (
    CAVEAT,
    HEADINGS,
    cells,
    details,
    shown,
    summed_up,
    together,
)

# an underscore inside a word, as in most names of layers, means nothing in Markdown
_SPECIAL = re.compile(r"[\\`*\[\]<>|#~!$&{}]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def recommendations_markdown(
    name: str, verdict: Verdict, advice: Advice, plain: bool = False
) -> str:
    """The whole page.

    Args:
        name: of the model.
        verdict: of the run.
        advice: by layer.
        plain: whether to write words in place of the status signs.
    """
    signs = WORDS if plain else SIGNS
    lines = [f"# NAS analysis recommendations for {escaped(name.upper())}", ""]
    for number, finding in enumerate(verdict.findings, start=1):
        lines += [f"## {number}. {finding.title.capitalize()}", "", *_found(finding, signs), ""]
    lines += ["## By layer", "", *_by_layer(advice), "", f"> {CAVEAT}"]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """A text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", shown(text))


def _found(finding: Finding, signs: Mapping[str, str]) -> list[str]:
    evidence = f" ({finding.evidence})" if finding.evidence else ""
    sign = escaped(signs[finding.status].strip())
    lines = [f"{sign} **{finding.level}**{evidence}", ""]
    return lines + [f"- {escaped(line)}" for line in finding.lines]


def _by_layer(advice: Advice) -> list[str]:
    if not advice.layers:
        return ["Not known:", "", *(f"- {escaped(note)}" for note in advice.notes)]
    lines = [_row(HEADINGS), _row([":--", *["--:"] * (len(HEADINGS) - 2), ":--"])]
    lines += [_row([escaped(cell) for cell in cells(layer)]) for layer in advice.layers]
    lines += ["", "\\- is not defined, or too early to tell; channels count from 0.", ""]
    for names, told in details(advice):
        lines += [f"- {', '.join(f'**{escaped(name)}**' for name in names)}"]
        lines += [f"  - {escaped(line)}" for line in told]
    lines += [f"- {line}" for line in summed_up(advice)]
    lines += ["", escaped(together(advice))]
    if advice.command:
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", advice.command)), default=0))
        lines += ["To train the narrower model beside this one:"]
        lines += ["", f"{fence}sh", advice.command, fence]
    return lines


def _row(row: Sequence[str]) -> str:
    return f"| {' | '.join(row)} |"

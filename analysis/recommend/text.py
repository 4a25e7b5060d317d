"""The advice as a text for a terminal, in the layout that its users know, or as Markdown."""

import re
from collections.abc import Mapping
from math import isnan

from nasmon.analysis.layout import (
    ARROW,
    PLAIN_ARROW,
    RULE,
    SIGN_WORDS,
    SIGNS,
    escaped,
    markdown_row,
    ruled,
    wrapped,
)
from nasmon.analysis.recommend.findings import Advice, Finding, LayerAdvice, Verdict
from nasmon.analysis.words import short_count
from nasmon.terminal import printable
from nasmon.widths.objectives import OBJECTIVES

PLANNED_CAVEAT = (
    "What is lost is measured over a few samples before any fine-tuning: it says which channels "
    "can go, not how well the smaller model will do. Only training settles that."
)

ADVICE_CAVEAT = (
    "This is a reading of the variance, not a measurement of the loss: what varies little may "
    "still matter. Narrow, train again, compare, and keep what holds."
)

ADVICE_HEADINGS = (
    *("layer", "channels", "redun.", "corr.", "eff.rank", "rank_99", "dead", "settled"),
    "what to do",
)

SHRINK = "To make smaller models of the trained one, with its weights, and see how they do:"

SHRINK_AS_ADVISED = "To make this model of the trained one, with its weights, and see how it does:"

RETRAIN = "To train the narrower model beside this one, from scratch:"

_ORDER = ("narrow", "undefined", "wait", "weak", "limited", "keep", "fixed")

_FINE = {
    "keep": "the width is used",
    "fixed": "the width is that of another layer, the input or the output",
}


def recommendations_text(name: str, verdict: Verdict, advice: Advice, plain: bool = False) -> str:
    """The whole text.

    Args:
        name: of the model.
        verdict: of the run.
        advice: by layer.
        plain: whether to write words in place of the status signs.
    """
    signs, arrow = (SIGN_WORDS, PLAIN_ARROW) if plain else (SIGNS, ARROW)
    lines = [RULE, printable(f"NAS ANALYSIS RECOMMENDATIONS FOR {name.upper()}"), RULE, ""]
    for number, finding in enumerate(verdict.findings, start=1):
        lines += [f"{number}. {finding.title}:", f"   {signs[finding.status]} {_found(finding)}"]
        lines += [f"   {arrow} {line}" for line in finding.lines]
        lines += [""]
    lines += ["BY LAYER:", *_by_layer(advice, signs["info"], arrow), ""]
    if advice.layers:
        lines += [*_together(advice), ""]
    lines += [*wrapped(f"{advice.basis} {caveat_of(advice)}", "   "), "", RULE]
    return "\n".join(lines)


def caveat_of(advice: Advice) -> str:
    """What the advice is not."""
    return ADVICE_CAVEAT if advice.plan is None else PLANNED_CAVEAT


def cells(layer: LayerAdvice) -> list[str]:
    """A layer's row of the table, in the order of ``ADVICE_HEADINGS``."""
    settled = {True: "yes", False: "no", None: "-"}[layer.settled]
    numbers = (
        (layer.redundancy, ".2f"),
        (layer.correlation, ".2f"),
        (layer.effective_rank, ".1f"),
        (layer.rank_99, ".0f"),
        (layer.dead, ".0f"),
    )
    written = ["-" if isnan(value) else format(value, form) for value, form in numbers]
    return [printable(layer.layer), str(layer.channels), *written, settled, layer.todo]


def details(advice: Advice) -> list[tuple[list[str], tuple[str, ...]]]:
    """Layers where something is to be done or known, and their lines; those with the same at once.

    The layers to narrow come first.
    """
    told = [one for one in advice.layers if not _is_fine(one)]
    told.sort(key=lambda one: _ORDER.index(one.action))
    by_lines: dict[tuple[str, ...], list[str]] = {}
    for layer in told:
        by_lines.setdefault(layer.lines, []).append(printable(layer.layer))
    return [(names, tuple(printable(line) for line in lines)) for lines, names in by_lines.items()]


def summed_up(advice: Advice) -> list[str]:
    """How many layers there is nothing to say about."""
    lines = []
    for action, what in _FINE.items():
        count = sum(_is_fine(layer) and layer.action == action for layer in advice.layers)
        if count:
            lines.append(f"{count} layer{'s' if count > 1 else ''}: {action} ({what})")
    return lines


def together(advice: Advice) -> str:
    """What all changes save."""
    if not advice.widths and advice.plan is not None:
        return "No channel is spare; for a smaller model give a budget, such as --params 0.5."
    if not advice.widths:
        waiting = sum(layer.action == "wait" for layer in advice.layers)
        settle = f"; {waiting} {'has' if waiting == 1 else 'have'} not settled" if waiting else ""
        return f"No layer is to be narrowed{settle}."
    found = []
    for one, less, whole in zip(OBJECTIVES, advice.saving, advice.size, strict=True):
        if less is not None and whole:
            share = f"{100 * less / whole:.1f} % less"
            if one.name == "ram" and advice.plan is not None and advice.plan.busiest:
                share += f", most at {printable(advice.plan.busiest)}"
            found.append(
                f"{short_count(whole)} -> {short_count(whole - less)} {one.unit} ({share})"
            )
    return f"All changes together: {', '.join(found) or 'what they save is not known'}."


def _is_fine(layer: LayerAdvice) -> bool:
    remarkable = layer.duplicates or layer.dead > 0 or isnan(layer.rank_99)
    return layer.action in _FINE and not remarkable


def _found(finding: Finding) -> str:
    return f"{finding.level} ({finding.evidence})" if finding.evidence else finding.level


def _by_layer(advice: Advice, sign: str, arrow: str) -> list[str]:
    if not advice.layers:
        missing = (f"   {arrow} {printable(note)}" for note in advice.notes)
        return [f"   {sign} NOT KNOWN", *missing]
    lines = ["", *ruled(ADVICE_HEADINGS, [cells(layer) for layer in advice.layers])]
    lines += ["(- is not defined, or too early to tell; channels count from 0)", ""]
    for names, told in details(advice):
        lines += wrapped(f"{', '.join(names)}:", "   ", "   ")
        for line in told:
            lines += wrapped(line, f"   {arrow} ", "     ")
        lines += [""]
    lines += [f"   {line}" for line in summed_up(advice)]
    return lines if lines[-1] else lines[:-1]


def _together(advice: Advice) -> list[str]:
    lines = wrapped(together(advice), "   ")
    if advice.widths and not advice.command:
        lines += ["   Build the model with these widths, and train it again."]
    for words, command in next_commands(advice):
        lines += ["", f"   {words}", f"     {command}"]
    return lines


def next_commands(advice: Advice) -> list[tuple[str, str]]:
    """What to run next, and what for; that first which makes what is advised, and best."""
    as_advised = advice.shrink if advice.has_budget else advice.spare
    found = [(SHRINK_AS_ADVISED, as_advised), (RETRAIN, advice.command)]
    if not advice.has_budget:
        found.append((SHRINK, advice.shrink))
    return [(words, command) for words, command in found if command]


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
    signs = SIGN_WORDS if plain else SIGNS
    lines = [f"# NAS analysis recommendations for {escaped(name.upper())}", ""]
    for number, finding in enumerate(verdict.findings, start=1):
        lines += [
            f"## {number}. {finding.title.capitalize()}",
            "",
            *_finding_markdown(finding, signs),
            "",
        ]
    lines += [
        "## By layer",
        "",
        *_layers_markdown(advice),
        "",
        f"> {escaped(advice.basis)} {caveat_of(advice)}",
    ]
    return "\n".join(lines)


def _finding_markdown(finding: Finding, signs: Mapping[str, str]) -> list[str]:
    evidence = f" ({finding.evidence})" if finding.evidence else ""
    sign = escaped(signs[finding.status].strip())
    lines = [f"{sign} **{finding.level}**{evidence}", ""]
    return lines + [f"- {escaped(line)}" for line in finding.lines]


def _layers_markdown(advice: Advice) -> list[str]:
    if not advice.layers:
        return ["Not known:", "", *(f"- {escaped(note)}" for note in advice.notes)]
    lines = [
        markdown_row(ADVICE_HEADINGS),
        markdown_row([":--", *["--:"] * (len(ADVICE_HEADINGS) - 2), ":--"]),
    ]
    lines += [markdown_row([escaped(cell) for cell in cells(layer)]) for layer in advice.layers]
    lines += ["", "\\- is not defined, or too early to tell; channels count from 0.", ""]
    for names, told in details(advice):
        lines += [f"- {', '.join(f'**{escaped(name)}**' for name in names)}"]
        lines += [f"  - {escaped(line)}" for line in told]
    lines += [f"- {line}" for line in summed_up(advice)]
    lines += ["", escaped(together(advice))]
    for words, command in next_commands(advice):
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", command)), default=0))
        lines += ["", words, "", f"{fence}sh", command, fence]
    return lines

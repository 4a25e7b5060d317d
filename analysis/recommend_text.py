"""The advice as a text for a terminal, in the layout that its users know."""

import re
import textwrap
from collections.abc import Sequence
from math import isnan

from nasmon.analysis.command_line import ARROW, PLAIN_ARROW, SIGNS, WORDS
from nasmon.analysis.findings import Advice, Finding, LayerAdvice, Verdict
from nasmon.analysis.quantity import quantity

RULE = "=" * 60
COLUMNS = 100
"""How wide a line is at most, but for a command to paste and for names that are longer."""

CAVEAT = (
    "This is a reading of the variance, not a measurement of the loss: what varies little may "
    "still matter. Narrow, train again, compare, and keep what holds."
)

HEADINGS = (
    *("layer", "channels", "redun.", "corr.", "eff.rank", "rank_99", "dead", "settled"),
    "what to do",
)

_UNBROKEN = "\N{NO-BREAK SPACE}"
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
    signs, arrow = (WORDS, PLAIN_ARROW) if plain else (SIGNS, ARROW)
    lines = [RULE, shown(f"NAS ANALYSIS RECOMMENDATIONS FOR {name.upper()}"), RULE, ""]
    for number, finding in enumerate(verdict.findings, start=1):
        lines += [f"{number}. {finding.title}:", f"   {signs[finding.status]} {_found(finding)}"]
        lines += [f"   {arrow} {line}" for line in finding.lines]
        lines += [""]
    lines += ["BY LAYER:", *_by_layer(advice, signs["info"], arrow), ""]
    if advice.layers:
        lines += [*_together(advice), ""]
    lines += [*_wrapped(CAVEAT, "   "), "", RULE]
    return "\n".join(lines)


def shown(text: str) -> str:
    """A text on one line: a layer may be called anything."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def cells(layer: LayerAdvice) -> list[str]:
    """A layer's row of the table, in the order of ``HEADINGS``."""
    settled = {True: "yes", False: "no", None: "-"}[layer.settled]
    todo = f"narrow to {layer.width}" if layer.action == "narrow" else layer.action
    numbers = (
        (layer.redundancy, ".2f"),
        (layer.correlation, ".2f"),
        (layer.effective_rank, ".1f"),
        (layer.rank_99, ".0f"),
        (layer.dead, ".0f"),
    )
    written = ["-" if isnan(value) else format(value, form) for value, form in numbers]
    return [shown(layer.layer), str(layer.channels), *written, settled, todo]


def details(advice: Advice) -> list[tuple[list[str], tuple[str, ...]]]:
    """Layers where something is to be done or known, and their lines; those with the same at once.

    The layers to narrow come first.
    """
    told = [one for one in advice.layers if not _is_fine(one)]
    told.sort(key=lambda one: _ORDER.index(one.action))
    by_lines: dict[tuple[str, ...], list[str]] = {}
    for layer in told:
        by_lines.setdefault(layer.lines, []).append(shown(layer.layer))
    return [(names, tuple(shown(line) for line in lines)) for lines, names in by_lines.items()]


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
    if not advice.widths:
        waiting = sum(layer.action == "wait" for layer in advice.layers)
        settle = f"; {waiting} {'has' if waiting == 1 else 'have'} not settled" if waiting else ""
        return f"No layer is to be narrowed{settle}."
    saving, found = advice.saving, []
    for less, whole, what in (
        (saving.params, advice.params, "parameters"),
        (saving.macs, advice.macs, "multiply-adds"),
    ):
        if less is not None and whole:
            share = f"{100 * less / whole:.1f} % less"
            found.append(f"{quantity(whole)} -> {quantity(whole - less)} {what} ({share})")
    return f"All changes together: {', '.join(found) or 'what they save is not known'}."


def _is_fine(layer: LayerAdvice) -> bool:
    remarkable = layer.duplicates or layer.dead > 0 or isnan(layer.rank_99)
    return layer.action in _FINE and not remarkable


def _found(finding: Finding) -> str:
    return f"{finding.level} ({finding.evidence})" if finding.evidence else finding.level


def _by_layer(advice: Advice, sign: str, arrow: str) -> list[str]:
    if not advice.layers:
        missing = (f"   {arrow} {shown(note)}" for note in advice.notes)
        return [f"   {sign} NOT KNOWN", *missing]
    lines = ["", *_table([cells(layer) for layer in advice.layers])]
    lines += ["(- is not defined, or too early to tell; channels count from 0)", ""]
    for names, told in details(advice):
        lines += _wrapped(f"{', '.join(names)}:", "   ", "   ")
        for line in told:
            lines += _wrapped(line, f"   {arrow} ", "     ")
        lines += [""]
    lines += [f"   {line}" for line in summed_up(advice)]
    return lines if lines[-1] else lines[:-1]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns; a name too long for its column stands on a line of its own, whole."""
    table = [HEADINGS, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    room = COLUMNS - sum(widths[1:]) - 2 * len(widths[1:])
    widths[0] = max(len(row[0]) for row in table if len(row[0]) <= room)
    lines = []
    for name, *numbers, todo in table:
        if len(name) > widths[0]:
            lines.append(name)
            name = ""
        numbers = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *numbers, todo]))
    rule = "-" * (sum(widths) + 2 * len(widths[1:]))
    return [lines[0], rule, *lines[1:], rule]


def _together(advice: Advice) -> list[str]:
    lines = _wrapped(together(advice), "   ")
    if advice.command:
        lines += ["   To train the narrower model beside this one:", f"     {advice.command}"]
    elif advice.widths:
        lines += ["   Build the model with these widths, and train it again."]
    return lines


def _wrapped(text: str, first: str, later: str | None = None) -> list[str]:
    # a number keeps its unit beside it; textwrap breaks at no other space than the ordinary one
    tied = re.sub(r"(?<=\d) (?=[%MG](?!\w))", _UNBROKEN, text)
    lines = textwrap.wrap(
        tied,
        COLUMNS,
        initial_indent=first,
        subsequent_indent=first if later is None else later,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_UNBROKEN, " ") for line in lines]

"""The advice as JSON, for programs.

The document is strict JSON: what is undefined or not known is null, never NaN. Its fields, in
version 1; a later version may add fields, and changes its number when one goes or means something
else:

- ``format``: "nasmon recommendations"; ``version``: 1.
- ``csv``: the path of the run's CSV, as given. ``readings``: how many it holds. ``epoch``,
  ``step``: of the latest reading, epochs from 0 (-1 in a loop that counts none), null where the
  CSV does not have it.
- ``status``: of the run, "running", "ended", "interrupted" or "failed"; null without its record.
- ``model``: ``name``; ``params`` and ``macs``, parameters and multiply-adds for one input, today;
  ``flash`` and ``ram``, bytes that it takes as a LiteRT file of 8-bit integers, and while it runs.
- ``thresholds``: all that were applied, by name. ``round_to``: what widths were rounded up to.
- ``decision``: "reduce", "optimal", "regularize", "tweak" or "undecided", where the user's flow
  ends; ``rule``: what decided, in words.
- ``findings``: the five sections in their order, each with ``title``, ``status`` ("warning",
  "info", "good" or "unknown"), ``level``, ``metric`` (a column of the CSV, or ""), ``value`` (of
  the latest reading; in TRAINING DYNAMICS the change over the run), ``evidence``, ``lines``.
- ``layers``: in the model's order, empty without the rows by layer; each with ``layer``, ``kind``,
  ``channels``; ``redundancy`` and ``correlation`` (shares), ``effective_rank``, ``rank_99`` and
  ``dead`` (channels), ``rows`` of the latest reading; ``settled`` (null with too few readings);
  ``rank_limit`` (channels; null without one); ``action`` ("narrow", "keep", "fixed", "limited",
  "wait", "weak" or "undefined", see ``nasmon.analysis.recommend.findings``); ``width`` (suggested
  channels); ``saving`` of this change alone, as below; ``dead_indices``, channels from 0;
  ``duplicates``, the strongest pairs of near copies, each with ``first``, ``second`` (channels
  from 0) and ``correlation``; ``duplicate_pairs``, how many pairs there are; ``lines``.
- ``widths``: new channels by layer that owns a width, only those that change.
- ``saving``: of all changes together: ``params``, ``macs``, ``flash`` and ``ram``; and
  ``params_share``, ``macs_share``, ``flash_share`` and ``ram_share``, what part of the model's they
  are, from 0 to 1.
- ``command``: to train with the new widths; null if nothing changes or it is not known.
- ``shrink_command``: to make smaller models of the trained one, its weights carried over; null if
  it is not known. ``spare_command``: likewise what is advised without a budget; null with one, or
  if nothing is spare.
- ``summary``: the changes together, in words. ``basis``: what the advice about widths rests on;
  ``caveat``: what it is not.
- ``plan``: by what fewer channels would lose, null where that is not known: by group of widths
  ``leader``, ``owners``, ``channels``, how many of them are ``spare``, the planned ``width``, what
  is ``lost`` (a share of its consumers' outputs, summed over them; null where not known), what it
  ``saves`` (parameters), and the ``reason`` why it stays or is no narrower.
- ``notes``: about files and rows that are missing.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from nasmon.analysis.recommend.findings import Advice, LayerAdvice, Verdict
from nasmon.analysis.recommend.text import caveat_of, together
from nasmon.analysis.run import Run
from nasmon.narrowing.plan import WidthPlan
from nasmon.widths.objectives import OBJECTIVES, Amounts

ADVICE_FORMAT, ADVICE_VERSION = "nasmon recommendations", 1


def recommendations_json(
    run: Run,
    verdict: Verdict,
    advice: Advice,
    thresholds: Mapping[str, float],
    round_to: int,
    notes: list[str],
) -> str:
    """The whole document, as the module's own text describes it.

    Args:
        run: that the advice is about.
        verdict: of the run.
        advice: by layer.
        thresholds: that were applied.
        round_to: what widths were rounded up to.
        notes: about the run and the advice.
    """
    last = run.readings.iloc[-1]
    document = {
        "format": ADVICE_FORMAT,
        "version": ADVICE_VERSION,
        "csv": str(run.path),
        "readings": len(run.readings),
        "epoch": _whole(last["epoch"]),
        "step": _whole(run.steps[-1]),
        "status": run.record.status if run.record else None,
        "model": {"name": run.name, **advice.size.by_name()},
        "thresholds": dict(thresholds),
        "round_to": round_to,
        "decision": verdict.decision,
        "rule": verdict.rule,
        "findings": [finding._asdict() for finding in verdict.findings],
        "layers": [_layer(layer, advice) for layer in advice.layers],
        "widths": advice.widths,
        "saving": _saving(advice.saving, advice),
        "command": advice.command,
        "shrink_command": advice.shrink,
        "spare_command": advice.spare,
        "summary": together(advice) if advice.layers else None,
        "basis": advice.basis,
        "plan": _plan(advice.plan),
        "caveat": caveat_of(advice),
        "notes": notes,
    }
    return json.dumps(_strict(document), indent=2, allow_nan=False)


def _layer(layer: LayerAdvice, advice: Advice) -> dict[str, Any]:
    return {
        **layer._asdict(),
        "saving": _saving(layer.saving, advice),
        "duplicates": [pair._asdict() for pair in layer.duplicates],
    }


def _plan(plan: WidthPlan | None) -> list[dict[str, Any]] | None:
    return None if plan is None else [group._asdict() for group in plan.groups]


def _saving(saving: Amounts, advice: Advice) -> dict[str, float | None]:
    shares = {
        f"{one.name}_share": _share(part, whole)
        for one, part, whole in zip(OBJECTIVES, saving, advice.size, strict=True)
    }
    return {**saving.by_name(), **shares}


def _share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or not whole else part / whole


def _whole(number: float) -> int | None:
    return int(number) if math.isfinite(number) else None


def _strict(value: Any) -> Any:
    """JSON knows no NaN and no infinity."""
    if isinstance(value, dict):
        return {name: _strict(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

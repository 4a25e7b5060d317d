"""A comparison as JSON.

An object with the keys:

- ``format``: "nasmon comparison"; ``version``: 1, raised when a key changes its meaning.
- ``baseline``: the name of the run that the others are held against, the first one.
- ``task_metric``: the column of the histories that says how well the task is done; null if the runs
  share none. ``tolerance``: what it may lose, in points of a score, or as a share of a loss.
- ``runs``: a list, each with ``name`` (distinct), ``model``, ``csv`` (path), ``status`` ("running",
  "ended", "interrupted", "failed"; null without a record), ``seed``, ``readings`` and ``steps``
  (counts), ``best_epoch`` of the task metric as the history counts, ``notes`` (a list: what could
  not be read), and ``values``: an object by quantity. Metrics of the monitor are those of the last
  reading, columns of the history those of the last epoch; ``params`` and ``macs`` (multiply-adds
  for one input) are the whole model's; ``<task_metric>_best`` is the best epoch's.
- ``verdicts``: a list, one for each later run, with ``name``; ``decision`` ("accept" or "revert");
  ``rule`` (a number from 1) and ``rule_text``; ``reason`` with its numbers; ``notes`` (a list);
  ``changes``: a list with ``quantity``, ``before``, ``after``, ``kind`` ("better", "worse",
  "steady": within the noise, or "unknown") and ``noise``: ``size`` and ``scale`` ("absolute";
  "relative": a share of ``before``; "factor": a ratio).
- ``caveat``: what a comparison of single runs cannot tell.

What is not known or not defined is null.
"""

import json
import math
from typing import Any

from nasmon.acceptance import Change
from nasmon.analysis.compare.comparison import COMPARISON_CAVEAT, Against, Compared, Comparison
from nasmon.analysis.compare.text import RULE_TEXTS, reason

COMPARISON_FORMAT, COMPARISON_VERSION = "nasmon comparison", 1


def comparison_json(comparison: Comparison) -> str:
    """The comparison as JSON in the form that this module describes."""
    tree = {
        "format": COMPARISON_FORMAT,
        "version": COMPARISON_VERSION,
        "baseline": comparison.runs[0].name,
        "task_metric": comparison.task_metric,
        "tolerance": comparison.tolerance,
        "runs": [_run(comparison, index, each) for index, each in enumerate(comparison.runs)],
        "verdicts": [_verdict(against) for against in comparison.against],
        "caveat": COMPARISON_CAVEAT,
    }
    return json.dumps(tree, indent=2, allow_nan=False)


def _run(comparison: Comparison, index: int, each: Compared) -> dict[str, Any]:
    run, record = each.run, each.run.record
    return {
        "name": each.name,
        "model": run.name,
        "csv": str(run.path),
        "status": record.status if record else None,
        "seed": record.seed if record else None,
        "readings": len(run.readings),
        "steps": _number(float(run.steps[-1])),
        "best_epoch": each.task.best_epoch if each.task else None,
        "notes": list(each.notes),
        "values": {measure.name: _number(measure.values[index]) for measure in comparison.measures},
    }


def _verdict(against: Against) -> dict[str, Any]:
    judgement = against.judgement
    return {
        "name": against.name,
        "decision": "accept" if judgement.accept else "revert",
        "rule": judgement.rule,
        "rule_text": RULE_TEXTS[judgement.rule_name],
        "reason": reason(judgement),
        "notes": list(against.notes),
        "changes": [_change(one) for one in against.changes.values() if one.judged],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "quantity": change.measure,
        "before": _number(change.before),
        "after": _number(change.after),
        "kind": change.kind,
        "noise": {"size": change.band.size, "scale": change.band.scale},
    }


def _number(value: float) -> float | None:
    """A number that JSON has; whole ones without a point."""
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else value

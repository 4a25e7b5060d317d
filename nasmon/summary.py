"""The latest reading as a table for a terminal."""

from collections.abc import Mapping, Sequence

from nasmon.budget import OverheadBudget
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.reading import Reading
from nasmon.text_table import aligned

_COLUMNS = (  # metric, heading, format
    ("redundancy_score", "redundancy", ".2f"),
    ("correlation_mean", "correlation", ".2f"),
    ("effective_rank", "eff. rank", ".1f"),
    ("rank_99", "rank_99", ".0f"),
    ("saturation", "saturation", ".2f"),
    ("dead_channels", "dead", ".0f"),
    ("condition_number", "condition", ".1e"),
)


def summary(
    readings: Sequence[Reading],
    thresholds: Mapping[str, float],
    budget: OverheadBudget,
    postponed: int,
) -> str:
    """A line a layer, then the run's aggregates and what the monitor cost.

    Args:
        readings: of the run; the last one is shown.
        thresholds: where a layer gets a remark, as in ``DEFAULT_THRESHOLDS``.
        budget: of the run.
        postponed: how many readings the budget had no room for when they were due.
    """
    cost = cost_sentence(len(readings), budget, postponed)
    if not readings:
        return f"no reading was taken\n{cost}"
    reading = readings[-1]
    headings = ["layer", "channels", *(heading for _, heading, _ in _COLUMNS), ""]
    lines = [headings]
    for info, values in zip(reading.layers, reading.metrics.tolist(), strict=True):
        metrics = dict(zip(METRIC_NAMES, values, strict=True))
        cells = [format(metrics[name], form) for name, _, form in _COLUMNS]
        width = f"{info.channels} (tied)" if info.tied else str(info.channels)
        lines.append([info.name, width, *cells, ", ".join(remarks(metrics, thresholds))])
    aggregates = reading.aggregates
    cells = [format(aggregates[n], f) if n in aggregates else "" for n, _, f in _COLUMNS]
    lines.append(["all layers", "", *cells, ""])
    when = f"the latest reading: step {reading.step}, {reading.samples} samples"
    return "\n".join([when, *_ruled(lines), cost])


def remarks(metrics: Mapping[str, float], thresholds: Mapping[str, float]) -> list[str]:
    """What stands out in one layer's metrics; nothing where they are NaN."""
    found = {
        "constant output": metrics["trace"] == 0,
        "redundant": metrics["redundancy_score"] > thresholds["high_redundancy"],
        "correlated": metrics["correlation_mean"] > thresholds["high_correlation"],
        "ill-conditioned": metrics["condition_number"] > thresholds["poor_conditioning"],
        "dead channels": metrics["dead_channels"] > 0,
    }
    return [remark for remark, holds in found.items() if holds]


def cost_sentence(readings: int, budget: OverheadBudget, postponed: int) -> str:
    """The monitor's cost in one sentence."""
    limit = "no budget" if budget.share is None else f"budget {100 * budget.share:.3g} %"
    return (
        f"monitor: {100 * budget.overhead:.1f} % of training time ({limit}), "
        f"set-up {budget.setup_seconds:.1f} s, {readings} reading{'' if readings == 1 else 's'}, "
        f"{postponed} postponed"
    )


def _ruled(lines: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns, a rule under the headings and above the last line."""
    rows = aligned(lines, texts=(0, len(lines[0]) - 1))
    rule = "-" * max(map(len, rows))
    return [rows[0], rule, *rows[1:-1], rule, rows[-1]]

"""The Text page: what ran, and what the latest reading says, as Markdown."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nasmon.kernels.metric_table import METRIC_NAMES, METRICS
from nasmon.reading import Reading
from nasmon.sinks.run_record import Watched
from nasmon.summary import remarks

TABLED = tuple(n for n in METRIC_NAMES if n not in ("correlation_std", "trace", "rows"))
"""A table of them all would be too wide to be read; these say how much of a width is used."""


def facts_text(watched: Watched) -> str:
    """What ran: the model and what was chosen, the thresholds, the layers.

    Example:
        >>> facts_text(Watched("net", 32, {}, (), 1000, None, None)).splitlines()[0]
        '# `net`'
    """
    size = {
        "parameters": f"{watched.params:,}",
        "multiply-adds": "not known" if watched.macs is None else f"{watched.macs:,}",
    }
    layers = [
        (_code(one.name), one.kind, str(one.channels), f"{one.params:,}", _code(one.tied_to))
        for one in watched.layers
    ]
    chosen = [(_code(name), _code(str(value))) for name, value in watched.choices.items()]
    bounds = [(_code(name), f"{value:g}") for name, value in watched.thresholds.items()]
    return "\n\n".join(
        [
            f"# {_code(watched.model_name)}",
            _table(("what", "value"), [*size.items(), *chosen]),
            "## Layers",
            _table(("layer", "kind", "channels", "parameters", "width of"), layers),
            "## Thresholds",
            _table(("threshold", "value"), bounds),
        ]
    )


def findings_text(reading: Reading, watched: Watched, status: str, error: str | None) -> str:
    """What the latest reading says of each layer, with remarks, and what the metrics mean.

    What to do about it is said by ``nasmon.analysis.recommend``, which reads the run's files.

    Args:
        reading: the latest.
        watched: its thresholds make the remarks.
        status: how the run ended.
        error: what made it fail.
    """
    rows = []
    for info, values in zip(reading.layers, reading.metrics.tolist(), strict=True):
        metrics = dict(zip(METRIC_NAMES, values, strict=True))
        found = remarks(metrics, watched.thresholds)
        width = f"{info.channels} (tied)" if info.tied else str(info.channels)
        rows.append((_code(info.name), width, *_numbers(metrics), ", ".join(found)))
    noted = sum(1 for row in rows if row[-1])
    rows.append(("**all layers**", "", *_numbers(reading.aggregates), ""))
    headings = [name.replace("_", " ") for name in TABLED]
    ended = f"The run {_ended(status, error)}. Its latest reading is of step {reading.step}, with "
    ended += f"{reading.samples} samples; readings took {_share(reading.overhead)} of the training."
    return "\n\n".join(
        [
            f"# {noted} of {len(reading.layers)} layers stand out",
            ended,
            _table(("layer", "channels", *headings, "remarks"), rows),
            "What to do with each layer's width: `python -m nasmon.analysis.recommend` reads the "
            "run's CSV and what lies beside it; with `--tensorboard DIR` its advice stands here.",
            "## The metrics",
            _table(
                ("metric", "definition", "target", "how to read it"),
                [(_code(m.name), _code(m.definition), m.target, m.meaning) for m in METRICS],
            ),
        ]
    )


def _ended(status: str, error: str | None) -> str:
    how = "was interrupted" if status == "interrupted" else status
    return f"{how} ({_code(error)})" if error else how


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _numbers(metrics: Mapping[str, float]) -> list[str]:
    """The cells of a row; empty for what is not defined."""
    values = (metrics.get(name, np.nan) for name in TABLED)
    return ["" if np.isnan(value) else f"{value:.3g}" for value in values]


def _share(value: float) -> str:
    return "an unknown share" if np.isnan(value) else f"{100 * value:.1f} %"


def _code(text: str) -> str:
    """A name as it is, on one line: in a cell no | ends it, and no mark is obeyed."""
    line = " ".join(text.split())
    fence = "``" if "`" in line else "`"
    space = " " if "`" in line else ""
    return f"{fence}{space}{line}{space}{fence}" if line else ""

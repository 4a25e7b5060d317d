"""What a picture shows, in words, for those who cannot see it."""

from typing import Any

import numpy as np

from nasmon.acceptance import main_metric
from nasmon.analysis.plot.kinds import Options, chosen_layers, kind_called, missing
from nasmon.analysis.plot.series import shares, timelines
from nasmon.analysis.run import Run
from nasmon.analysis.run_names import distinct_names
from nasmon.analysis.shrunk import made_of
from nasmon.analysis.words import number
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.spectra import LayerSpectrum
from nasmon.terminal import count_of, printable

_NAMED = 3  # so many layers are named as the lowest
_LISTED = 12  # up to so many layers all are named


def alternative_text(kind: str, run: Run, **options: Any) -> str:
    """What is seen, in one to three sentences.

    Args:
        kind: one of KINDS.
        run: what is drawn.
        **options: the fields of ``Options``.

    Raises:
        UsageError: there is no such kind, or what it needs was not recorded or is damaged.
    """
    chosen = Options(**options)
    kind_called(kind)
    reason = missing(kind, run, chosen)
    if reason:
        raise UsageError(reason)
    texts = {
        "redundancy": _redundancy,
        "correlation": _correlation,
        "dashboard": _dashboard,
        "comparison": _comparison,
        "layers": _layers,
        "spectrum": _spectrum,
        "widths": _widths,
        "front": _front,
    }
    return texts[kind](run, chosen)


def _redundancy(run: Run, options: Options) -> str:
    return f"Redundancy over {_readings(run)}: {_course(run, 'redundancy_score')}."


def _correlation(run: Run, options: Options) -> str:
    spread = float(run.readings["correlation_std"].iloc[-1])
    last = f"; standard deviation {number(spread)} at the last" if np.isfinite(spread) else ""
    return f"Mean correlation over {_readings(run)}: {_course(run, 'correlation_mean')}{last}."


def _dashboard(run: Run, options: Options) -> str:
    condition = _course(run, "condition_number")
    return (
        f"{_redundancy(run, options)} {_correlation(run, options)} Condition number: {condition}."
    )


def _comparison(run: Run, options: Options) -> str:
    runs = (run, *options.others)
    ends = "; ".join(
        f"{printable(name)} {number(float(one.readings['redundancy_score'].iloc[-1]))} and "
        f"{number(float(one.readings['correlation_mean'].iloc[-1]))}"
        + (f" with {one.record.params:,} parameters" if one.record else "")
        for name, one in zip(distinct_names(runs), runs, strict=True)
    )
    return f"Redundancy and correlation of {len(runs)} runs, which ended at: {ends}."


def _layers(run: Run, options: Options) -> str:
    if options.metric not in METRIC_NAMES:
        raise UsageError(f"metric is {options.metric!r}; use one of {', '.join(METRIC_NAMES)}")
    table = run.latest_layers(1)
    names = [str(name) for name in table["layer"]]
    rows = chosen_layers(names, options.layers)
    values = table[options.metric].to_numpy(np.float64)[rows]
    across = f"{options.metric} of {count_of(len(rows), 'layer')} over {_readings(run)}"
    defined = np.flatnonzero(np.isfinite(values))
    if not len(defined):
        return f"{across}: not defined at the last one."
    order = defined[np.argsort(values[defined], kind="stable")]
    lowest = ", ".join(
        f"{number(values[row])} in {printable(names[rows[row]])}" for row in order[:_NAMED]
    )
    highest = f"{number(values[order[-1]])} in {printable(names[rows[order[-1]]])}"
    undefined = len(values) - len(defined)
    rest = f" Not defined in {count_of(undefined, 'layer')}." if undefined else ""
    return f"{across}. At the last one, lowest: {lowest}; highest: {highest}.{rest}"


def _spectrum(run: Run, options: Options) -> str:
    if run.spectra is None:
        raise AssertionError("missing() lets no run without spectra through")
    latest = run.spectra[1].layers
    names = list(latest)
    rows = chosen_layers(names, options.layers)
    words = [(_held(latest[names[row]]), printable(names[row])) for row in rows]
    held = [f"{name} {rank}" for (_, rank), name in words[:_LISTED]]
    if len(words) > _LISTED:
        shown = sorted(words, key=lambda word: word[0][0])[:_NAMED]
        held = [f"fewest of their width in {', '.join(f'{n} {rank}' for (_, rank), n in shown)}"]
    return (
        f"Eigenvalues of {count_of(len(rows), 'layer')} at the first and the latest reading. "
        f"Channels that hold 99 % of the variance at the latest: {', '.join(held)}."
    )


def _widths(run: Run, options: Options) -> str:
    if run.width_evidence is None:
        raise AssertionError("missing() lets no run without evidence through")
    groups = run.width_evidence.groups
    rows = chosen_layers([group.leader for group in groups], options.layers)
    words = [
        f"{printable(groups[row].leader)} "
        f"{options.widths.get(groups[row].leader, groups[row].enough)} of {len(groups[row].order)}"
        for row in rows[:_LISTED]
    ]
    more = f", and {len(rows) - _LISTED} more" if len(rows) > _LISTED else ""
    what = "Advised widths" if options.widths else "Channels that are enough"
    return (
        f"What is lost of {count_of(len(rows), 'width')} with fewer channels. "
        f"{what}: {', '.join(words)}{more}."
    )


def _front(run: Run, options: Options) -> str:
    if run.record is None:
        raise AssertionError("missing() lets no run without a record through")
    sizes = f"What models smaller than {run.record.params:,} parameters give up before training."
    made = made_of(run)
    if not made:
        return sizes
    metric = main_metric(made[0].before)
    models = "; ".join(
        f"{one.params:,} parameters {number(one.after[metric])}"
        for one in made
        if metric in one.after
    )
    return f"{sizes} {metric} after training: {models}." if models else sizes


def _held(spectrum: LayerSpectrum) -> tuple[float, str]:
    """The share of the channels that hold 99 %, for sorting, and in words."""
    of_layer, channels = shares(spectrum), spectrum.eigenvalues.size
    if of_layer is None:
        return 2.0, f"not defined of {channels}"
    return of_layer.rank / channels, f"{of_layer.rank} of {channels}"


def _readings(run: Run) -> str:
    time = timelines([run])[0]
    count = count_of(len(time.x), "reading")
    return f"{count} ({time.span})"


def _course(run: Run, metric: str) -> str:
    values = run.readings[metric].to_numpy(np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return "no defined readings"
    if len(values) == 1:
        return number(values[0])
    ends = f"from {number(values[0])} to {number(values[-1])}"
    return f"{ends}, between {number(values.min())} and {number(values.max())}"

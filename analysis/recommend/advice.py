"""What to do with each layer's width, from the latest readings, the record and the spectra."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nasmon.analysis.companions import Companion
from nasmon.analysis.recommend.findings import Advice, LayerAdvice, Verdict
from nasmon.analysis.recommend.layers import (
    NO_EVIDENCE,
    ChannelEvidence,
    RecentLayer,
    channel_evidence,
    recent_layers,
)
from nasmon.analysis.recommend.lines import LayerContext, lines_of
from nasmon.analysis.recommend.planned import Asked, Plan, basis_of, plan_of
from nasmon.analysis.recommend.verdict import verdict
from nasmon.analysis.recommend.widths import (
    GroupMember,
    WidthDecision,
    WidthMap,
    decide_width,
    decision_planned,
    width_map,
)
from nasmon.analysis.run import Run
from nasmon.record.rebuild import retrain_command, shrink_command
from nasmon.record.run import Record
from nasmon.record.spectra import LayerSpectrum
from nasmon.widths.objectives import UNKNOWN, Amounts, savings, sizes, totals

ROUND_TO = 4
"""Of widths by ranks, if nothing is said."""

NOTHING_ASKED = Asked()


class Recommendations(NamedTuple):
    """All that is found out about a run."""

    run: Run
    verdict: Verdict
    advice: Advice
    thresholds: dict[str, float]
    round_to: int
    notes: list[str]


def recommendations(run: Run, config: Path | None, asked: Asked = NOTHING_ASKED) -> Recommendations:
    """Finds out all about a run.

    Args:
        run: with at least one reading.
        config: whose thresholds replace the run's own; None for those.
        asked: what is asked for besides.

    Raises:
        UsageError: the config or a file of the run cannot be used, or what is asked for cannot be.
    """
    thresholds = run.thresholds(config)
    advice = advise(run, thresholds, asked)
    round_to = asked.round_to or (ROUND_TO if advice.plan is None else 1)
    # the run's notes last: reading its other files may have added some
    notes = [*_of_the_end(run), *advice.notes, *run.notes]
    return Recommendations(run, verdict(run, thresholds), advice, thresholds, round_to, notes)


def _of_the_end(run: Run) -> list[str]:
    """What a reader must know of a run that did not end by itself."""
    if run.record is None or run.record.status == "ended":
        return []
    status = {"running": "is still running", "interrupted": "was interrupted"}
    how = status.get(run.record.status, run.record.status)
    return [f"the run {how}; this is about its latest reading"]


class _Decided(NamedTuple):
    """The decisions about all widths, by the leader of their group."""

    decisions: dict[str, WidthDecision]
    reported_at: dict[str, str]  # by leader: the monitored layer that the decision is reported at
    members: dict[str, tuple[GroupMember, ...]]
    savings: dict[str, Amounts]  # of each change alone
    widths: dict[str, int]  # new widths by owner


def advise(run: Run, thresholds: Mapping[str, float], asked: Asked = NOTHING_ASKED) -> Advice:
    """What to do with each layer, and what all of it together would save.

    Args:
        run: whose rows by layer, record and spectra are read as far as they are there.
        thresholds: all of ``DEFAULT_THRESHOLDS``.
        asked: what is asked for besides. Where the run does not tell what fewer channels would
            lose, widths are multiples of ``round_to``, but for layers of at most twice as many
            channels.

    Returns:
        The advice; without layers, but with a note, where the rows by layer are not there.

    Raises:
        UsageError: a file of the run is damaged, or what is asked for cannot be.

    Example:
        >>> import pandas as pd
        >>> from pathlib import Path
        >>> run = Run(Path("alone.csv"), "mine", pd.DataFrame({"step": [10.0]}), record=None)
        >>> advise(run, run.thresholds()).notes[0]
        'alone_layers.csv is not there, so nothing can be said by layer; copy it beside alone.csv'
    """
    record, notes = run.record, _missing_files(run)
    plan = plan_of(run, asked)
    shrink = shrink_command(record, asked.options) if record else None
    basis, widths_planned = basis_of(run, plan), plan.plan if plan else None
    if not run.has_layers:
        return Advice(
            layers=(),
            widths={},
            size=sizes(record),
            saving=UNKNOWN,
            command=None,
            shrink=shrink,
            basis=basis,
            plan=widths_planned,
            notes=tuple(notes),
            has_budget=bool(asked.budgets),
        )
    recent, of_rows = recent_layers(run, thresholds["settled_rank"])
    widths = width_map(record, recent)
    decided = _decide(record, widths, recent, thresholds, asked.round_to or ROUND_TO, plan)
    spectra, of_spectra = _latest_spectra(run)
    layers = []
    for layer in recent:
        spectrum = spectra.get(layer.name)
        evidence = _evidence(layer, spectrum, thresholds["near_duplicate"])
        layers.append(_layer_advice(layer, evidence, widths, decided, thresholds, record, plan))
    return Advice(
        layers=tuple(layers),
        widths=decided.widths,
        size=sizes(record),
        saving=_saving(record, widths.known, decided.widths),
        command=retrain_command(record, decided.widths) if record else None,
        shrink=shrink,
        basis=basis,
        plan=widths_planned,
        notes=(*notes, *of_rows, *_guessed(record, widths), *of_spectra),
        has_budget=bool(asked.budgets),
        spare=_spare_command(record, plan, decided.widths, asked),
    )


def _spare_command(
    record: Record | None, plan: Plan | None, widths: Mapping[str, int], asked: Asked
) -> str | None:
    if record is None or plan is None or asked.budgets or not widths:
        return None
    return shrink_command(record, ["--spare", *asked.limit_options])


def _missing_files(run: Run) -> list[str]:
    lost: dict[Companion, str] = {
        "layers": "nothing can be said by layer",
        "record": "how widths hang together and what a change saves is not known",
        "spectra": "dead and near-duplicate channels cannot be named",
    }
    # without layers none of them has channels to name
    kinds = [kind for kind in lost if kind != "spectra" or run.has_layers]
    absences = {kind: run.absent(kind) for kind in kinds}
    return [f"{a.state}, so {lost[kind]}; {a.remedy}" for kind, a in absences.items() if a]


def _guessed(record: Record | None, widths: WidthMap) -> list[str]:
    if widths.known or not widths.groups:
        return []
    notes = ["the last layer is taken for the output, whose width is not to choose"]
    if record is not None:
        notes.insert(0, "the record holds no structure of this model; savings are not known")
    return notes


def _decide(
    record: Record | None,
    widths: WidthMap,
    recent: Sequence[RecentLayer],
    thresholds: Mapping[str, float],
    round_to: int,
    plan: Plan | None,
) -> _Decided:
    decided = _Decided({}, {}, {}, {}, dict(plan.plan.widths) if plan else {})
    for group in widths.groups:
        members = tuple(
            GroupMember(
                layer, len(widths.made_of[layer.name]) == 1, widths.rank_limits.get(layer.name)
            )
            for layer in recent
            if group.leader in widths.made_of[layer.name]
        )
        if not members:
            continue
        planned = plan.group(group) if plan else None
        if planned is None:
            decision = decide_width(group, members, thresholds, round_to)
        else:
            decision = decision_planned(group, members, planned)
        changes = {}
        if decision.action == "narrow":
            changes = dict.fromkeys(group.owners, decision.width)
        names = [one.layer.name for one in members if one.alone]
        owners = [name for name in names if name in group.owners]
        decided.decisions[group.leader] = decision
        decided.reported_at[group.leader] = (owners or names or [""])[0]
        decided.members[group.leader] = members
        decided.savings[group.leader] = _saving(record, widths.known, changes)
        decided.widths.update(changes)
    return decided


def _saving(record: Record | None, known: bool, changes: Mapping[str, int]) -> Amounts:
    if record is None or not known:
        return UNKNOWN
    today = sizes(record)
    # not counted where nothing changes: of a thousand layers most ask
    return savings(today, totals(record, changes) if changes else today)


def _latest_spectra(run: Run) -> tuple[dict[str, LayerSpectrum], list[str]]:
    if run.spectra is None:
        return {}, []
    _, latest = run.spectra
    step = float(run.readings["step"].iloc[-1])
    if latest.step == step:
        return latest.layers, []
    return latest.layers, [
        f"the spectra are those of step {latest.step}, the latest reading is of step {step:.0f}"
    ]


def _evidence(
    layer: RecentLayer, spectrum: LayerSpectrum | None, near_duplicate: float
) -> ChannelEvidence:
    """What the correlations tell, where they are there and fit the layer."""
    size = (layer.channels, layer.channels)
    if spectrum is None or spectrum.correlations.shape != size:
        return NO_EVIDENCE
    found = channel_evidence(spectrum.correlations, near_duplicate)
    # of another reading, or of a layer that is undefined as a whole
    agrees = len(found.dead) == layer.metrics["dead_channels"]
    return found if agrees else found._replace(dead=())


def _layer_advice(
    layer: RecentLayer,
    evidence: ChannelEvidence,
    widths: WidthMap,
    decided: _Decided,
    thresholds: Mapping[str, float],
    record: Record | None,
    plan: Plan | None,
) -> LayerAdvice:
    leaders = tuple(widths.made_of[layer.name])
    leader = leaders[0] if len(leaders) == 1 else ""
    decision = decided.decisions.get(leader)
    is_reported_here = decision is not None and decided.reported_at[leader] == layer.name
    context = LayerContext(
        layer=layer,
        evidence=evidence,
        groups=tuple(widths.group(name) for name in leaders),
        decisions=tuple(decided.decisions[name] for name in leaders),
        members=decided.members[leader] if is_reported_here else (),
        watched=frozenset(widths.made_of),
        plan=plan,
    )
    saving = decided.savings[leader] if is_reported_here else _saving(record, widths.known, {})
    return LayerAdvice(
        layer=layer.name,
        kind=layer.kind,
        channels=layer.channels,
        redundancy=layer.metrics["redundancy_score"],
        correlation=layer.metrics["correlation_mean"],
        effective_rank=layer.metrics["effective_rank"],
        rank_99=layer.metrics["rank_99"],
        dead=layer.metrics["dead_channels"],
        rows=layer.metrics["rows"],
        settled=layer.settled,
        action=decision.action if decision and is_reported_here else "fixed",
        width=decision.width if decision and is_reported_here else layer.channels,
        saving=saving,
        duplicates=evidence.duplicates,
        lines=lines_of(context, saving, record, thresholds),
        dead_indices=evidence.dead,
        duplicate_pairs=evidence.duplicate_pairs,
        rank_limit=widths.rank_limits.get(layer.name),
    )

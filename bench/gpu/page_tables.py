"""The tables of bench/GPU.md, and which measured programs are the present ones."""

from collections.abc import Iterable, Sequence
from itertools import compress

from bench.gpu.cost import Span, launched, launching, launching_of
from bench.gpu.tables import Counted, Measured

READING = {"forward": 2, "absorb": 2, "measure": 1}
"""Runs of each program in a reading at the defaults: two chunks of 16 samples."""

MEASURED_READINGS = ("now", "prototype")
"""Which programs' readings were measured whole."""

STANDING = {
    "nasmon": "earlier",
    "before": "earlier",
    "before, autotuning off": "earlier",
    "prototype": "prototype",
    "prototype float32 above 256": "prototype",
}
"""How a measured program stands to the present one, by its variant; it is the present one where its
fingerprint is that of the counted program. What is not listed is no program of this project."""


def standing(row: Measured, counted: Sequence[Counted]) -> str:
    """How a measured program stands to the present one: "now", "earlier", "prototype", or ""."""
    present = {(each.of, each.part): each.program for each in counted}
    if row.program and present.get((row.of, row.part)) == row.program:
        return "now"
    return STANDING.get(row.variant, "")


def counts_table(counted: Sequence[Counted]) -> str:
    """One row a program."""
    return table(
        *("of", "program", "launched", "kernels", "copies", "library calls", "in CUDA graphs"),
        *("graphs", "submissions", "compile, s", "predicted, ms"),
        rows=[
            (
                *(row.of, row.part, launched(row), row.kernels, row.copies, row.calls),
                *(row.graphed, row.graphs, row.submissions, row.compile_s, launching(row)),
            )
            for row in counted
        ],
    )


def readings_table(measured: Sequence[Measured], counted: Sequence[Counted]) -> str:
    """A whole reading of each network: what its launches take, and what was measured.

    The forward pass is the network's own: as measured, whatever else was measured with it.
    """
    programs = {(row.of, row.part): row for row in counted}
    forward = {r.of: float(r.milliseconds) for r in measured if r.part == "forward"}
    rows = []
    for of in dict.fromkeys(row.of for row in counted if row.part in READING):
        spans = [
            launching(programs[of, part]).times(runs)
            for part, runs in READING.items()
            if (of, part) in programs
        ]
        if of in forward and len(spans) == len(READING):
            taken = READING["forward"] * forward[of]
            spans[0] = Span(taken, taken)
            whole = [_measured_reading(of, kind, measured, counted) for kind in MEASURED_READINGS]
            rows.append((of, *spans, _together(spans), *whole))
    first, *others = (f"{part} x {runs}" if runs > 1 else part for part, runs in READING.items())
    names = [f"measured, {kind}" for kind in MEASURED_READINGS]
    return table("of", f"{first}, measured", *others, "reading", *names, rows=rows)


def _measured_reading(
    of: str, kind: str, measured: Sequence[Measured], counted: Sequence[Counted]
) -> str:
    """Milliseconds of a reading whose parts were measured; "" if some were not.

    The forward pass is the network's own, and may have been measured with an earlier program.
    """
    taken: dict[str, float] = {}
    for row in measured:
        stands = standing(row, counted)
        if row.of == of and (stands == kind or (row.part == "forward" and stands)):
            taken.setdefault(row.part, float(row.milliseconds))
    if not READING.keys() <= taken.keys():
        return ""
    return f"{sum(runs * taken[part] for part, runs in READING.items()):.1f}"


def measured_table(rows: Iterable[Measured], counted: Sequence[Counted] = ()) -> str:
    """One row a measurement, with what is predicted by counts, or else by the profiler's count."""
    programs = {(row.of, row.part): row for row in counted}
    cells = []
    for row in rows:
        program = programs.get((row.of, row.part))
        count, predicted = "", ""
        if program is not None:
            count, predicted = str(launched(program)), str(launching(program))
        elif row.kernels:
            predicted = str(launching_of(int(row.kernels)))
        cells.append(
            (
                *(row.of, row.part, row.variant, row.milliseconds, predicted, row.kernels, count),
                *(row.busy_ms, row.host_ms, row.compile_s, row.difference, row.date, row.note),
            )
        )
    return table(
        *("of", "program", "variant", "ms", "predicted, ms", "launched, profiler", "counted"),
        *("busy, ms", "host, ms", "compile, s", "difference", "date", "note"),
        rows=cells,
    )


def eigenvalues_table(measured: Sequence[Measured], counted: Sequence[Counted]) -> str:
    """One row a batch, one column for each that found its eigenvalues."""
    columns: dict[str, dict[str, str]] = {}
    for row in measured:
        if row.part == "eigenvalues":
            now = standing(row, counted) == "now"
            name = "now" if now else f"{row.variant} ({row.runner})"
            columns.setdefault(name, {})[row.of] = row.milliseconds
    predicted = {r.of: str(launching(r)) for r in counted if r.part == "eigenvalues"}
    columns["now, predicted"] = predicted
    batches = {batch for cells in columns.values() for batch in cells}
    return table(
        *("layers x channels", *columns),
        rows=[
            (batch, *(cells.get(batch, "") for cells in columns.values()))
            for batch in sorted(batches, key=_by_channels)
        ],
    )


def cards(measured: Sequence[Measured]) -> str:
    """What was measured on, in words."""
    told = {f"{row.card} (driver {row.driver})" if row.driver else row.card for row in measured}
    return ", ".join(sorted(told)) or "nothing yet"


def table(*headings: str, rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown, without columns in which no row has anything."""
    cells = [[str(cell) for cell in row] for row in rows]
    kept = [any(column) for column in zip(*cells, strict=True)] or [True] * len(headings)
    lines = [headings, ["---"] * len(headings), *cells]
    return "\n".join(f"| {' | '.join(compress(line, kept))} |" for line in lines)


def _together(spans: Sequence[Span]) -> Span:
    total = Span(0.0, 0.0)
    for span in spans:
        total = total.plus(span)
    return total


def _by_channels(batch: str) -> tuple[int, int]:
    layers, channels = map(int, batch.split("x"))
    return channels, layers

"""What lies beside a run's CSV: where it is looked for, and whether it is that run's.

Files that were copied together by hand may be of two runs. Their names would then be no warning,
and widths of one model would be advised from the ranks of another.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from nasmon.analysis.layer_rows import are_of, whole_readings
from nasmon.analysis.one_run import Choice
from nasmon.analysis.table_file import TableFile, check_is_file
from nasmon.kernels.metric_table import AGGREGATED
from nasmon.reading import aggregate
from nasmon.record.files import layers_path, record_path, spectra_path, widths_path
from nasmon.record.run import Record
from nasmon.record.spectra import SpectraAt
from nasmon.record.widths import WidthEvidence
from nasmon.widths.graph import WidthGroup

Companion = Literal["layers", "record", "spectra", "widths"]
"""What may lie beside a run's CSV."""

WITHOUT: Mapping[Companion, str] = {
    "layers": "remove it to go on without the rows by layer",
    "record": "remove it to go on without savings and the task metric",
    "spectra": "remove it to go on without spectra and near-duplicate channels",
    "widths": "remove it to go on without what fewer channels would lose",
}
"""What to do with a file that cannot be read."""

_PLACES = {
    "layers": layers_path,
    "record": record_path,
    "spectra": spectra_path,
    "widths": widths_path,
}

# three digits, the fewest that a spreadsheet may have left of a number and a run is known by
_DIGITS = {"rtol": 5e-3, "atol": 5e-4}


class Absence(NamedTuple):
    """Why a file is of no use, and what to do about it: two halves of a sentence."""

    state: str  # such as "run_layers.csv is not there"
    remedy: str  # such as "copy it beside run.csv"

    @property
    def sentence(self) -> str:
        """Both halves."""
        return f"{self.state}; {self.remedy}"


def unpacked_path(csv_path: Path) -> Path:
    """The name of a CSV without the ending of gzip."""
    return csv_path.with_suffix("") if csv_path.suffix.lower() == ".gz" else csv_path


def companion_path(csv_path: Path, kind: Companion) -> Path:
    """Where a file lies, packed or not; where it should, if it is not there."""
    path = _PLACES[kind](unpacked_path(csv_path))
    packed = path.with_name(f"{path.name}.gz")
    if kind != "layers":
        return path
    places = (packed, path) if csv_path != unpacked_path(csv_path) else (path, packed)
    return next((place for place in places if place.exists()), path)


def companion_file(csv_path: Path, kind: Companion) -> TableFile | None:
    """A file that is there; None if it is not.

    Raises:
        UsageError: it is a folder, a pipe or a device.
    """
    file = TableFile(companion_path(csv_path, kind), WITHOUT[kind])
    if not file.path.exists():
        return None
    check_is_file(file)
    return file


def not_there(csv_path: Path, kind: Companion, is_ours: bool = True) -> Absence:
    """What is said of a file that is not there; the CSV of another monitor never had one."""
    path = companion_path(csv_path, kind)
    remedy = f"copy it beside {csv_path.name}" if is_ours else "a training under nasmon writes it"
    return Absence(f"{path} is not there", remedy)


def of_another_run(csv_path: Path, kind: Companion) -> Absence:
    """What is said of a file that is there, but not this run's."""
    path = companion_path(csv_path, kind)
    return Absence(f"{path} is another run's", f"put that of {csv_path.name} in its place")


def left_out_note(csv_path: Path, kind: Companion, reason: str) -> str:
    """What a reader must know of a file that is not this run's."""
    return f"{companion_path(csv_path, kind)} is another run's and was left out: {reason}"


def foreign_layers(rows: pd.DataFrame, last: pd.Series, readings: pd.DataFrame) -> str:
    """Why rows by layer are not those of a run.

    Args:
        rows: by layer, with ``reading``, counted from 0.
        last: the run's last reading.
        readings: all of the run's, with the columns that its CSV has.

    Returns:
        The difference; "" if they may be the run's.
    """
    if not are_of(rows, last).any():
        return f"it does not have the CSV's last reading, of step {last['step']:,.0f}"
    whole, _ = whole_readings(rows)
    latest = whole[whole["reading"] == whole["reading"].max()]
    step = latest["step"].iloc[-1]
    there = readings[are_of(readings, latest.iloc[-1])]
    if not len(there):
        return f"it has step {step:,.0f}, which the CSV does not have"
    differs = _other_numbers(latest, there.iloc[-1])
    return f"at step {step:,.0f} {differs}" if differs else ""


def _other_numbers(latest: pd.DataFrame, reading: pd.Series) -> str:
    """Where the layers of one reading do not make what the run's CSV has of all layers."""
    channels = latest["channels"].to_numpy(np.float64)
    if not (channels >= 1).all():
        # damaged, which whoever reads it says
        return ""
    for metric in AGGREGATED:
        if metric.name not in reading:
            continue
        of_layers = aggregate(metric, latest[metric.name].to_numpy(np.float64), channels)
        of_run = float(reading[metric.name])
        if not np.isclose(of_layers, of_run, equal_nan=True, **_DIGITS):
            return (
                f"its {metric.name} over all layers is {of_layers:.4g}, that of the CSV "
                f"{of_run:.4g}"
            )
    return ""


def foreign_record(
    record: Record, ends: Sequence[float], choice: Choice, widths: Mapping[str, int] | None
) -> str:
    """Why a record is not that of a run.

    Args:
        record: what lies beside the CSV.
        ends: the step of the run's last reading, and of such as only its rows by layer have.
        choice: which of the file's runs it is.
        widths: channels by layer at the latest reading; None where they are not known.

    Returns:
        The difference; "" if it may be the run's.
    """
    if not choice.is_last:
        return f"it tells of the last of the {choice.runs} runs in the CSV"
    if record.status != "running" and record.last_step not in (None, *ends):
        return f"it ends at step {record.last_step:,}, the CSV at step {ends[0]:,.0f}"
    recorded = {layer.name: layer.channels for layer in record.layers}
    return "" if widths is None else _other_widths(recorded, widths)


def foreign_spectra(
    latest: SpectraAt, moments: pd.DataFrame, choice: Choice, widths: Mapping[str, int] | None
) -> str:
    """Why spectra are not those of a run.

    Args:
        latest: those of the latest reading.
        moments: epochs and steps of all that is known to have been read.
        choice: which of the file's runs it is.
        widths: channels by layer at the latest reading; None where they are not known.

    Returns:
        The difference; "" if they may be the run's.
    """
    other = _other_moment("they are", latest, moments, choice)
    if other:
        return other
    spectra = {name: len(layer.eigenvalues) for name, layer in latest.layers.items()}
    return "" if widths is None else _other_widths(spectra, widths)


def foreign_evidence(
    evidence: WidthEvidence, moments: pd.DataFrame, choice: Choice, groups: Sequence[WidthGroup]
) -> str:
    """Why what fewer channels would lose is not that of a run.

    Args:
        evidence: what lies beside the CSV.
        moments: epochs and steps of all that is known to have been read.
        choice: which of the file's runs it is.
        groups: of widths, as the run's record tells.

    Returns:
        The difference; "" if it may be the run's.
    """
    other = _other_moment("it is", evidence, moments, choice)
    if other:
        return other
    own = {group.leader: group.channels for group in groups if not group.fixed_by}
    return _other_widths({one.leader: len(one.order) for one in evidence.groups}, own)


def _other_moment(
    which: str, found: SpectraAt | WidthEvidence, moments: pd.DataFrame, choice: Choice
) -> str:
    """Why what was taken at one reading is not a run's; "" if it may be."""
    if not choice.is_last:
        return f"{which} of the last of the {choice.runs} runs in the CSV"
    if not are_of(moments, pd.Series({"epoch": found.epoch, "step": found.step})).any():
        return f"{which} of step {found.step:,}, which the CSV does not have"
    return ""


def _other_widths(given: Mapping[str, int], widths: Mapping[str, int]) -> str:
    for name, channels in given.items():
        if name not in widths:
            return f"it has a layer {name!r}, which the run does not have"
        if channels != widths[name]:
            return f"it has {channels} channels in layer {name!r}, the run {widths[name]}"
    absent = next((name for name in widths if name not in given), None)
    return "" if absent is None else f"it lacks the run's layer {absent!r}"

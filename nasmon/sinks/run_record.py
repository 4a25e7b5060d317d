"""What a run leaves besides its CSV files: the record of what ran, and spectra."""

import atexit
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from nasmon.errors import UsageError
from nasmon.reading import Reading
from nasmon.record.files import (
    beside,
    curves_path,
    exported_path,
    given_path,
    record_path,
    shrunk_path,
    spectra_path,
    widths_path,
)
from nasmon.record.run import LayerRecord, Rebuild, Record, read_record, write_record
from nasmon.record.spectra import Arrays, arrays_of, first_arrays, write_spectra
from nasmon.record.widths import WidthEvidence, write_curves, write_widths
from nasmon.widths.graph import Structure

SHARE = 0.002
"""Of the time from one writing of spectra to the next, the most that goes into it, and so of their
pictures: little of what readings may take."""


ChosenValue = bool | int | float | str


class Origin(NamedTuple):
    """Where a run comes from, as far as the one who starts it tells.

    Example:
        >>> Origin(seed=1, history="logs/history.csv").seed
        1
    """

    command: Sequence[str] = ()  # the process's own command line if empty
    seed: int | None = None
    rebuild: Rebuild | None = None  # how to train the same model with other widths
    history: str | os.PathLike[str] | None = None  # the CSV of the training's own history
    choices: Mapping[str, ChosenValue] = {}  # what was chosen, such as the batch size


UNKNOWN_ORIGIN = Origin()


class Watched(NamedTuple):
    """What a monitor watches, as a sink is told before the first reading.

    Example:
        >>> Watched("model", 32, {}, layers=(), params=10, macs=None, structure=None).samples
        32
    """

    model_name: str
    samples: int  # of a whole reading
    thresholds: dict[str, float]  # by name, as in nasmon.thresholds.THRESHOLDS
    layers: tuple[LayerRecord, ...]  # each with name, kind, channels, params, macs and more
    params: int  # of the whole model
    macs: int | None  # of the whole model, for one input; None where not known
    structure: Structure | None  # how the widths hang together; None where not known
    unknown_structure: str = ""  # why it is None
    choices: Mapping[str, ChosenValue] = {}  # what runs may differ in, by name


class RunSink:
    """Writes ``<stem>_run.json`` when a run begins and when it ends, and what else it leaves.

    That is ``<stem>_spectra.npz``, ``<stem>_widths.npz`` and ``<stem>_widths.csv``. All are
    replaced as wholes, so that a reader never meets half a file. Spectra are written with
    each reading as long as that takes a five-hundredth of the time, and at the end; correlations
    are fetched from the device for that alone.

    Args:
        csv_path: the run's CSV; its folder exists.
        origin: where the run comes from.
        continues: whether an earlier run is continued.
        left_open: the status of a run that nobody ended although its process did in peace.
        last_step: what the CSV ends with, asked when the run ends.
    """

    def __init__(
        self,
        csv_path: Path,
        origin: Origin = UNKNOWN_ORIGIN,
        continues: bool = False,
        left_open: str = "ended",
        last_step: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._record_path, self._spectra_path = record_path(csv_path), spectra_path(csv_path)
        self._widths_path, self._curves_path = widths_path(csv_path), curves_path(csv_path)
        self._exported_path = exported_path(csv_path)
        self.place = str(self._record_path)
        self._last_step = last_step
        self._history = given_path(origin.history) if origin.history else None
        self._origin = origin
        self._earlier: tuple[dict[str, Any], ...] = ()
        self._earlier_layers: tuple[LayerRecord, ...] = ()
        self._first: Arrays | None = None
        if continues:
            self._take_up()
        else:
            # those of a model that was there before, too
            for path in (*beside(csv_path), shrunk_path(csv_path), self._exported_path):
                path.unlink(missing_ok=True)
        self._latest: Reading | None = None
        self._rest_until = 0.0
        self._record: Record | None = None
        self._left_open = left_open

    def begin(self, watched: Watched) -> None:
        """Writes the record of a run that is running.

        Raises:
            UsageError: the run to continue is of other layers.
        """
        self._check_same_layers(watched.layers)
        self._record = Record(
            model_name=watched.model_name,
            status="running",
            error=None,
            started=_now(),
            ended=None,
            command=tuple(self._origin.command or sys.orig_argv),
            seed=self._origin.seed,
            samples=watched.samples,
            versions=_versions(),
            thresholds=dict(watched.thresholds),
            layers=watched.layers,
            params=watched.params,
            macs=watched.macs,
            structure=watched.structure,
            rebuild=self._origin.rebuild,
            history=Path(self._history) if self._history else None,
            earlier=self._earlier,
            unknown_structure=watched.unknown_structure,
        )
        write_record(self._record_path, self._record)
        atexit.register(self._leave)

    def write(self, reading: Reading) -> None:
        """Keeps the spectra of a reading, and writes them unless that was just done."""
        self._run_on()
        if reading.spectra is None:
            return
        begun = time.perf_counter()
        self._first = self._first or arrays_of("first", reading)
        self._latest = reading
        if begun >= self._rest_until:
            self._write_spectra()
            ended = time.perf_counter()
            self._rest_until = ended + (ended - begun) / SHARE

    def keep_widths(self, evidence: WidthEvidence) -> None:
        """Writes what fewer channels would lose."""
        # not into a folder that was removed in the meantime
        if self._record_path.exists():
            write_curves(self._curves_path, evidence)
            write_widths(self._widths_path, evidence)

    def close(self, status: str, error: str | None = None) -> None:
        """Writes what is left, and how the run ended: "ended", "interrupted" or "failed"."""
        atexit.unregister(self._leave)
        # a folder that was removed in the meantime is not made again
        if self._record is None or not self._record_path.exists():
            return
        try:
            self._write_spectra()
        finally:
            if self._record.status == "running":
                self._record = self._record._replace(
                    status=status, error=error, ended=_now(), last_step=self._last_step()
                )
                write_record(self._record_path, self._record)

    def _check_same_layers(self, layers: Sequence[LayerRecord]) -> None:
        """Refuses to continue the run of another model under the same name."""
        then, now = (
            [(one.name, one.channels) for one in a] for a in (self._earlier_layers, layers)
        )
        differing = next((pair for pair in zip_longest(then, now) if pair[0] != pair[1]), None)
        if then and differing is not None:
            was, is_now = (_width_text(one) for one in differing)
            raise UsageError(
                f"{self._record_path} is of a run with other layers ({was}, now {is_now}), which "
                "this one cannot continue; choose another csv_path or log_dir, or pass "
                'if_exists="overwrite" to replace it'
            )

    def _run_on(self) -> None:
        """A run that was closed goes on: its model is trained once more."""
        if self._record is not None and self._record.status != "running":
            self._record = self._record._replace(
                status="running", error=None, ended=None, last_step=None
            )
            write_record(self._record_path, self._record)
            atexit.register(self._leave)

    def _leave(self) -> None:
        """The process ends, and nobody said how the run did."""
        error = getattr(sys, "last_value", None)
        how: tuple[str, ...] = (self._left_open,)
        if isinstance(error, KeyboardInterrupt):
            how = ("interrupted",)
        elif error is not None:
            how = ("failed", f"{type(error).__name__}: {error}")
        try:
            self.close(*how)
        except OSError as failure:
            warnings.warn(
                f"nasmon: {self.place} cannot be completed ({failure})",
                RuntimeWarning,
                stacklevel=1,
            )

    def _take_up(self) -> None:
        # of the model as it was
        self._exported_path.unlink(missing_ok=True)
        if self._record_path.exists():
            last = read_record(self._record_path)
            self._earlier_layers = last.layers
            names = ("started", "ended", "status", "command")
            self._earlier = (*last.earlier, {name: getattr(last, name) for name in names})
        if self._spectra_path.exists():
            self._first = first_arrays(self._spectra_path)

    def _write_spectra(self) -> None:
        latest = self._latest and arrays_of("latest", self._latest)
        # a reading that another was to follow, which never came, has let its spectra go
        if latest and self._first:
            write_spectra(self._spectra_path, {**self._first, **latest})
        self._latest = None


def _width_text(layer: tuple[str, int] | None) -> str:
    return "none" if layer is None else f"{layer[0]} of {layer[1]} channels"


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("nasmon", "tensorflow", "keras", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            # used from a folder that was never installed
            found[name] = "unknown"
    return found

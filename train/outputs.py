"""Where a run puts its files, what is written into them, and what came of the run."""

from __future__ import annotations

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nasmon.record import files
from nasmon.record.files import regular_only, whole_file
from nasmon.train.options import Settings

if TYPE_CHECKING:
    import keras

    from nasmon import NASMonitorCallback


class Outputs(NamedTuple):
    """The files and folders of one run; all but the first two are None without the monitor."""

    model: Path
    history: Path
    metrics: Path | None = None  # one row a reading
    layer_metrics: Path | None = None  # one row a reading and layer
    record: Path | None = None  # what ran
    spectra: Path | None = None  # of the first and the latest reading
    widths: Path | None = None  # what fewer channels would lose
    curves: Path | None = None  # the same, for people
    events: Path | None = None  # folder of TensorBoard's event files

    @property
    def files(self) -> list[Path]:
        """All of them that are files."""
        return [path for path in self[:-1] if path is not None]


def outputs_of(settings: Settings, stem: str | None = None) -> Outputs:
    """Name the files of a run; nothing is touched.

    Args:
        settings: Of the run.
        stem: What the files are named after; the model if None.
    """
    training, nas = settings.training, settings.nas
    folder, stem = Path(training.output_dir), stem or training.model
    model, history = folder / f"{stem}.keras", folder / f"{stem}_history.csv"
    if not nas.enabled:
        return Outputs(model, history)

    log_dir = Path(nas.log_dir)
    metrics = Path(nas.csv_path or files.metrics_path(log_dir, stem))
    return Outputs(
        model,
        history,
        metrics,
        files.layers_path(metrics),
        files.record_path(metrics),
        files.spectra_path(metrics),
        files.widths_path(metrics),
        files.curves_path(metrics),
        log_dir / stem,
    )


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model; a file already there is replaced only when the new one is whole."""
    with whole_file(path) as unfinished:
        model.save(unfinished)


class HistoryFile:
    """The history CSV: one row per finished epoch, on disk when ``add`` returns."""

    COLUMNS = ("epoch", "loss", "miou", "val_loss", "val_miou", "learning_rate", "seconds")

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is written before ``begin``."""
        self.path = path
        self._since: float | None = None

    def begin(self) -> None:
        """Write the header, over any earlier file; a second call does nothing."""
        if self._since is None:
            self._write(self.COLUMNS, "w")
            self._since = time.perf_counter()

    def add(self, epoch: int, logs: Mapping[str, float], learning_rate: float) -> None:
        """Append an epoch, with its last learning rate and the seconds since the row before."""
        self.begin()
        now = time.perf_counter()
        measured = [float(logs[name]) for name in self.COLUMNS[1:5]]
        self._write((epoch, *measured, learning_rate, round(now - (self._since or now), 3)), "a")
        self._since = now

    def _write(self, row: tuple[object, ...], mode: str) -> None:
        with open(self.path, mode, newline="", encoding="utf-8", opener=regular_only) as file:
            csv.writer(file, lineterminator="\n").writerow(row)


class TrainingRun(NamedTuple):
    """What came of a run, as ``train`` returns it.

    Example:
        >>> from nasmon.train.config import resolve_settings
        >>> settings = resolve_settings()
        >>> run = TrainingRun(None, {"val_miou": [0.7, 0.8]}, None, outputs_of(settings), settings)
        >>> run.history["val_miou"][-1], str(run.outputs.model)
        (0.8, 'logs/nano_u.keras')
    """

    model: keras.Model
    history: dict[str, list[float]]  # by quantity, one value per finished epoch
    callback: NASMonitorCallback | None  # None without the monitor
    outputs: Outputs
    settings: Settings


class TrainingInterrupted(KeyboardInterrupt):
    """Training was ended by Ctrl-C after everything so far was saved; ``run`` holds it."""

    def __init__(self, run: TrainingRun) -> None:
        """Keep the run that was cut short."""
        super().__init__("interrupted")
        self.run = run

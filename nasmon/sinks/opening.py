"""The places for readings that a monitor is asked for."""

import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from nasmon.errors import UsageError
from nasmon.reading import Reading
from nasmon.record.widths import WidthEvidence
from nasmon.sinks.csv_tables import CsvSink, IfExists
from nasmon.sinks.run_record import UNKNOWN_ORIGIN, Origin, RunSink, Watched
from nasmon.sinks.sink import Sink, place_of


def open_sinks(
    log_dir: str | os.PathLike[str] | None,
    csv_path: str | os.PathLike[str] | None,
    if_exists: IfExists,
    origin: Origin = UNKNOWN_ORIGIN,
    left_open: str = "ended",
    by_keras: bool = False,
) -> list[Sink]:
    """The sinks that are asked for; CSV first, as it may refuse.

    Args:
        log_dir: TensorBoard folder, or None for no TensorBoard.
        csv_path: the run's CSV, or None for neither CSV nor record.
        if_exists: "error", "append" or "overwrite".
        origin: for the run's record.
        left_open: the status of a run that nobody ended although its process did in peace.
        by_keras: whether Keras's TensorBoard callback writes beside us.

    Raises:
        ValueError: a place that cannot be written.
        FileExistsError: an earlier run's CSV is in the way.
    """
    sinks: list[Sink] = []
    if csv_path is not None:
        table = CsvSink(csv_path, if_exists)
        continues = if_exists == "append"
        sinks.append(table)
        sinks.append(RunSink(table.path, origin, continues, left_open, lambda: table.last_step))
    if log_dir is not None:
        # loaded for those who want it
        from nasmon.sinks.tensorboard import TensorBoardSink

        run = Path(csv_path).stem if csv_path is not None else "run"
        sinks.append(TensorBoardSink(log_dir, run, if_exists == "overwrite", by_keras))
    return sinks


def _ignore(*kept: object) -> None:
    """Of a sink that keeps no such thing."""


ErrorPolicy = Literal["warn", "raise"]

ERROR_POLICIES: tuple[ErrorPolicy, ...] = ("warn", "raise")


class Sinks:
    """Several sinks as one; one that fails is left out from then on, and the others go on.

    Some have methods besides: ``keep_widths(evidence)``, called before ``close``, if the run ended
    well, with what fewer channels would lose; ``keep_logs(logs, step)``, with the training's loss
    and metrics; ``draw()``, after each reading, once its time is known.

    Args:
        sinks: in the order in which they are asked.
        on_error: "warn" once of a sink that fails, or "raise" what it raised.

    Example:
        >>> class Kept(Sink):
        ...     def write(self, reading):
        ...         self.latest = reading
        >>> one, other = Kept(), Kept()
        >>> Sinks([one, other]).write("a reading")
        >>> one.latest, other.latest
        ('a reading', 'a reading')
    """

    def __init__(self, sinks: Iterable[Sink], on_error: ErrorPolicy = "warn") -> None:
        self._sinks = list(sinks)
        self._on_error = on_error

    def begin(self, watched: Watched) -> None:
        """Tells all what will be read.

        Raises:
            UsageError: a sink cannot go on with what is watched.
        """
        self._ask_all(lambda sink: sink.begin(watched), may_refuse=True)

    def write(self, reading: Reading) -> None:
        """Has all keep a reading."""
        self._ask_all(lambda sink: sink.write(reading))

    @property
    def keep_widths_too(self) -> bool:
        """Whether any keeps what fewer channels would lose."""
        return any(hasattr(sink, "keep_widths") for sink in self._sinks)

    def keep_widths(self, evidence: WidthEvidence) -> None:
        """Has those that do so keep what fewer channels would lose."""
        self._ask_all(lambda sink: getattr(sink, "keep_widths", _ignore)(evidence))

    def keep_logs(self, logs: Mapping[str, float], step: int) -> None:
        """Has those that do so keep the training's loss and metrics."""
        self._ask_all(lambda sink: getattr(sink, "keep_logs", _ignore)(logs, step))

    def draw(self) -> None:
        """Has those that do so draw what is due."""
        self._ask_all(lambda sink: getattr(sink, "draw", _ignore)())

    def close(self, status: str, error: str | None = None) -> None:
        """Ends the run in all of them."""
        self._ask_all(lambda sink: sink.close(status, error))

    def _ask_all(self, action: Callable[[Sink], None], may_refuse: bool = False) -> None:
        for sink in list(self._sinks):
            try:
                action(sink)
            # a user's own code may ask to leave
            except (Exception, SystemExit) as error:
                if self._on_error == "raise" or (may_refuse and isinstance(error, UsageError)):
                    raise
                self._sinks.remove(sink)
                warnings.warn(
                    f"nasmon: {place_of(sink)} cannot be written, and gets nothing more in this "
                    f"run, which goes on; {type(error).__name__}: {error}",
                    RuntimeWarning,
                    stacklevel=4,
                )

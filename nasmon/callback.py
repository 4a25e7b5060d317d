"""NASMonitorCallback: when to probe, and where readings go."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsInt

import keras
import pandas as pd

from nasmon.arguments import ARGUMENTS
from nasmon.budget import DEFAULT_BUDGET, OverheadBudget
from nasmon.errors import ProbeDataError, UsageError
from nasmon.fit_data import (
    PassingBatches,
    check_csv_loggers,
    validation_data_of_fit,
    writes_to_tensorboard,
)
from nasmon.html import html_of
from nasmon.kernels.metric_table import AGGREGATED
from nasmon.monitor import DEFAULT_MAX_ROWS, Monitor
from nasmon.plotting import plot
from nasmon.probe_set import is_one_shot
from nasmon.reading import Reading
from nasmon.record.files import csv_of_run, given_path
from nasmon.schedule import Schedule
from nasmon.sinks.csv_tables import IfExists
from nasmon.sinks.opening import ErrorPolicy, open_sinks
from nasmon.sinks.run_record import UNKNOWN_ORIGIN, ChosenValue, Origin
from nasmon.sinks.sink import Sink
from nasmon.table import Part, text_of
from nasmon.taps import choose_taps, is_built
from nasmon.thresholds import merged_thresholds
from nasmon.training_steps import StepsSoFar, iterations_of
from nasmon.values import checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FREQUENT_MAX_ROWS = 4_096
"""With ``log_freq="batch"``: a reading a second has to be cheap, and is one of many; what it misses
is less than what other samples would change (bench/test_thinning.py)."""


class NASMonitorCallback(keras.callbacks.Callback):
    """Reads the spectra of a model's layers while ``fit`` trains it.

    Readings go to TensorBoard, to two CSV files, to ``readings``, and into Keras's ``logs`` as
    ``nas_<metric>``; put the callback before those that are to see it there, such as
    ``EarlyStopping(monitor="nas_redundancy_score", mode="min")`` and ``CSVLogger``. The training
    itself is bit for bit what it would be without it.

    Readings keep within ``overhead_budget``. One that there is no room for takes fewer samples, as
    long as they are enough for the estimate; else it is postponed, to the next epoch, or with
    ``log_freq="batch"`` to the first batch with room. A training's last one is always taken, and
    that of its first epoch: so ``logs`` have their columns from the beginning. A later epoch
    without a reading has NaN there. A reading is of the weights that the validation of its epoch
    begins with.

    A copy (``copy.deepcopy``, ``pickle``) is a callback of the same arguments that has watched
    nothing yet; a deep copy shares the data, the model and the sinks that it was given.

    Args:
        validation_data: what to probe with, in any form that ``fit`` takes; what ``fit`` was given
            as its own validation data if None. Labels are dropped.
        model: what to watch in place of the model that ``fit`` trains: a part of it, such as the
            generator of a GAN, which needs ``validation_data`` of its own.
        log_dir: TensorBoard folder; None for no TensorBoard. Places are fixed when they are given:
            a process that changes its folder later goes on writing there.
        csv_path: the run's CSV, with ``<stem>_layers.csv`` beside it;
            ``<log_dir>/<model name>_nas_metrics.csv`` if None, no CSV if False or without log_dir.
        log_freq: "epoch" for a reading after every epoch, "batch" for one after every
            ``batch_freq`` batches as well; all readings then take only as many samples as give
            every layer ten rows a channel.
        batch_freq: batches between two readings, at least 1.
        layers: "auto" for every layer that owns a width (the model's output where none does),
            "output" for the model's output, or names, globs and /regular expressions/.
        samples: validation samples to probe with, at least 1.
        chunk: the most samples a forward pass; 16 if None.
        max_rows: the most rows (samples times positions) that a layer contributes to a reading, as
            far as they are ten a channel; of more, evenly spaced ones are taken. 16,384 if None,
            4,096 with ``log_freq="batch"``.
        overhead_budget: the share of the training time that readings may take; None for no limit.
            Validation is not training time, nor is what callbacks after this one do at the end of
            an epoch.
        thresholds: any of ``nasmon.thresholds.THRESHOLDS``, for the remarks in
            ``summary()``.
        on_error: what a failure inside the monitor does: "warn" once and go on without it, or
            "raise". A file that cannot be written costs that file alone. A wrong argument is an
            error before training begins in either case.
        if_exists: what to do with an earlier run's CSV: "error", "append" or "overwrite". A ``fit``
            that resumes with ``initial_epoch`` appends by itself.
        sinks: other places for readings, such as an experiment tracker: objects like
            ``nasmon.Sink``.
        width_evidence: whether to find out, when the run ends, what each layer's width would lose
            with fewer channels, and keep it beside the CSV for ``analysis.recommend``; counted as
            set-up.
        origin: what the run's record tells of where it comes from: seed, command, history.
        verbose: 0 to say nothing on a terminal of what takes long, such as setting up.

    Attributes:
        readings: list of Reading, so far.
        csv_path: where the run's CSV is; None if there is none, or before training.

    Raises:
        ValueError: a wrong argument; the message names it and says what would work.
        FileExistsError: an earlier run's CSV is in the way (when training begins).

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="dense")])
        >>> model.compile("adam", "mse")
        >>> x, y = np.random.default_rng(0).random((2, 64, 8), np.float32)
        >>> callback = NASMonitorCallback((x[:, :4],), log_dir=None)
        >>> history = model.fit(x[:, :4], y, epochs=1, verbose=0, callbacks=[callback])
        >>> callback.readings[-1]["dense"]["rank_99"]
        4.0
    """

    def __init__(
        self,
        validation_data: Any = None,
        *,
        model: keras.Model | None = None,
        log_dir: str | os.PathLike[str] | None = "logs/nas",
        csv_path: str | os.PathLike[str] | Literal[False] | None = None,
        log_freq: Literal["epoch", "batch"] = "epoch",
        batch_freq: int = 10,
        layers: str | Sequence[str] = "auto",
        samples: int = 32,
        chunk: int | None = None,
        max_rows: int | None = None,
        overhead_budget: float | None = DEFAULT_BUDGET,
        thresholds: Mapping[str, float] | None = None,
        on_error: ErrorPolicy = "warn",
        if_exists: IfExists = "error",
        sinks: Sequence[Sink] = (),
        width_evidence: bool = True,
        origin: Origin = UNKNOWN_ORIGIN,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        checked(
            ARGUMENTS,
            **{"layers": layers, "samples": samples, "chunk": chunk, "max_rows": max_rows},
            **{"log_dir": log_dir, "csv_path": csv_path, "log_freq": log_freq},
            **{"batch_freq": batch_freq, "overhead_budget": overhead_budget, "origin": origin},
            **{"on_error": on_error, "if_exists": if_exists, "width_evidence": width_evidence},
            **({} if model is None else {"model": model}),
            **{"sinks": sinks, "verbose": verbose},
        )
        self._validation_data, self._part = validation_data, model
        self._log_dir = None if log_dir is None else given_path(log_dir)
        self._csv_path = given_path(csv_path) if csv_path else csv_path
        self._if_exists = if_exists
        self._given_sinks = list(sinks)
        self._width_evidence = width_evidence
        self._origin, self._verbose = origin, verbose
        self._on_error = on_error
        self._layers, self._samples, self._chunk = layers, samples, chunk
        self._log_freq, self._batch_freq = log_freq, batch_freq
        default = FREQUENT_MAX_ROWS if log_freq == "batch" else DEFAULT_MAX_ROWS
        self._max_rows = default if max_rows is None else max_rows
        self._thresholds = merged_thresholds(thresholds)
        self._overhead_budget = overhead_budget
        self._watch_nothing_yet()

    def _watch_nothing_yet(self) -> None:
        """Sets what belongs to trainings, and not to the arguments."""
        self.csv_path: Path | None = None
        self._schedule = Schedule(self._log_freq, self._batch_freq)
        self._budget = OverheadBudget(self._overhead_budget)
        self._monitor: Monitor | None = None
        self._source: Any = None
        self._sinks: list[Sink] = []
        self._off = False
        self._logged = False  # whether this fit's logs have had values
        if self._schedule.frequent:
            # on the instance only: in epoch mode Keras finds no batch hook to call
            self.on_train_batch_begin = self._begin_batch
            self.on_train_batch_end = self._end_batch

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name not in _OF_TRAININGS}
        return {**state, "_model": None, "params": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch_nothing_yet()

    def __deepcopy__(self, memo: dict[int, Any]) -> "NASMonitorCallback":
        given = (self._validation_data, self._part, *self._given_sinks)
        memo |= {id(shared): shared for shared in given}
        copied = type(self).__new__(type(self))
        copied.__setstate__(deepcopy(self.__getstate__(), memo))
        return copied

    @property
    def readings(self) -> list[Reading]:
        """All readings so far; the first and the latest hold their spectra, as ``Monitor``'s."""
        return self._monitor.readings if self._monitor else []

    @property
    def monitor(self) -> Monitor:
        """The Monitor that takes the readings, once training has begun.

        Raises:
            RuntimeError: nothing was monitored yet.
        """
        if self._monitor is None:
            raise RuntimeError("nothing was monitored; call fit with this callback first")
        return self._monitor

    def to_frame(self) -> pd.DataFrame:
        """One row per reading and layer, as ``Monitor.to_frame``.

        Raises:
            RuntimeError: nothing was monitored yet.
        """
        return self.monitor.to_frame()

    def summary(self) -> str:
        """A table of the latest reading as plain text, with what the monitor cost."""
        return text_of(self.summary_parts())

    def summary_parts(self) -> list[Part]:
        """What ``summary`` shows, as ``Monitor.summary_parts``."""
        return self._monitor.summary_parts() if self._monitor else ["nothing was monitored"]

    def _repr_html_(self) -> str:
        """What ``summary`` shows, in a notebook."""
        return html_of(self.summary_parts())

    def plot(self, kind: str = "dashboard", **options: Any) -> "Figure":
        """A picture of the readings so far, as ``nasmon.plot`` draws it.

        Raises:
            RuntimeError: nothing was monitored yet.
        """
        return plot(self, kind, **options)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Notes where the optimizer stands; preparing waits for the first epoch's number."""
        self._off = self._logged = False
        self._budget.abandon()
        self._schedule.begin_fit()
        self._first_iteration = self._guarded(lambda: int(iterations_of(self.model))) or 0
        self._guarded(lambda: check_csv_loggers(self.model, self, _LOGGED[0]))
        if self._monitor is not None and not self._monitor.watches(self._watched):
            self._monitor = self._source = None
            self._budget = OverheadBudget(self._overhead_budget)
        self._trained_before = self._budget.training_seconds

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Prepares before the first epoch."""
        self._schedule.begin_epoch(epoch)
        if self._source is None:
            self._guarded(self._prepare, mendable=True)
        if not self._schedule.frequent:
            self._budget.resume()

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begins the epoch's reading, which the device takes while ``fit`` goes on to validate.

        Also begins to copy what the validation draws from a generator.
        """
        if not self._schedule.training:
            return
        self._budget.pause()
        if isinstance(self._source, PassingBatches):
            self._guarded(lambda: self._source.begin(self.model))
        self._guarded(self._ask_for_epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Waits for the epoch's reading and adds it to ``logs``."""
        self._budget.pause()
        reading = self._guarded(self._read_epoch)
        self._schedule.end_epoch()
        if logs is None or self._off or self._monitor is None:
            return
        self._guarded(lambda: self.monitor.log(logs, self._step(epoch, None)))
        self._logged |= reading is not None
        if not self._logged:
            return
        values = [float("nan")] * len(_LOGGED)
        if reading is not None:
            values = list(reading.aggregates.values())
        logs.update(zip(_LOGGED, values, strict=True))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Takes the last reading if it is still due, and completes the run's record."""
        self._guarded(self._end)

    def close(self, status: str = "ended", error: str | None = None) -> None:
        """Completes the run's record, as ``Monitor.close``; ``fit`` does it when it ends."""
        if self._monitor is not None:
            self._monitor.close(status, error)

    def _begin_batch(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._budget.resume()

    def _end_batch(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._budget.pause()
        if self._monitor is not None and self._monitor.in_flight:
            self._guarded(self._monitor.collect)
        asked = self._schedule.after_batch(batch + 1, self._steps())
        if asked is not None:
            self._guarded(lambda: self._ask(batch + 1, retry=asked == "retry"))

    @property
    def _watched(self) -> keras.Model:
        return self.model if self._part is None else self._part

    def _prepare(self) -> None:
        """Finds the data, opens the files, and sets up if the model is ready for it.

        A subclassed model may be built only by its first training step, which must find it as it
        would without the monitor; setting up then waits for the first reading.
        """
        source = self._find_source()
        choose_taps(self._watched, self._layers)
        resumed = self._schedule.epoch > 0 and self._if_exists == "error"
        self.csv_path = csv_of_run(self._csv_path, self._log_dir, self._watched.name)
        if_exists = "append" if resumed else self._if_exists
        opened = open_sinks(
            self._log_dir,
            self.csv_path,
            if_exists,
            self._origin,
            left_open="interrupted",
            by_keras=writes_to_tensorboard(self.model),
        )
        self._sinks = [*opened, *self._given_sinks]
        self._source = source
        if not isinstance(source, PassingBatches) and is_built(self._watched):
            self._watch(source)

    def _find_source(self) -> Any:
        given = self._validation_data
        if given is not None and not is_one_shot(given):
            return given
        in_fit = validation_data_of_fit(self.model, required=given is None)
        if is_one_shot(in_fit) and (given is None or given is in_fit):
            return PassingBatches(self._samples)
        return given if given is not None else in_fit

    def _watch(self, data: Any) -> Monitor:
        # as fit reads it, a list of arrays is (x, y)
        data = tuple(data) if isinstance(data, list) else data
        self._monitor = Monitor(
            self._watched,
            data,
            layers=self._layers,
            samples=self._samples,
            chunk=self._chunk,
            max_rows=self._max_rows,
            overhead_budget=self._budget,
            # all readings of a run alike, or its curves would show which are which
            few_samples=self._schedule.frequent,
            sinks=self._sinks,
            on_error=self._on_error,
            thresholds=self._thresholds,
            width_evidence=self._width_evidence,
            verbose=self._verbose,
            origin=self._origin._replace(choices={**self._choices(), **self._origin.choices}),
        )
        return self._monitor

    def _choices(self) -> dict[str, ChosenValue]:
        """What is chosen here and in ``fit``, for a table of runs."""
        read_every = {"batch_freq": self._batch_freq} if self._schedule.frequent else {}
        epochs = {"epochs": self.params["epochs"]} if "epochs" in self.params else {}
        return {"log_freq": self._log_freq, **read_every, **epochs}

    def _ask_for_epoch(self) -> None:
        """Asks for the reading at the end of an epoch, once."""
        if not self._schedule.asked:
            self._schedule.asked = self._ask()

    def _read_epoch(self) -> Reading | None:
        self._ask_for_epoch()
        if self._monitor is None or self._schedule.waiting:
            return None
        # waited for, as the epoch's logs end here
        return self._monitor.collect(wait=True)

    def _ask(self, batches: int | None = None, *, retry: bool = False, last: bool = False) -> bool:
        """Begins a reading, of the end of the epoch if ``batches`` is None, or has it wait.

        Returns:
            Whether there was data to ask for one.
        """
        if self._monitor is None:
            passing = isinstance(self._source, PassingBatches)
            if passing and not self._source.batches:
                return False
            self._watch(iter(self._source.batches) if passing else self._source)
        epoch, epochs = self._schedule.epoch, self.params.get("epochs")
        ended = batches is None and self._schedule.ends(epochs)
        trained = self._budget.training_seconds - self._trained_before
        begun = self.monitor.launch(
            lambda: self._step(epoch, batches),
            epoch=epoch,
            last=last or ended,
            # the columns of logs are fixed by what the first epoch has
            first=batches is None and not self._logged,
            retry=retry,
            remaining=self._schedule.remaining(trained, batches, self._steps(), epochs),
        )
        self._schedule.answer(begun)
        return True

    def _end(self) -> None:
        if self._schedule.waiting and self._monitor is not None:
            self._ask(retry=True, last=True)
        self.close()

    def _guarded(self, action: Callable[[], Any], mendable: bool = False) -> Any:
        """Runs a part of the monitor so that its failure does not break the training.

        Before training, a user's mistake is ``mendable`` and raised all the same; but not what is
        wrong with ``fit``'s own data, which were not meant for us.
        """
        if self._off:
            return None
        try:
            return action()
        # a model's own code may ask to leave
        except (Exception, SystemExit) as error:
            of_fit = isinstance(error, ProbeDataError) and self._validation_data is None
            mistake = mendable and isinstance(error, UsageError) and not of_fit
            if self._on_error == "raise" or mistake:
                raise
            self._off = True
            self._record_failure(error)
            warnings.warn(
                f"nasmon: switched off for the rest of this training, which goes on; "
                f'{type(error).__name__}: {error} (pass on_error="raise" to see where)',
                RuntimeWarning,
                stacklevel=2,
            )
            return None

    def _record_failure(self, error: BaseException) -> None:
        # the files may be what failed; the warning says it all the same
        with suppress(Exception):
            self.close("failed", f"the monitor was switched off; {type(error).__name__}: {error}")

    def _step(self, epoch: int, batches: int | None) -> SupportsInt:
        """Training steps so far: the optimizer's count, or where it has none, our own."""
        steps = self._steps() or 1
        own = epoch * steps + (batches or steps)
        return StepsSoFar(iterations_of(self.model), self._first_iteration, own)

    def _steps(self) -> int | None:
        return self.params.get("steps")


_LOGGED = [f"nas_{metric.name}" for metric in AGGREGATED]
"""What a reading is called in Keras's logs."""

_OF_TRAININGS = (
    *("csv_path", "_schedule", "_budget", "_monitor", "_source", "_sinks", "_off", "_logged"),
    *("on_train_batch_begin", "on_train_batch_end", "_first_iteration", "_trained_before"),
)
"""What a copy does not take over."""

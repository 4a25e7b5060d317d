"""Monitor: a probe within a budget, and where its readings go; for the callback and other loops."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, SupportsInt

import keras
import numpy as np
import pandas as pd

from nasmon.arguments import ARGUMENTS
from nasmon.budget import DEFAULT_BUDGET, OverheadBudget
from nasmon.errors import UsageError
from nasmon.html import html_of
from nasmon.in_flight import InFlight
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.narrowing.recorded import WidthRecorder
from nasmon.plotting import plot
from nasmon.probe import STAGES, Probe
from nasmon.progress import Progress
from nasmon.reading import LayerInfo, Reading, Spectra, frame
from nasmon.sinks.csv_tables import IfExists
from nasmon.sinks.opening import ErrorPolicy, Sinks, open_sinks
from nasmon.sinks.run_record import UNKNOWN_ORIGIN, Origin
from nasmon.sinks.sink import Sink
from nasmon.summary import summary_parts
from nasmon.table import Part, text_of
from nasmon.thresholds import merged_thresholds
from nasmon.values import checked
from nasmon.watched import choices_of, numbers_in, watched_by

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT_MAX_ROWS = 16_384
"""Neighbouring positions are so alike that more rows change no metric by half of what other samples
would (bench/test_thinning.py)."""


class Monitor:
    """Reads the spectra of a model's layers over a fixed set of inputs.

    Setting up caches the probe set on the device, traces the model and compiles the kernels; after
    that a reading traces and compiles nothing. The model's weights, optimizer, metrics and random
    state are never changed.

    ``read`` takes a reading at once, whatever it costs. ``launch`` hands one to the device if the
    budget has room for it; ``collect``, a step later, finishes it if the device is done.

    Args:
        model: a built Keras model, functional, nested or subclassed.
        x: inputs to probe with: an array, a dictionary or list of arrays, a tuple (x, y), a
            ``tf.data.Dataset``, a ``PyDataset`` or a generator of batches; labels are dropped.
        layers: "auto" for every layer that owns a width (the model's output where none does),
            "output", or names, globs and /regular expressions/.
        samples: how many samples of ``x`` to probe with.
        chunk: the most samples a forward pass; 16 if None.
        max_rows: the most rows (samples times positions) that a layer contributes to a reading, as
            far as they are ten a channel; of more, evenly spaced ones are taken. 16,384 if None.
        few_samples: whether to probe with fewer than ``samples`` samples, as soon as they give
            every layer ten rows a channel, but at least 8; for frequent readings.
        overhead_budget: the share of the training time that ``launch`` keeps the readings within;
            None for no limit. An ``OverheadBudget`` if someone else keeps the training's clock;
            otherwise all time but the monitor's own is training, less what ``budget.pause()`` and
            ``budget.resume()`` leave out.
        log_dir: TensorBoard folder, or None for no TensorBoard.
        csv_path: the run's CSV, or None for no CSV.
        if_exists: what to do with an earlier run's CSV: "error", "append" or "overwrite".
        on_error: what a place for readings that cannot be written does: "warn" once and be left
            out, while the others go on, or "raise".
        sinks: other places for readings, such as an experiment tracker: objects like
            ``nasmon.Sink``.
        thresholds: any of ``nasmon.thresholds.THRESHOLDS``, for the remarks in
            ``summary()``.
        width_evidence: whether to find out, when the run ends, what each layer's width would lose
            with fewer channels, and keep it beside the CSV for ``analysis.recommend``; counted as
            set-up.
        origin: what the run's record tells of where it comes from: seed, command, history.
        verbose: 0 to say nothing on a terminal of what takes long, such as setting up.

    Attributes:
        readings: list of Reading; the first and the latest hold their spectra, the latest until
            another one is launched.
        layers: the monitored layers, as LayerInfo.
        budget: the account of the training's and the monitor's time.
        postponed: how often ``launch`` refused.

    Raises:
        ValueError: a selector that matches nothing, bad numbers, no data, a model that changes
            its variables when called; each names the value and the remedy.
        FileExistsError: an earlier run's CSV is in the way.

    Example:
        >>> inputs = keras.Input((8,))
        >>> model = keras.Model(inputs, keras.layers.Dense(4, name="dense")(inputs))
        >>> monitor = Monitor(model, np.random.default_rng(0).random((32, 8), np.float32))
        >>> monitor.read(step=0)["dense"]["rows"]
        32.0
    """

    def __init__(
        self,
        model: keras.Model,
        x: Any,
        *,
        layers: str | Sequence[str] = "auto",
        samples: int = 32,
        chunk: int | None = None,
        max_rows: int | None = None,
        few_samples: bool = False,
        overhead_budget: float | OverheadBudget | None = DEFAULT_BUDGET,
        log_dir: str | os.PathLike[str] | None = None,
        csv_path: str | os.PathLike[str] | None = None,
        if_exists: IfExists = "error",
        on_error: ErrorPolicy = "warn",
        sinks: Sequence[Sink] = (),
        thresholds: Mapping[str, float] | None = None,
        width_evidence: bool = True,
        origin: Origin = UNKNOWN_ORIGIN,
        verbose: int = 1,
    ) -> None:
        given = checked(
            ARGUMENTS,
            **{"model": model, "layers": layers, "samples": samples, "chunk": chunk},
            **{"max_rows": max_rows, "few_samples": few_samples, "log_dir": log_dir},
            **{"overhead_budget": overhead_budget, "csv_path": csv_path, "if_exists": if_exists},
            **{"on_error": on_error, "origin": origin, "width_evidence": width_evidence},
            **{"sinks": sinks, "verbose": verbose},
        )
        self.thresholds = merged_thresholds(thresholds)
        self._verbose: bool = given["verbose"]
        self.readings: list[Reading] = []
        self.postponed = 0
        self._postponed_before = 0
        self._in_flight: InFlight | None = None
        self._stopped = False  # the training's clock, by close
        self._warned_of_nonfinite = False
        self.budget, self._keeps_clock = _budget(overhead_budget)
        with self.budget.setting_up():
            if not model.built:
                raise UsageError(_not_built(model))
            self._model = model
            most = max_rows or DEFAULT_MAX_ROWS
            with Progress(f"set up for {model.name}", self._verbose, STAGES) as progress:
                self._probe = Probe(
                    model, x, given["layers"], samples, chunk, most, few_samples, progress
                )
            for remark in self._probe.remarks:
                warnings.warn(f"nasmon: {remark}", RuntimeWarning, stacklevel=2)
            opened = open_sinks(log_dir, given["csv_path"] or None, if_exists, origin)
            self._sinks = Sinks([*opened, *sinks], on_error)
            self._on_error = on_error
            self._widths: WidthRecorder | None = None
            if width_evidence and self._sinks.keep_widths_too and self._probe.widths is not None:
                self._widths = WidthRecorder(model, self._probe.data)
            self.layers: tuple[LayerInfo, ...] = self._probe.layers
            self.budget.learn(self._probe.price)
            if opened or sinks:
                choices = choices_of(model, self._probe, given["layers"], self.budget.share, origin)
                self._sinks.begin(watched_by(model, self._probe, self.thresholds, choices))
        if self._keeps_clock:
            self.budget.resume()

    @property
    def model_name(self) -> str:
        """Of the model that it reads."""
        return str(self._model.name)

    @property
    def setup_seconds(self) -> float:
        """Wall time of setting up: caching the probe set, tracing, compiling."""
        return self.budget.setup_seconds

    @property
    def overhead(self) -> float:
        """Seconds of all readings over seconds of training, so far."""
        return self.budget.overhead

    @property
    def samples(self) -> int:
        """Samples of a whole reading."""
        return self._probe.samples

    @property
    def in_flight(self) -> bool:
        """Whether a reading was launched and is not collected yet."""
        return self._in_flight is not None

    def read(self, step: int, *, epoch: int = -1, samples: int | None = None) -> Reading:
        """Takes a reading now, keeps it in ``readings`` and writes it to the sinks.

        Args:
            step: training steps so far; TensorBoard's axis.
            epoch: the epoch it belongs to, counted from 0.
            samples: fewer samples than the probe set has, rounded up to whole chunks; all if None.
        """
        self.collect(wait=True)
        chunks = self._probe.chunks
        if samples is not None:
            checked(ARGUMENTS, samples=samples)
            chunks = min(chunks, -(-samples // self._probe.chunk_size))
        self._launch(step, epoch, chunks)
        reading = self.collect(wait=True)
        assert reading is not None
        return reading

    def launch(
        self,
        step: SupportsInt | Callable[[], SupportsInt],
        *,
        epoch: int = -1,
        last: bool = False,
        first: bool = False,
        retry: bool = False,
        remaining: float | None = None,
    ) -> bool:
        """Begins a reading if the budget has room for it.

        It is of the weights as they are now, and nothing waits for it. A reading in flight is
        collected first; if it is not done, the new one is refused like one without room.

        Args:
            step: training steps so far; TensorBoard's axis. A function is called only if a reading
                is begun. Either may give a tensor, which is fetched with the numbers.
            epoch: the epoch it belongs to, counted from 0.
            last: whether it is the run's last one, which is never dropped: one in flight is waited
                for.
            first: whether it is a training's first one, which is never dropped either.
            retry: whether it stands for one that was refused before, and so counted.
            remaining: seconds of training that are left, if known: room is kept for the last one.

        Returns:
            Whether it was begun; ``collect`` finishes it.
        """
        self.collect(wait=first or last)
        fewest = self._probe.fewest_chunks
        with self.budget.reading():
            # a last reading keeps no room for another one
            left = None if last else remaining
            chunks = self.budget.chunks(self._probe.chunks, fewest, left)
        if self.in_flight or not (chunks or first or last):
            self.postponed += not retry
            return False
        self._launch(step() if callable(step) else step, epoch, chunks or fewest)
        return True

    def collect(self, *, wait: bool = False) -> Reading | None:
        """Finishes the reading in flight if it is done: keeps it and writes it to the sinks.

        Args:
            wait: whether to wait for it until it is done.

        Returns:
            The reading, or None if none is in flight or it goes on.
        """
        flight = self._in_flight
        if flight is None:
            return None
        now, trained = self.budget.now(), self.budget.training_seconds
        with self.budget.reading() as elapsed:
            if not (wait or flight.launched.fetch.is_done()):
                return None
            self._in_flight = None
            arrived = flight.launched.fetch.result()
            # the training waited for the device without the host's knowing
            unseen = flight.unseen(arrived, now)
            self.budget.add(unseen, trained - flight.trained)
            measured = self._probe.unpack(arrived.numbers)
            counts = tuple(layer.pair_counts for layer in measured)
            reading = Reading(
                epoch=flight.epoch,
                step=arrived.step,
                layers=self.layers,
                metrics=np.stack([layer.metrics for layer in measured]),
                samples=flight.chunks * self._probe.chunk_size,
                probe_seconds=flight.seconds + unseen + elapsed(),
                overhead=self.budget.overhead,
                thinned=flight.chunks < self._probe.chunks,
                postponed=flight.postponed,
                spectra=Spectra(
                    tuple(layer.eigenvalues for layer in measured),
                    flight.launched.correlations,
                    counts if counts[0].size else None,
                ),
            )
            self._warn_of_nonfinite(reading)
            self.readings.append(reading)
            self._sinks.write(reading)
            seconds = flight.seconds + unseen + elapsed()
            self.budget.learn(flight.price(seconds, self._probe.price))
            # counted, but no part of what the next reading is expected to take
            self._sinks.draw()
        return reading

    def log(self, logs: Mapping[str, Any], step: SupportsInt) -> None:
        """Hands the training's loss and metrics on, to be seen beside the readings in TensorBoard.

        The callback does so after every epoch. It is counted as a reading's time.

        Args:
            logs: numbers by name, such as ``{"loss": 0.3, "val_loss": 0.4}``; what is no number is
                left out.
            step: training steps so far; TensorBoard's axis.

        Example:
            >>> inputs = keras.Input((8,))
            >>> model = keras.Model(inputs, keras.layers.Dense(4, name="dense")(inputs))
            >>> monitor = Monitor(model, np.ones((32, 8), np.float32), log_dir=None)
            >>> monitor.log({"loss": 0.3}, step=10)
        """
        with self.budget.reading():
            self._sinks.keep_logs(numbers_in(logs), int(step))

    def close(self, status: str = "ended", error: str | None = None) -> None:
        """Completes the run's record; a reading after it takes the run up again.

        A reading in flight is waited for and finished first, unless the run failed.

        Args:
            status: how the run ended: "ended", "interrupted" or "failed".
            error: what made it fail, in one line.
        """
        if status != "failed":
            self.collect(wait=True)
        self._in_flight = None
        if self._keeps_clock:
            self.budget.pause()
            self._stopped = True
        if status == "ended" and self._widths is not None and self.readings:
            self._keep_widths(self._widths)
        # what is drawn at the end is no reading's
        with self.budget.setting_up():
            self._sinks.close(status, error)

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if kind is None:
            self.close()
        elif issubclass(kind, KeyboardInterrupt):
            self.close("interrupted")
        else:
            self.close("failed", f"{kind.__name__}: {error}")

    def watches(self, model: keras.Model) -> bool:
        """Whether this monitor is ``model``'s."""
        return self._model is model

    def to_frame(self) -> pd.DataFrame:
        """One row per reading and layer: epoch, step, the layer's LayerInfo, every metric."""
        return frame(self.readings)

    def summary(self) -> str:
        """A table of the latest reading as plain text, with what the monitor cost."""
        return text_of(self.summary_parts())

    def summary_parts(self) -> list[Part]:
        """What ``summary`` shows, for ``nasmon.rich_print.print_parts`` and pages."""
        return summary_parts(self.readings, self.thresholds, self.budget, self.postponed)

    def _repr_html_(self) -> str:
        """What ``summary`` shows, in a notebook."""
        return html_of(self.summary_parts())

    def plot(self, kind: str = "dashboard", **options: Any) -> "Figure":
        """A picture of the readings so far, as ``nasmon.plot`` draws it."""
        return plot(self, kind, **options)

    def trace_count(self) -> int:
        """How often anything was traced so far; it stays as it is after setting up."""
        return self._probe.trace_count()

    def _launch(self, step: SupportsInt, epoch: int, chunks: int) -> None:
        clock = self.budget.now
        with self.budget.reading() as elapsed:
            launched = self._probe.launch(chunks, step, clock, self._let_go_of_latest)
            postponed = self.postponed - self._postponed_before
            self._postponed_before = self.postponed
            seconds = elapsed()
        if self._stopped:
            self._stopped = False
            self.budget.resume()
        trained = self.budget.training_seconds
        self._in_flight = InFlight(launched, epoch, chunks, postponed, seconds, clock(), trained)

    def _keep_widths(self, recorder: WidthRecorder) -> None:
        """Finds out what fewer channels would lose; the run's readings stand without it, too."""
        with self.budget.setting_up():
            try:
                done = "found what fewer channels would lose"
                with Progress(done, self._verbose, stages=3) as progress:
                    evidence = recorder.take(self.readings[-1], progress)
            # a model's own code may ask to leave
            except (Exception, SystemExit) as error:
                if self._on_error == "raise":
                    raise
                self._widths = None
                warnings.warn(
                    "nasmon: what fewer channels would lose is not recorded; "
                    f"{type(error).__name__}: {error}",
                    RuntimeWarning,
                    stacklevel=3,
                )
                return
        if evidence is not None:
            self._sinks.keep_widths(evidence)

    def _let_go_of_latest(self) -> None:
        """Spectra are large: beside those of a reading to come only the first one's are held."""
        if len(self.readings) > 1 and self.readings[-1].spectra is not None:
            # the sinks may still hold the reading
            self.readings[-1].spectra.let_go()
            self.readings[-1] = self.readings[-1].without_spectra()

    def _warn_of_nonfinite(self, reading: Reading) -> None:
        unknown = np.isnan(reading.metrics[:, METRIC_NAMES.index("trace")])
        if not unknown.any() or self._warned_of_nonfinite:
            return
        self._warned_of_nonfinite = True
        names = [info.name for info, bad in zip(self.layers, unknown, strict=True) if bad]
        warnings.warn(
            f"nasmon: at step {reading.step} the activations of {', '.join(names)} are not finite "
            "or are too few; their metrics are NaN",
            RuntimeWarning,
            stacklevel=3,
        )


def _not_built(model: keras.Model) -> str:
    """The error for a model without weights; its parts may have theirs, as those of a GAN do."""
    parts = [
        name for name, part in vars(model).items() if isinstance(part, keras.Model) and part.built
    ]
    message = (
        f"the model {model.name!r} has no weights yet; call it on a batch of inputs, or "
        "model.build(input_shape), before monitoring it"
    )
    if parts:
        message += f"; or monitor a part of it, with model=...{parts[0]} ({', '.join(parts)})"
    return message


def _budget(given: float | OverheadBudget | None) -> tuple[OverheadBudget, bool]:
    """The budget, and whether its training clock is ours to start."""
    if isinstance(given, OverheadBudget):
        return given, False
    return OverheadBudget(given), True

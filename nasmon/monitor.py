"""Monitor: probe set, taps and kernels put together, for the callback and hand-written loops."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from kernels.compiled import CompiledKernels, Rows, States
from kernels.metric_table import DEFAULT_THRESHOLDS, METRIC_NAMES
from nasmon.errors import UsageError, at_least_one
from nasmon.isolation import check_unchanging, untouched
from nasmon.overhead import OverheadMeter
from nasmon.probe_set import ProbeSet, probe_set
from nasmon.reading import LayerInfo, Reading, Spectra, frame
from nasmon.rows import ROWS_PER_CHANNEL, rows_of
from nasmon.run_sink import UNKNOWN_ORIGIN, Origin, RunSink, Watched
from nasmon.sinks import CsvSink, IfExists, Sink, check_if_exists
from nasmon.structure import Widths, describe, layer_record, read_widths
from nasmon.summary import summary
from nasmon.taps import Captured, capture, choose_taps, measurable_taps
from nasmon.tensorboard_sink import TensorBoardSink

FEWEST_SAMPLES = 8
"""However many positions an image has, a few images alone would not stand for the data."""

DEFAULT_MAX_ROWS = 16_384
"""Neighbouring positions are so alike that more rows change no metric by a visible amount."""


class Monitor:
    """Reads the spectra of a model's layers over a fixed set of inputs.

    Setting up caches the probe set on the device, traces the model and compiles the kernels; after
    that a reading traces and compiles nothing. The model's weights, optimizer, metrics and random
    state are never changed.

    Args:
        model: a built Keras model, functional, nested or subclassed.
        x: inputs to probe with: an array, a dictionary or list of arrays, a tuple (x, y), a
            ``tf.data.Dataset``, a ``PyDataset`` or a generator of batches; labels are dropped.
        layers: "auto" for every layer that owns a width, "output", or names, globs and
            /regular expressions/.
        samples: how many samples of ``x`` to probe with.
        chunk: the most samples a forward pass; 16 if None.
        max_rows: the most rows (samples times positions) that a layer contributes to a reading, as
            far as they are ten a channel; of more, evenly spaced ones are taken.
        thrifty: whether to probe with fewer than ``samples`` samples, as soon as they give every
            layer ten rows a channel, but at least 8; for frequent readings.
        log_dir: TensorBoard folder, or None for no TensorBoard.
        csv_path: the run's CSV, or None for no CSV.
        if_exists: what to do with an earlier run's CSV: "error", "append" or "overwrite".
        sinks: other places for readings: objects with a method ``write(reading)``.
        thresholds: any of ``kernels.metric_table.DEFAULT_THRESHOLDS``, for the remarks in
            ``summary()``.
        origin: what the run's record tells of where it comes from: seed, command, history.

    Attributes:
        readings: list of Reading; the first and the latest hold their spectra.
        layers: the monitored layers, as LayerInfo.
        setup_seconds: wall time of setting up.

    Raises:
        ValueError: a selector that matches nothing, bad numbers, no data, a model that changes
            its variables when called; each names the value and the remedy.
        FileExistsError: an earlier run's CSV is in the way.
    """

    def __init__(
        self,
        model: keras.Model,
        x: Any,
        *,
        layers: str | Sequence[str] = "auto",
        samples: int = 32,
        chunk: int | None = None,
        max_rows: int = DEFAULT_MAX_ROWS,
        thrifty: bool = False,
        log_dir: str | os.PathLike[str] | None = None,
        csv_path: str | os.PathLike[str] | None = None,
        if_exists: IfExists = "error",
        sinks: Sequence[Sink] = (),
        thresholds: Mapping[str, float] | None = None,
        origin: Origin = UNKNOWN_ORIGIN,
    ) -> None:
        self.thresholds = merged_thresholds(thresholds)
        self.readings: list[Reading] = []
        self._meter = OverheadMeter()
        self._warned_of_nonfinite = False
        with self._meter.setting_up():
            if not model.built:
                raise UsageError(
                    f"the model {model.name!r} has no weights yet; call it on a batch of inputs, "
                    "or model.build(input_shape), before monitoring it"
                )
            self._model = model
            self._max_rows = at_least_one("max_rows", max_rows)
            self._taps = choose_taps(model, layers)
            self._sinks = [*open_sinks(log_dir, csv_path, if_exists, origin), *sinks]
            with untouched():
                self._probe = probe_set(x, samples, chunk)
            self._eager = bool(getattr(model, "run_eagerly", False))
            if thrifty:
                self._probe = self._enough()
            self._forward = self._compile_forward()
            self.layers = self._warm_up()
            self._begin_record()

    @property
    def setup_seconds(self) -> float:
        """Wall time of setting up: caching the probe set, tracing, compiling."""
        return self._meter.setup_seconds

    @property
    def overhead(self) -> float:
        """Seconds of all readings over seconds of everything but the monitor, so far."""
        return self._meter.overhead

    @property
    def samples(self) -> int:
        """Samples of a whole reading."""
        return self._probe.samples

    def read(self, step: int, *, epoch: int = -1, samples: int | None = None) -> Reading:
        """Takes a reading now, keeps it in ``readings`` and writes it to the sinks.

        Args:
            step: training steps so far; TensorBoard's axis.
            epoch: the epoch it belongs to, counted from 0.
            samples: fewer samples than the probe set has, rounded up to whole chunks; all if None.
        """
        with self._meter.probing() as elapsed:
            chunks = self._chunks(samples)
            measured = self._kernels.measure(self._absorb(chunks))
            reading = Reading(
                epoch=epoch,
                step=step,
                layers=self.layers,
                metrics=np.stack([layer.metrics for layer in measured]),
                samples=len(chunks) * self._probe.chunk_size,
                probe_seconds=elapsed(),
                overhead=self._meter.overhead,
                spectra=Spectra(
                    tuple(layer.eigenvalues for layer in measured),
                    tuple(layer.correlations for layer in measured),
                ),
            )
            self._warn_of_nonfinite(reading)
            self._keep(reading)
            for sink in self._sinks:
                sink.write(reading)
        return reading

    def close(self, status: str = "ended", error: str | None = None) -> None:
        """Completes the run's record; a reading after it takes the run up again.

        Args:
            status: how the run ended: "ended", "interrupted" or "failed".
            error: what made it fail, in one line.
        """
        for sink in self._sinks:
            if isinstance(sink, RunSink):
                sink.close(status, error)

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
        """A table of the latest reading for a terminal, with what the monitor cost."""
        return summary(self.readings, self.thresholds, self._meter)

    def trace_count(self) -> int:
        """How often anything was traced so far; it stays as it is after setting up."""
        return self._kernels.trace_count() + self._traced()

    def _tapped(self, x: Any) -> Rows:
        """The forward pass, from a chunk of inputs to the rows of each tap."""
        tracing = not tf.executing_eagerly()
        captured = capture(self._model, self._taps, x, everything=tracing)
        if tracing:
            self._captured: Captured | None = captured
        self._taps = measurable_taps(self._taps, captured)
        most = self._max_rows // len(self._probe.chunks)
        return tuple(
            tuple(rows_of(tensor, tap.axis, most) for tensor in tap.tensors(captured))
            for tap in self._taps
        )

    def _enough(self) -> ProbeSet:
        """As many samples of the probe set as give every layer ten rows a channel."""
        one = tf.nest.map_structure(lambda tensor: tensor[:1], self._probe.chunks[0])
        if self._eager:
            rows = self._tapped(one)
        else:
            traced = tf.function(self._tapped, autograph=False).get_concrete_function(one)
            rows = traced.structured_outputs
        channels = [int(matrices[0].shape[1]) for matrices in rows]
        from_one = [sum(int(m.shape[0]) for m in matrices) for matrices in rows]
        needed = (-(-ROWS_PER_CHANNEL * c // n) for c, n in zip(channels, from_one, strict=True))
        return self._probe.first(max(FEWEST_SAMPLES, *needed))

    def _compile_forward(self) -> Callable[[Any], Rows]:
        self._traced: Callable[[], int] = lambda: 0
        if self._eager:
            return self._tapped
        # compiled the way the model itself was: under XLA a convolution can be 7 times slower on
        # a CPU; autograph off, as in Keras's own training function
        jit = bool(getattr(self._model, "jit_compile", False))
        compiled = tf.function(self._tapped, jit_compile=jit, autograph=False)
        program = compiled.get_concrete_function(self._probe.chunks[0])
        check_unchanging(program.graph)
        self._traced = compiled.experimental_get_tracing_count
        return program

    def _warm_up(self) -> tuple[LayerInfo, ...]:
        """Finds the shapes by running one chunk, and compiles everything for them."""
        rows = self._forward(self._probe.chunks[0])
        channels = [int(matrices[0].shape[1]) for matrices in rows]
        self._rows = [sum(int(m.shape[0]) for m in matrices) for matrices in rows]
        self._kernels = CompiledKernels(channels)
        self._kernels.measure(self._kernels.absorb(self._kernels.empty(), rows))
        self._widths = self._read_widths()
        infos = [tap.info for tap in self._taps]
        return tuple(
            describe(info._replace(channels=c), self._widths)
            for info, c in zip(infos, channels, strict=True)
        )

    def _read_widths(self) -> Widths | None:
        """What the traced forward pass tells about the model's widths and costs."""
        if self._eager:
            try:
                tf.function(self._tapped, autograph=False).get_concrete_function(
                    self._probe.chunks[0]
                )
            except Exception:
                # a model that runs eagerly may do what cannot be traced
                return None
        captured, self._captured = self._captured, None
        if captured is None or not captured.calls:
            # a model without layers has no widths to follow
            return None
        return read_widths(captured.calls, captured.outputs, self._probe.chunk_size)

    def _begin_record(self) -> None:
        recorded = [sink for sink in self._sinks if isinstance(sink, RunSink)]
        if not recorded:
            return
        widths = self._widths
        rows = [count * len(self._probe.chunks) for count in self._rows]
        watched = Watched(
            model_name=self._model.name,
            samples=self.samples,
            thresholds=self.thresholds,
            layers=tuple(
                layer_record(info, count, widths)
                for info, count in zip(self.layers, rows, strict=True)
            ),
            params=self._model.count_params(),
            macs=widths and widths.macs,
            structure=widths and widths.structure,
        )
        for sink in recorded:
            sink.begin(watched)

    def _absorb(self, chunks: Sequence[Any]) -> States:
        states = self._kernels.empty()
        for chunk in chunks:
            states = self._kernels.absorb(states, self._forward(chunk))
        return states

    def _chunks(self, samples: int | None) -> Sequence[Any]:
        if samples is None:
            return self._probe.chunks
        return self._probe.chunks[: -(-at_least_one("samples", samples) // self._probe.chunk_size)]

    def _keep(self, reading: Reading) -> None:
        """Spectra are large: only the first and the latest reading hold theirs."""
        if len(self.readings) > 1:
            self.readings[-1] = self.readings[-1].without_spectra()
        self.readings.append(reading)

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


def merged_thresholds(thresholds: Mapping[str, float] | None) -> dict[str, float]:
    """The defaults with a user's own in their place.

    Raises:
        ValueError: a name that there is not.
    """
    for name in thresholds or {}:
        if name not in DEFAULT_THRESHOLDS:
            known = ", ".join(DEFAULT_THRESHOLDS)
            raise UsageError(f"thresholds has {name!r}, which is none of: {known}")
    return {**DEFAULT_THRESHOLDS, **(thresholds or {})}


def open_sinks(
    log_dir: str | os.PathLike[str] | None,
    csv_path: str | os.PathLike[str] | None,
    if_exists: IfExists,
    origin: Origin = UNKNOWN_ORIGIN,
    left_open: str = "ended",
) -> list[Sink]:
    """The sinks that are asked for; CSV first, as it may refuse.

    Args:
        log_dir: TensorBoard folder, or None for no TensorBoard.
        csv_path: the run's CSV, or None for neither CSV nor record.
        if_exists: "error", "append" or "overwrite".
        origin: for the run's record.
        left_open: the status of a run that nobody ended although its process did in peace.

    Raises:
        ValueError: an unknown ``if_exists``.
        FileExistsError: an earlier run's CSV is in the way.
    """
    check_if_exists(if_exists)
    sinks: list[Sink] = []
    if csv_path is not None:
        sinks.append(CsvSink(csv_path, if_exists))
        sinks.append(RunSink(Path(csv_path), origin, if_exists == "append", left_open))
    if log_dir is not None:
        run = Path(csv_path).stem if csv_path is not None else "run"
        sinks.append(TensorBoardSink(log_dir, run, overwrite=if_exists == "overwrite"))
    return sinks

"""The probe: from a model and its probe set to the spectra of its layers, traced and compiled once.

``launch`` only hands work to the device and begins to fetch what comes of it; it waits for nothing,
so that a device that works asynchronously goes on with the training. Where the model has copies on
several devices, each takes its share of the probe set, and the first joins their states.
"""

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, SupportsInt

import keras
import numpy as np
import tensorflow as tf

from nasmon.budget import Price
from nasmon.capture import Captured, capture, named_layers
from nasmon.enough_samples import FEWEST_SAMPLES, enough_samples, is_padded, row_counts
from nasmon.fetching import BackgroundFetch, DirectFetch, Fetch
from nasmon.isolation import check_unchanging, draws_noise, untouched
from nasmon.kernels.compiled import LayerMeasurements, Rows, States, compiled_kernels
from nasmon.kernels.rows import ROWS_PER_CHANNEL, rows_of
from nasmon.probe_set import probe_set
from nasmon.progress import SILENT, Progress
from nasmon.reading import Matrices
from nasmon.replicas import Replica, Share, copied, replicas_of, shared_out
from nasmon.taps import choose_taps, layers_of, measurable_taps, unmeasured
from nasmon.widths.follow import describe, read_widths
from nasmon.widths.graph import ModelWidths

STAGES = 6
"""Of setting up, that a ``Progress`` is told."""


class Launched(NamedTuple):
    """A reading that the device is working on."""

    fetch: Fetch  # of its numbers
    correlations: Callable[[], Matrices]  # fetches them
    chunk_seconds: float | None  # for each chunk; None if the device works on unseen


class Probe:
    """The compiled programs of a reading, and the data they run on.

    Args:
        model: a built Keras model.
        x: inputs to probe with, as in ``probe_set.probe_set``.
        layers: selection as in ``taps.choose_taps``.
        samples: how many samples of ``x``.
        chunk: the most samples a forward pass; ``probe_set.DEFAULT_CHUNK`` if None.
        max_rows: the most rows of a layer in a whole reading, as in ``rows.rows_of``.
        few_samples: whether as few samples as give every layer ten rows a channel will do.
        progress: is told the ``STAGES``.

    Attributes:
        data: the samples of a whole reading.
        layers: what is measured, in the model's order.
        widths: what the traced forward pass tells about the model's widths; None if nothing.
        unknown_widths: why ``widths`` is None.
        price: what a reading costs, measured once while setting up.
    """

    def __init__(
        self,
        model: keras.Model,
        x: Any,
        layers: str | Sequence[str],
        samples: int,
        chunk: int | None,
        max_rows: int,
        few_samples: bool,
        progress: Progress = SILENT,
    ) -> None:
        self._model, self._max_rows = model, max_rows
        self._taps = choose_taps(model, layers)
        self._passed_over: dict[str, str] = {}
        self._noise = ""
        self._eager = bool(getattr(model, "run_eagerly", False))
        progress.begin("reading the validation samples")
        with untouched():
            self.data = probe_set(x, samples, chunk)
        if few_samples:
            self.data = enough_samples(self.data, self._every_row, self._eager)
        self._replicas = replicas_of(model)[: len(self.data.chunks)]
        self._shares = shared_out(self.data.chunks, self._replicas)
        self._traced: list[Callable[[], int]] = []
        progress.begin(f"tracing {model.name}")
        self._programs = [*map(self._compile_forward, self._replicas)]
        self._warm_up(progress)
        progress.begin("timing a reading")
        self.price = self._rehearse()

    @property
    def samples(self) -> int:
        """Samples of a whole reading."""
        return self.data.samples

    @property
    def chunk_size(self) -> int:
        """Samples of a chunk."""
        return self.data.chunk_size

    @property
    def chunks(self) -> int:
        """Chunks of a whole reading."""
        return len(self.data.chunks)

    @property
    def rows(self) -> list[int]:
        """Rows of each layer in a whole reading, without those of padding."""
        return [int(rows) for rows in self._rows_so_far[-1]]

    @property
    def fewest_chunks(self) -> int:
        """Chunks that give every layer ten rows a channel, or as near as all of them come."""
        needed = ROWS_PER_CHANNEL * np.array([info.channels for info in self.layers])
        for_rows = 1 + (self._rows_so_far < needed).sum(axis=0)
        return min(self.chunks, max(-(-FEWEST_SAMPLES // self.chunk_size), int(for_rows.max())))

    @property
    def remarks(self) -> list[str]:
        """What a user should know about the readings before the first one."""
        remarks = []
        if self._passed_over:
            names = "; ".join(f"{name} ({why})" for name, why in self._passed_over.items())
            remarks.append(f"these layers cannot be measured and are passed over: {names}")
        if all(tap.layer is None and not tap.required for tap in self._taps):
            remarks.append("no layer owns a width that can be measured: the model's output is read")
        if self._noise:
            remarks.append(
                f"the model draws random numbers with tf.random ({self._noise}), so its readings "
                "differ by that noise; draw them with keras.random"
            )
        return remarks

    def launch(
        self,
        chunks: int,
        step: SupportsInt,
        clock: Callable[[], float] = time.perf_counter,
        make_room: Callable[[], None] = lambda: None,
    ) -> Launched:
        """Begins a reading, and to fetch its numbers.

        Args:
            chunks: of so many, the first ones.
            step: training steps so far; may still be on the device.
            clock: on which to note when the device was at the reading.
            make_room: called before the reading has anything that stays.
        """
        fetch = self._fetch(step, clock)
        begun = time.perf_counter()
        of_replicas = self._absorbed(chunks)
        seconds = (time.perf_counter() - begun) / chunks
        make_room()
        with self._replicas[0].scope():
            measured = self._kernels.launch_measure(self._kernels.merge(of_replicas))
        fetch.send(measured.numbers)
        matrices = partial(self._kernels.matrices, measured.correlations)
        return Launched(fetch, matrices, None if self._kernels.device.asynchronous else seconds)

    def unpack(self, numbers: np.ndarray) -> list[LayerMeasurements]:
        """The layers' numbers out of what was fetched."""
        return self._kernels.unpack(numbers)

    def trace_count(self) -> int:
        """How often anything was traced so far; it stays as it is after setting up."""
        return self._kernels.trace_count() + sum(count() for count in self._traced)

    def _absorbed(self, chunks: int) -> list[States]:
        """The states of each replica after its share of the first ``chunks``."""
        states = [*self._empty]
        for share in self._shares[:chunks]:
            rows, number = self._rows_of(share), share.replica.number
            with share.replica.scope():
                states[number] = self._kernels.absorb(states[number], rows)
        return states

    def _rows_of(self, share: Share) -> Rows:
        with share.replica.scope():
            return self._programs[share.replica.number](share.chunk, share.number)

    def _fetch(self, step: SupportsInt, clock: Callable[[], float]) -> Fetch:
        if not self._kernels.device.asynchronous:
            return DirectFetch(step)
        # what is small and on the device: any work there comes after what the training gave it
        with self._replicas[0].scope():
            count = tf.nest.flatten(self._empty)[0]
            return BackgroundFetch(step, count + count, clock)

    def _tapped(self, x: Any, number: Any) -> Rows:
        """The forward pass, from a chunk of inputs to the rows of each tap that a reading takes."""
        return self._rows(x, self._max_rows, len(self.data.chunks), number)

    def _every_row(self, x: Any) -> Rows:
        """The forward pass, from inputs to all rows of each tap."""
        return self._rows(x, sys.maxsize, 1)

    def _rows(self, x: Any, most: int, chunks: int, number: Any = 0) -> Rows:
        tracing = not tf.executing_eagerly()
        layers = list(named_layers(self._model)) if tracing else layers_of(self._taps)
        captured = capture(self._model, layers, x, number)
        if tracing:
            self._captured: Captured | None = captured
        self._passed_over |= unmeasured(self._taps, captured)
        self._taps = measurable_taps(self._taps, captured)
        rows = []
        for tap in self._taps:
            passed = tap.activations(captured)
            parts = chunks * len(passed)
            rows.append(tuple(rows_of(t, tap.axis, most, parts, mask) for t, mask in passed))
        return tuple(rows)

    def _compile_forward(self, replica: Replica) -> Callable[[Any, Any], Rows]:
        if self._eager:
            return self._tapped
        # compiled the way the model itself was: under XLA a convolution can be 7 times slower on
        # a CPU; autograph off, as in Keras's own training function
        jit = bool(getattr(self._model, "jit_compile", False))
        compiled = tf.function(self._tapped, jit_compile=jit, autograph=False)
        with replica.scope():
            program = compiled.get_concrete_function(*self._shares[replica.number][1:])
        check_unchanging(program.graph)
        self._noise = draws_noise(program.graph)
        self._traced.append(compiled.experimental_get_tracing_count)
        return program

    def _warm_up(self, progress: Progress) -> None:
        """Finds the shapes by running one chunk, and compiles everything for them."""
        progress.begin("running its first samples")
        rows = self._rows_of(self._shares[0])
        channels = [int(matrices[0].shape[1]) for matrices in rows]
        known = [
            None if own[0].dtype == tf.float64 else self.chunks * sum(int(m.shape[0]) for m in own)
            for own in rows
        ]
        counted = self._shares[1:] if is_padded(rows) else ()
        counts = [row_counts(rows), *(row_counts(self._rows_of(share)) for share in counted)]
        of_chunks = np.broadcast_to(counts, (self.chunks, len(rows)))
        self._rows_so_far = of_chunks.cumsum(axis=0)  # [chunks, layers], without padding
        progress.begin(f"compiling the kernels of {len(rows)} layers")
        self._kernels = compiled_kernels(channels, known, rows, progress.foretell)
        self._empty = [copied(self._kernels.empty(), replica) for replica in self._replicas]
        if len(self._replicas) > 1:
            self._kernels.merge(self._absorbed(len(self._replicas)))
        progress.begin("following its widths")
        self.widths = self._read_widths()
        self.layers = tuple(
            describe(tap.info._replace(channels=c), self.widths)
            for tap, c in zip(self._taps, channels, strict=True)
        )

    def _rehearse(self) -> Price:
        """What a chunk and the rest cost once all is compiled."""
        begun = time.perf_counter()
        of_replicas = self._absorbed(1)
        # the smallest of its tensors will do to wait for the program
        tf.nest.flatten(of_replicas)[0].numpy()
        absorbed = time.perf_counter()
        with self._replicas[0].scope():
            self._kernels.measure(self._kernels.merge(of_replicas))
        return Price(absorbed - begun, time.perf_counter() - absorbed)

    def _read_widths(self) -> ModelWidths | None:
        """What the traced forward pass tells about the model's widths and costs.

        Only advice needs it: where the pass cannot be followed, readings are taken all the same.
        """
        self.unknown_widths = ""
        try:
            if self._eager:
                # a model that runs eagerly may do what cannot be traced
                traced = tf.function(self._tapped, autograph=False)
                traced.get_concrete_function(*self._shares[0][1:])
            captured, self._captured = self._captured, None
            if captured is None or not captured.calls:
                self.unknown_widths = "the model has no layers whose widths could be followed"
                return None
            return read_widths(captured, self.data.chunk_size)
        except Exception as error:
            self.unknown_widths = f"{type(error).__name__}: {error}"
            return None

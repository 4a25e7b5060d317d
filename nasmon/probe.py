"""The probe: from a model and its probe set to the spectra of its layers, traced and compiled once.

``launch`` only hands work to the device, ``collect`` waits for it: between the two nothing is
copied to the host, so that a device that works asynchronously goes on with the training.
"""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from nasmon.budget import Price
from nasmon.capture import Captured, capture, named_layers
from nasmon.isolation import check_unchanging, draws_noise, untouched
from nasmon.kernels.compiled import LayerMeasurements, Rows, compiled_kernels
from nasmon.kernels.rows import ROWS_PER_CHANNEL, PaddedRows, rows_of, valid_count
from nasmon.probe_set import ProbeSet, probe_set
from nasmon.taps import choose_taps, layers_of, measurable_taps, unmeasured
from nasmon.widths.follow import describe, read_widths
from nasmon.widths.graph import ModelWidths

FEWEST_SAMPLES = 8
"""However many positions an image has, a few images alone would not stand for the data."""


class Launched(NamedTuple):
    """A reading that the device is working on."""

    packed: tf.Tensor  # all numbers of the reading, float64, on the device
    chunk_seconds: float  # the host's time for each chunk


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

    Attributes:
        layers: what is measured, in the model's order.
        widths: what the traced forward pass tells about the model's widths; None if nothing.
        unknown_widths: why ``widths`` is None.
        price: what a reading costs, measured once while setting up.
        asynchronous: whether the device works on while the host does something else.
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
    ) -> None:
        self._model, self._max_rows = model, max_rows
        self._taps = choose_taps(model, layers)
        self._passed_over: dict[str, str] = {}
        self._noise = ""
        self._eager = bool(getattr(model, "run_eagerly", False))
        with untouched():
            self._set = probe_set(x, samples, chunk)
        if few_samples:
            self._set = self._enough()
        self._numbers = [tf.constant(number) for number in range(len(self._set.chunks))]
        self._forward = self._compile_forward()
        self._warm_up()
        self.price, self.asynchronous = self._rehearse()

    @property
    def samples(self) -> int:
        """Samples of a whole reading."""
        return self._set.samples

    @property
    def chunk_size(self) -> int:
        """Samples of a chunk."""
        return self._set.chunk_size

    @property
    def chunks(self) -> int:
        """Chunks of a whole reading."""
        return len(self._set.chunks)

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

    def launch(self, chunks: int) -> Launched:
        """Begins a reading of the first ``chunks`` chunks."""
        begun = time.perf_counter()
        states = self._empty
        for chunk, number in zip(self._set.chunks[:chunks], self._numbers, strict=False):
            states = self._kernels.absorb(states, self._forward(chunk, number))
        seconds = (time.perf_counter() - begun) / chunks
        return Launched(self._kernels.launch_measure(states), seconds)

    def collect(self, launched: Launched) -> list[LayerMeasurements]:
        """Waits for a reading and copies it to the host, all layers at once."""
        return self._kernels.unpack(launched.packed.numpy())

    def trace_count(self) -> int:
        """How often anything was traced so far; it stays as it is after setting up."""
        return self._kernels.trace_count() + self._traced()

    def _tapped(self, x: Any, number: Any) -> Rows:
        """The forward pass, from a chunk of inputs to the rows of each tap that a reading takes."""
        return self._rows(x, self._max_rows, len(self._set.chunks), number)

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

    def _enough(self) -> ProbeSet:
        """As many samples of the probe set as give every layer ten rows a channel."""
        one = tf.nest.map_structure(lambda tensor: tensor[:1], self._set.chunks[0])
        if self._eager:
            rows = self._every_row(one)
        else:
            traced = tf.function(self._every_row, autograph=False).get_concrete_function(one)
            rows = traced.structured_outputs
        channels = [int(matrices[0].shape[1]) for matrices in rows]
        if _is_padded(rows):
            samples, found = self.samples, self._valid_rows()
        else:
            samples, found = 1, np.array([sum(int(m.shape[0]) for m in own) for own in rows])
        wanted = ROWS_PER_CHANNEL * samples * np.array(channels)
        return self._set.first(max(FEWEST_SAMPLES, *(-(-wanted // np.maximum(1, found))).tolist()))

    def _valid_rows(self) -> np.ndarray:
        """Rows of each layer in all samples that are no padding, [layers] int64."""

        def counted(x: Any) -> tf.Tensor:
            return _counts(self._every_row(x))

        # of a traced pass no more is done than the masks need
        count = counted if self._eager else tf.function(counted, autograph=False)
        return sum(count(chunk).numpy() for chunk in self._set.chunks)

    def _compile_forward(self) -> Callable[[Any, Any], Rows]:
        self._traced: Callable[[], int] = lambda: 0
        if self._eager:
            return self._tapped
        # compiled the way the model itself was: under XLA a convolution can be 7 times slower on
        # a CPU; autograph off, as in Keras's own training function
        jit = bool(getattr(self._model, "jit_compile", False))
        compiled = tf.function(self._tapped, jit_compile=jit, autograph=False)
        program = compiled.get_concrete_function(self._set.chunks[0], self._numbers[0])
        check_unchanging(program.graph)
        self._noise = draws_noise(program.graph)
        self._traced = compiled.experimental_get_tracing_count
        return program

    def _warm_up(self) -> None:
        """Finds the shapes by running one chunk, and compiles everything for them."""
        rows = self._forward(self._set.chunks[0], self._numbers[0])
        channels = [int(matrices[0].shape[1]) for matrices in rows]
        known = [
            None if own[0].dtype == tf.float64 else self.chunks * sum(int(m.shape[0]) for m in own)
            for own in rows
        ]
        others = list(zip(self._set.chunks, self._numbers, strict=True))[1:]
        counted = others if _is_padded(rows) else ()
        counts = [_counts(rows), *(_counts(self._forward(*chunk)) for chunk in counted)]
        of_chunks = np.broadcast_to(counts, (self.chunks, len(rows)))
        self._rows_so_far = of_chunks.cumsum(axis=0)  # [chunks, layers], without padding
        self._kernels = compiled_kernels(channels, known, rows)
        self._empty = self._kernels.empty()
        self.widths = self._read_widths()
        self.layers = tuple(
            describe(tap.info._replace(channels=c), self.widths)
            for tap, c in zip(self._taps, channels, strict=True)
        )

    def _rehearse(self) -> tuple[Price, bool]:
        """What a chunk and the rest cost once all is compiled, and whether the host must wait."""
        begun = time.perf_counter()
        states = self._kernels.absorb(
            self._empty, self._forward(self._set.chunks[0], self._numbers[0])
        )
        handed_over = time.perf_counter()
        # the smallest of its tensors will do to wait for the program
        tf.nest.flatten(states)[0].numpy()
        absorbed = time.perf_counter()
        packed = self._kernels.launch_measure(states)
        launched = time.perf_counter()
        numbers = packed.numpy()
        copied = time.perf_counter()
        self._kernels.unpack(numbers)
        price = Price(absorbed - begun, time.perf_counter() - absorbed)
        waited = absorbed - handed_over + copied - launched
        return price, waited > (copied - begun) / 4

    def _read_widths(self) -> ModelWidths | None:
        """What the traced forward pass tells about the model's widths and costs.

        Only advice needs it: where the pass cannot be followed, readings are taken all the same.
        """
        self.unknown_widths = ""
        try:
            if self._eager:
                # a model that runs eagerly may do what cannot be traced
                traced = tf.function(self._tapped, autograph=False)
                traced.get_concrete_function(self._set.chunks[0], self._numbers[0])
            captured, self._captured = self._captured, None
            if captured is None or not captured.calls:
                self.unknown_widths = "the model has no layers whose widths could be followed"
                return None
            return read_widths(captured, self._set.chunk_size)
        except Exception as error:
            self.unknown_widths = f"{type(error).__name__}: {error}"
            return None


def _is_padded(rows: Rows) -> bool:
    return any(isinstance(matrix, PaddedRows) for matrices in rows for matrix in matrices)


def _counts(rows: Rows) -> tf.Tensor:
    """Rows of each layer that are no padding, [layers] int64."""
    return tf.stack([tf.add_n([valid_count(m) for m in matrices]) for matrices in rows])

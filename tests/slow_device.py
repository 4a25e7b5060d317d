"""A device that works asynchronously and is as slow as a test wants.

What it is given goes through TensorFlow's own asynchronous execution, in order, as in a GPU's
stream: a call returns at once, and whoever wants the numbers waits for them.
"""

from collections.abc import Callable
from threading import Condition
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.python.eager import context, executor

from nasmon import probe
from nasmon.fetching import BackgroundFetch
from nasmon.kernels import compiled
from nasmon.kernels.compiled import CompiledKernels, Measured
from nasmon.kernels.devices import CPU

PATIENCE = 30.0
"""Seconds that the device waits for a test, which would hang if it failed."""


class SlowDevice:
    """Does what it is given when ``work`` says so; at first, at once."""

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._executor = executor.new_executor(enable_async=True)
        self._given, self._allowed = 0, float("inf")
        self._programs: dict[tuple[tf.TensorShape, tf.DType], Any] = {}
        self._changed = Condition()

    def hold(self) -> None:
        """Stands still before whatever it is given from now on."""
        with self._changed:
            self._allowed = self._given

    def work(self, pieces: float = float("inf")) -> None:
        """Goes on, with so many pieces of work or with all."""
        with self._changed:
            self._allowed += pieces
            self._changed.notify_all()

    def fail(self, error: Exception | None) -> None:
        """Fails with whatever it does from now on; None for a device that is as good as new.

        Let the mark pass before: where two threads raise what an asynchronous function did, they
        wait for each other inside TensorFlow, which looks up source lines with a lock held.
        """
        self._error = error
        if error is None:
            self._executor.clear_error()

    def later(self, tensor: tf.Tensor) -> tf.Tensor:
        """The tensor, when the device has come to it."""
        self._given += 1
        # a function, for an operation would ask for the shape, and that waits
        key = tensor.shape, tensor.dtype
        # made but once, as TensorFlow adds none while another one runs
        program = self._programs[key] = self._programs.get(key) or self._program_for(*key)
        number = tf.constant(self._given)
        with context.executor_scope(self._executor):
            return program(tensor, number)

    def _program_for(self, shape: tf.TensorShape, dtype: tf.DType) -> Any:
        def wait(value: Any, number: Any) -> Any:
            with self._changed:
                assert self._changed.wait_for(lambda: int(number) <= self._allowed, PATIENCE)
            if self._error is not None:
                raise self._error
            return value

        def waiting(value: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            return tf.py_function(wait, [value, number], dtype)

        specs = tf.TensorSpec(shape, dtype), tf.TensorSpec([], tf.int32)
        return tf.function(waiting, autograph=False).get_concrete_function(*specs)


def install(patch: Callable[[Any, str, Any], None]) -> SlowDevice:
    """Has monitors that are made from now on measure on a slow device.

    Of each reading it is given two pieces of work: a mark, and the reading itself.
    """
    device, launch = SlowDevice(), CompiledKernels.launch_measure

    def launch_measure(self: CompiledKernels, states: Any) -> Measured:
        measured = launch(self, states)
        return measured._replace(numbers=device.later(measured.numbers))

    def fetch(step: Any, mark: tf.Tensor, clock: Callable[[], float]) -> BackgroundFetch:
        return BackgroundFetch(step, device.later(mark), clock)

    record = CPU._replace(name="slow", asynchronous=True, counts_pairs=True)
    patch(compiled, "device_of", lambda place: record)
    patch(CompiledKernels, "launch_measure", launch_measure)
    patch(probe, "BackgroundFetch", fetch)
    return device


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowDevice:
    """A slow device that the test's monitors measure on; it stands still when they are set up."""
    return install(monkeypatch.setattr)

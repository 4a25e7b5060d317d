"""The numbers of a reading on their way to the host, and when the device was at them.

A device that works asynchronously is waited for by threads, so that nobody else has to. They note
when the device came to the reading and when it was done.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any, NamedTuple, SupportsInt

import numpy as np
import tensorflow as tf

Clock = Callable[[], float]


class Arrived(NamedTuple):
    """What came to the host, and when, in seconds of a clock."""

    numbers: np.ndarray
    step: int
    begun: float = 0.0  # the device came to the reading
    done: float = 0.0  # its numbers were there; as ``begun`` if the host saw all of it


class DirectFetch:
    """From a device that is done when a call returns: nothing is waited for.

    Args:
        step: training steps so far; may still be on the device.
    """

    def __init__(self, step: SupportsInt) -> None:
        self._step = step

    def send(self, numbers: tf.Tensor) -> None:
        """Has the numbers brought to the host."""
        self._numbers = numbers

    def is_done(self) -> bool:
        """Whether ``result`` would not wait."""
        return True

    def result(self) -> Arrived:
        """What has come; raises what went wrong on the device."""
        return Arrived(self._numbers.numpy(), int(self._step))


class BackgroundFetch:
    """From a device that works on. It is made before a reading is launched.

    Args:
        step: training steps so far; may still be on the device.
        mark: what the device makes just before the reading.
        clock: on which to note when the device came to it.

    Example:
        >>> fetch = BackgroundFetch(7, tf.constant(0))
        >>> fetch.send(tf.constant([1.0, 2.0]))
        >>> fetch.result().numbers.tolist(), fetch.result().step
        ([1.0, 2.0], 7)
    """

    def __init__(self, step: SupportsInt, mark: tf.Tensor, clock: Clock = time.perf_counter):
        self._clock = clock
        self._step = brought(lambda: int(step), clock)
        self._mark = brought(mark.numpy, clock)

    def send(self, numbers: tf.Tensor) -> None:
        """Has the numbers brought to the host."""
        self._numbers = brought(numbers.numpy, self._clock)

    def is_done(self) -> bool:
        """Whether ``result`` would not wait."""
        return all(one.done() for one in (self._step, self._mark, self._numbers))

    def result(self) -> Arrived:
        """What has come; raises what went wrong on the device."""
        (step, _), (_, begun) = self._step.result(), self._mark.result()
        numbers, done = self._numbers.result()
        return Arrived(numbers, step, begun, done)


Fetch = DirectFetch | BackgroundFetch


def brought(copy: Callable[[], Any], clock: Clock) -> Future[tuple[Any, float]]:
    """What a copy to the host brings, and when, from a thread of its own.

    A copy waits for all that the device was given before: on return it was asked for, so that what
    the device is given from then on is none of it.

    Args:
        copy: waits for the device.
        clock: on which to note when the copy was there.
    """
    asked, brings = Event(), Future[tuple[Any, float]]()

    def bring() -> None:
        asked.set()
        try:
            brings.set_result((copy(), clock()))
        except BaseException as error:
            # for whoever collects the reading
            brings.set_exception(error)

    # a daemon: the process may end although its device never does
    Thread(target=bring, name="nasmon", daemon=True).start()
    asked.wait()
    return brings

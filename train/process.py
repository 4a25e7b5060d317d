"""The process: Ctrl-C, and what TensorFlow writes to the terminal while it starts.

Ctrl-C ends it at once while nothing is worth keeping, and at the next batch while training.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nasmon.native_output import held_back

EXIT_CODE = 130  # 128 + SIGINT, as shells have it


class InterruptFlag:
    """Whether Ctrl-C was pressed; ``check`` raises at a moment when nothing is half done."""

    def __init__(self) -> None:
        """Begin unpressed."""
        self.pressed = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.pressed:
            raise KeyboardInterrupt

    def press(self, signum: int, frame: FrameType | None) -> None:
        """Take the first Ctrl-C; a second one interrupts on the spot."""
        if self.pressed:
            raise KeyboardInterrupt
        self.pressed = True


@contextmanager
def deferred_interrupt() -> Iterator[InterruptFlag]:
    """Turn Ctrl-C into a flag; elsewhere than in the main thread, leave it alone.

    An interrupt raised just anywhere could cut a file's row in two, and TensorFlow swallows one
    that hits it inside a callback from C++.
    """
    flag = InterruptFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    earlier = signal.signal(signal.SIGINT, flag.press)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, earlier)


@contextmanager
def ignored_interrupt() -> Iterator[None]:
    """Let files be finished, however often Ctrl-C is pressed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)


def exit_on_interrupt(command: str = "train") -> None:
    """Make Ctrl-C end the process at once with one line, until a handler replaces this one.

    Loading a C++ library turns an exception from a signal into errors of its own.
    """
    # A copy, because stderr is elsewhere while TensorFlow's messages are held back.
    terminal = os.dup(2)

    def leave(signum: int, frame: FrameType | None) -> None:
        os.write(terminal, f"\n{command}: interrupted\n".encode())
        os._exit(EXIT_CODE)

    signal.signal(signal.SIGINT, leave)


_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextmanager
def quiet_start() -> Iterator[None]:
    """Hold back what native code writes to stderr, and show it only if the body fails.

    ``TF_CPP_MIN_LOG_LEVEL`` alone does not do it: TensorFlow 2.21 logs before it reads the level.
    A user who set it to 0 or 1 asked for messages and gets them all.
    """
    # 3, for a level of 2 lets through a remark on oneDNN and integers that is no error.
    if os.environ.setdefault(_LEVEL, "3") in ("0", "1"):
        yield
        return
    with held_back():
        yield


def load_tensorflow() -> list[str]:
    """Load TensorFlow without its messages; returns the kinds of devices that it has."""
    with quiet_start():
        import tensorflow as tf

        devices = tf.config.list_logical_devices()
    return sorted({str(device.device_type) for device in devices})

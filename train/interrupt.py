"""Ctrl-C: at once while nothing is worth keeping, at the next batch while training."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nasmon.train.run import TrainingRun

EXIT_CODE = 130  # 128 + SIGINT, as shells have it


class TrainingInterrupted(KeyboardInterrupt):
    """Training was ended by Ctrl-C after everything so far was saved; ``run`` holds it."""

    def __init__(self, run: TrainingRun) -> None:
        """Keep the run that was cut short."""
        super().__init__("interrupted")
        self.run = run


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


def exit_on_interrupt() -> None:
    """Make Ctrl-C end the process at once with one line, until a handler replaces this one.

    Loading a C++ library turns an exception from a signal into errors of its own.
    """
    # A copy, because stderr is elsewhere while TensorFlow's messages are held back.
    terminal = os.dup(2)

    def leave(signum: int, frame: FrameType | None) -> None:
        os.write(terminal, b"\ntrain: interrupted\n")
        os._exit(EXIT_CODE)

    signal.signal(signal.SIGINT, leave)

"""What takes long, told on one line of stderr while it goes on."""

import shutil
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType

from nasmon.terminal import printable

UNTOLD_SECONDS = 2.0
"""What is done within these needs no words."""

_TICK = 1.0  # seconds


class Progress:
    """Stages of one piece of work, on a line that is replaced in place, and what they took.

    Nothing is said where stderr is no terminal, nor of what is done within ``UNTOLD_SECONDS``. What
    cannot be written is left out: the work goes on.

    Args:
        done: what is said of the whole when it is done, such as "set up for my_model".
        verbose: whether to say anything.
        stages: how many there will be; 0 if that is not known.
        alike: whether they take about as long as one another, so that the rest can be foretold.

    Example:
        >>> with Progress("weighed 2 layers", stages=2, alike=True) as progress:
        ...     for name in ("conv1", "conv2"):
        ...         progress.begin(f"weighing {name}")
    """

    def __init__(
        self, done: str, verbose: bool = True, stages: int = 0, alike: bool = False
    ) -> None:
        self._done, self._stages, self._alike = done, stages, alike
        self._shown = verbose and _is_terminal()
        self._begun = self._stage_begun = time.perf_counter()
        self._stage, self._number = "", 0
        self._foretold: float | None = None  # when the stage will have ended
        self._took: list[tuple[str, float]] = []
        self._written = 0  # columns of the line as it stands
        self._lock, self._ended = threading.Lock(), threading.Event()

    def begin(self, stage: str) -> None:
        """Ends the stage before, and begins another."""
        if not self._shown:
            return
        with self._lock:
            self._end_stage()
            self._stage, self._number = stage, self._number + 1
            self._foretold = None
        self._show()

    def foretell(self, seconds: float) -> None:
        """Says that the stage will go on for about so long."""
        if self._shown:
            self._foretold = time.perf_counter() + seconds

    def __enter__(self) -> "Progress":
        if self._shown:
            threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        with self._lock:
            self._end_stage()
            if self._written:
                self._write("" if kind else self._summary(), "\r" if kind else "\n")

    def _tick(self) -> None:
        # most of what takes long is C++ that lets other threads run
        while not self._ended.wait(_TICK):
            self._show()

    def _show(self) -> None:
        with self._lock:
            now = time.perf_counter()
            seconds = now - self._begun
            if self._ended.is_set() or seconds < UNTOLD_SECONDS or not self._stage:
                return
            of = f" ({self._number} of {self._stages})" if self._stages else ""
            before = self._number - 1
            left = self._foretold - now if self._foretold else 0.0
            if self._alike and self._stages > before > 0:
                left = seconds / before * (self._stages - before)
            # what takes longer than was foretold, nobody knows how long
            more = f", some {left:.0f} s left" if left >= 0.5 else ""
            self._write(f"nasmon: {self._stage}{of} ... {seconds:.0f} s{more}")

    def _end_stage(self) -> None:
        now = time.perf_counter()
        if self._stage:
            self._took.append((self._stage, now - self._stage_begun))
        self._stage_begun = now

    def _summary(self) -> str:
        """The whole, and of unlike stages those that took a tenth of it or more."""
        whole = time.perf_counter() - self._begun
        long = [f"{stage} {took:.1f} s" for stage, took in self._took if took >= whole / 10]
        stages = f" ({', '.join(long)})" if long and not self._alike else ""
        return f"nasmon: {self._done} in {whole:.1f} s{stages}"

    def _write(self, line: str, end: str = "") -> None:
        line = printable(line)
        if end != "\n":
            # a line that wraps could not be replaced
            line = line[: shutil.get_terminal_size().columns - 1]
        with suppress(OSError, ValueError):
            sys.stderr.write(f"\r{line.ljust(self._written)}{end}")
            sys.stderr.flush()
        self._written = len(line)


def _is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        # there is none, or it is closed
        return False


SILENT = Progress("", verbose=False)
"""For who is not asked to tell."""

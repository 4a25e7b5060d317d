"""Keep TensorFlow's start-up messages off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

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
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            _restore(terminal)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        _restore(terminal)


def _restore(terminal: int) -> None:
    sys.stderr.flush()
    os.dup2(terminal, 2)
    os.close(terminal)

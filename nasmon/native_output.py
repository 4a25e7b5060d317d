"""What native code writes to the terminal past Python."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held_back() -> Iterator[None]:
    """Holds back what is written to the process's stderr, and shows it only if the body fails."""
    try:
        sys.stderr.flush()
        terminal = os.dup(2)
    except (AttributeError, OSError):
        # a process without one
        yield
        return
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

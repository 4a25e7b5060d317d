"""Resident memory of this process, as Linux keeps it.

Before it is read, what the allocator holds back is given to the system: what was freed would else
still count, and what comes later would live on it unseen. What TensorFlow keeps for itself to use
again stays counted.
"""

import ctypes
import re
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_SET_BACK_PEAK = "5"  # as proc(5) says

AVAILABLE = _CLEAR.exists()
"""Whether this system keeps what is read here."""


class Peaks:
    """The peaks of resident memory, phase by phase.

    ``getrusage`` knows only the peak of a whole life, and hands a parent's on to its children.

    Attributes:
        highest: the peak of all phases so far, in bytes.
    """

    def __init__(self) -> None:
        self.highest = _status("VmHWM")

    def begin(self) -> int:
        """Begins a phase; returns the bytes at its beginning."""
        self.highest = max(self.highest, _status("VmHWM"))
        resident = resident_bytes()
        _CLEAR.write_text(_SET_BACK_PEAK)
        return resident

    def end(self) -> int:
        """The peak of the phase, in bytes."""
        peak = _status("VmHWM")
        self.highest = max(self.highest, peak)
        return peak


def resident_bytes() -> int:
    """What the process holds, without what its allocator only holds back."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
    return _status("VmRSS")


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", _STATUS.read_text("utf-8"), re.MULTILINE)
    assert found is not None, f"{_STATUS} has no {name}"
    return 1024 * int(found[1])

"""What the kernels do differently on one kind of device and on another.

A CPU is held up by arithmetic and by what leaves its caches, a GPU by the number of kernels it is
given: a small one costs it 2 us, whatever it computes. The results are the same.
"""

import math
from typing import NamedTuple


class Device(NamedTuple):
    """How to compute on a kind of device."""

    name: str
    widest: float  # channels up to which spectra are found inside XLA
    asynchronous: bool  # whether it works on when the call that gave it the work returns
    counts_pairs: bool  # whether histograms of correlations are counted there


CPU = Device("CPU", widest=128, asynchronous=False, counts_pairs=False)
"""Wider layers are solved by TensorFlow's ordinary kernel: it takes less time, and each width in
XLA costs a second and more of compilation (bench/test_spectrum.py). Its memory is the host's, so
who wants a histogram counts it there."""

GPU = Device("GPU", widest=math.inf, asynchronous=True, counts_pairs=True)


def device_of(place: str) -> Device:
    """The record for a tensor's ``device``; that of a GPU for all but CPUs.

    Args:
        place: as TensorFlow writes it, such as "/job:localhost/replica:0/task:0/device:GPU:0"; a
            CPU if empty.

    Example:
        >>> device_of("/job:localhost/replica:0/task:0/device:GPU:0").name
        'GPU'
    """
    return CPU if not place or "CPU:" in place.upper() else GPU

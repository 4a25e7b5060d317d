"""What the kernels do differently on one kind of device and on another; the results are the same.

A CPU is held up by arithmetic and by what leaves its caches, a GPU by the number of kernels it is
given, at 2 us for a small one whatever it computes, and by its memory (bench/GPU.md).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf


class Device(NamedTuple):
    """How to compute on a kind of device."""

    name: str
    # whether it works on when the call that gave it the work returns
    asynchronous: bool
    # whether histograms of correlations are counted there
    counts_pairs: bool
    # channels up to which spectra are found inside XLA
    widest: float
    # whether the rows of several layers are multiplied at once, copied for that
    batched: bool
    # matrices [..., N, C] with vectors [..., C]
    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    # columns made tridiagonal between two updates of a matrix
    columns: int
    # and, of a matrix of C, until the next, smaller window: a multiple of those
    rows_of_window: Callable[[int], int]
    # of C eigenvalues of so many matrices, bits found in a pass
    bits: Callable[[int, int | None], int]
    # how much wider a batch may be made to have its eigenvalues counted with those of a wider one
    padding: float
    # blocks of eight rows of that count in a trip of the loop over them
    blocks: int


def _windows_of_a_cpu(size: int) -> int:
    # more of them save work in every call, and cost a loop each to compile (0.1 s); multiples of
    # 8 rows, to fill vector registers
    return size if size <= 48 else max(32, -(-size // 4 // 8) * 8)


def _windows_of_a_gpu(size: int) -> int:
    # narrower ones are held up by launches, not by what they read
    return size if size <= 256 else -(-size // 4 // 16) * 16


def _sum_of_products(matrices: tf.Tensor, vectors: tf.Tensor) -> tf.Tensor:
    # what XLA can put into one kernel with the update before; a product of its own it cannot
    return tf.reduce_sum(matrices * vectors[..., None, :], axis=-1)


def _few_points(size: int, matrices: int | None) -> int:
    # fewer than 128 points at once would leave a small matrix waiting for the loop, not for
    # arithmetic
    return max(1, int(math.log2(128 / ((matrices or 1) * size))))


def _many_points(size: int, matrices: int | None) -> int:
    # measured: one bit of 64 channels takes 3.4 ms, four 0.54, six 0.28, eight 0.37; of 1,024
    # channels five are best
    return 6 if size <= 256 else 5


CPU = Device(
    name="CPU",
    asynchronous=False,
    # its memory is the host's, so who wants a histogram counts it there
    counts_pairs=False,
    # wider layers are solved by TensorFlow's ordinary kernel: it takes less time, and each width in
    # XLA costs a second and more of compilation (bench/test_spectrum.py)
    widest=128,
    batched=False,
    product=tf.linalg.matvec,
    columns=1,
    rows_of_window=_windows_of_a_cpu,
    bits=_few_points,
    padding=1,
    blocks=1,
)

GPU = Device(
    name="GPU",
    asynchronous=True,
    counts_pairs=True,
    widest=math.inf,
    batched=True,
    product=_sum_of_products,
    columns=4,
    rows_of_window=_windows_of_a_gpu,
    bits=_many_points,
    padding=2,
    blocks=4,
)


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

"""An H100 on paper: its rates, and the time that counts imply at them."""

from typing import NamedTuple

from bench.hlo.traffic import Counts

# H100 SXM; arithmetic as in NVIDIA's "H100 Tensor Core GPU Datasheet", without tensor cores
BANDWIDTH = 3.0e12  # bytes a second

FLOAT32 = 67e12  # operations a second

FLOAT64 = 34e12

TF32 = 495e12  # on tensor cores, without sparsity: what TensorFlow's convolutions use by default

LAUNCH = (3e-6, 5e-6)  # seconds from one small kernel to the next, a common range: assumed

SHARE = 0.4  # of the TF32 rate that convolutions reach: assumed

SOLVER_LAUNCHES = 4  # kernels a column in cuSOLVER's tridiagonalisation: assumed


class Estimate(NamedTuple):
    """What one run of a program takes."""

    memory: float  # seconds to move its bytes
    arithmetic: float  # seconds to compute
    launching: tuple[float, float]  # seconds to launch its kernels, at each of LAUNCH

    @property
    def longest(self) -> tuple[float, float]:
        """What bounds it: the three overlap at best."""
        fast, slow = (max(self.memory, self.arithmetic, launch) for launch in self.launching)
        return fast, slow


def estimate(counted: Counts) -> Estimate:
    """The roofline and the launches of a program."""
    arithmetic = counted.float32 / FLOAT32 + counted.float64 / FLOAT64
    low, high = (counted.launches * each for each in LAUNCH)
    return Estimate(counted.bytes_moved / BANDWIDTH, arithmetic, (low, high))


def solver(size: int, matrices: int) -> Counts:
    """Eigenvalues by cuSOLVER, which is in no text: reflections on a shrinking matrix, no vectors.

    Each of ``size`` reflections reads what is left of a matrix, and every second operation of
    4/3 size**3 is one of these reads (Golub and Van Loan, 8.3.1).
    """
    once = Counts(8 * size**3 // 3, 0, 0, 4 * size**3 // 3, SOLVER_LAUNCHES * size)
    return once.times(matrices)

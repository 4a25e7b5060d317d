"""How each contender is made, in its own process: only there its framework is imported."""

from pathlib import Path

from bench.peers.turns import Contender


def nasmon(folder: Path) -> Contender:
    """nasmon on Keras, in all modes; leaves the reference in the folder."""
    from bench.peers.nasmon_side import Nasmon

    return Nasmon(folder)


def numpy(samples: tuple[int, int]) -> Contender:
    """NumPy on Keras, with so many samples every few batches and every epoch."""
    from bench.peers.numpy_way import NumpyWay

    return NumpyWay(samples)


def delve(folder: Path) -> Contender:
    """Delve on PyTorch; finds the reference in the folder."""
    from bench.peers.delve_side import Delve

    return Delve(folder)

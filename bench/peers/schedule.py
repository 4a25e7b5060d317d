"""What all contenders share: the training, and how it is cut into blocks that are timed."""

import os
from typing import NamedTuple

IMAGES = 512
BATCH = 8
EPOCH = IMAGES // BATCH
"""Steps of an epoch, which what happens once an epoch is spread over."""

EVERY = 10
"""Steps between two readings in a block."""

STEPS = 30
"""Steps of a block: the stretch of training that is timed without a monitor and with it."""


class Variant(NamedTuple):
    """A monitor as it is used."""

    monitor: str
    when: str
    every: int  # steps between two observations in use
    every_in_block: int  # and in the blocks that are timed
    samples: int  # of an observation
    layers: int  # that are monitored
    rows: float  # that an observation takes of a layer and sample, the mean over layers


class Watched(NamedTuple):
    """What a block with the monitor took, in seconds."""

    block: float
    concluding: float  # once an epoch, beside the block; 0 for a monitor without such a step


class Pair(NamedTuple):
    """A block without the monitor, and one with it."""

    plain: float  # seconds
    watched: Watched


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

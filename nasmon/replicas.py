"""The copies of a mirrored model, so that each reads a part of the probe set."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from nasmon.probe_set import map_inputs


class Replica(NamedTuple):
    """A copy of the model's weights."""

    number: int
    device: str  # as ``tf.device`` takes it; "" for wherever TensorFlow would compute
    strategy: tf.distribute.Strategy | None  # None of a model that has no other copies

    @contextmanager
    def scope(self) -> Iterator[None]:
        """A scope in which computing is on its device, and variables are those of its copy."""
        with ExitStack() as scopes:
            if self.strategy is not None:
                scopes.enter_context(tf.distribute.ReplicaContext(self.strategy, self.number))
            scopes.enter_context(tf.device(self.device))
            yield


class Share(NamedTuple):
    """A chunk of the probe set where it is read."""

    replica: Replica
    chunk: Any  # the model's input structure of tensors, on the replica's device
    number: tf.Tensor  # of the chunk, there too


def replicas_of(model: keras.Model) -> tuple[Replica, ...]:
    """The copies of a model that was made under ``tf.distribute.MirroredStrategy``; else one.

    Example:
        >>> len(replicas_of(keras.Sequential()))
        1
    """
    strategy = getattr(model, "distribute_strategy", None)
    if not isinstance(strategy, tf.distribute.MirroredStrategy):
        return (Replica(0, "", None),)
    devices = strategy.extended.worker_devices
    return tuple(Replica(number, device, strategy) for number, device in enumerate(devices))


def shared_out(chunks: Sequence[Any], replicas: Sequence[Replica]) -> tuple[Share, ...]:
    """The chunks, one a replica in turn: the first ones are shared out evenly, however many."""
    shares = []
    for number, chunk in enumerate(chunks):
        replica = replicas[number % len(replicas)]
        shares.append(Share(replica, *copied((chunk, tf.constant(number)), replica)))
    return tuple(shares)


def copied(tensors: Any, replica: Replica) -> Any:
    """A structure of tensors, on a replica's device; None stays."""
    with replica.scope():
        return map_inputs(tf.identity, tensors)

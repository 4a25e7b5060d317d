"""A process for each contender, of which one works at a time: noise hits all of them alike."""

import multiprocessing
import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol

from bench.peers.schedule import Pair, Variant, Watched

# they change which kernels NumPy's LAPACK runs, and so what we are compared with
_OPENBLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


class Contender(Protocol):
    """What a worker process measures: a few variants of one monitor."""

    variants: Sequence[Variant]

    def plain(self, index: int) -> float:
        """Seconds of a block without the monitor of variant ``index``."""

    def watched(self, index: int) -> Watched:
        """Seconds of a block with it."""


class Worker:
    """A contender in a process of its own.

    Args:
        prepare: makes the contender, in that process; a function of a module.
        arguments: what it is called with.

    Attributes:
        variants: what it measures.

    Raises:
        RuntimeError: the process ended too soon; its own message says why.
    """

    def __init__(self, prepare: Callable[..., Contender], *arguments: Any) -> None:
        self._name = prepare.__name__
        # a fresh interpreter: a forked TensorFlow or PyTorch would hang
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, prepare, arguments), daemon=True
        )
        self._process.start()
        # or the end of the process would go unnoticed
        theirs.close()
        self.variants: Sequence[Variant] = self._receive()

    def round(self, number: int) -> list[Pair]:
        """Has each variant run a block without and a block with its monitor, odd rounds with first.

        Returns:
            A pair for each variant.
        """
        self._connection.send(number)
        return self._receive()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._connection.send(None)
        else:
            self._process.terminate()
        self._process.join()

    def _receive(self) -> Any:
        try:
            return self._connection.recv()
        except EOFError:
            raise RuntimeError(f"the process of {self._name} ended; see above why") from None


def quiet_environment() -> None:
    """Sets the variables that the workers inherit."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in _OPENBLAS:
        os.environ.pop(name, None)


def _serve(
    connection: Connection, prepare: Callable[..., Contender], arguments: Sequence[Any]
) -> None:
    contender = prepare(*arguments)
    connection.send(contender.variants)
    for number in iter(connection.recv, None):
        # untimed: after the others' turns, caches and threads are cold
        contender.plain(0)
        indices = range(len(contender.variants))
        connection.send([_pair(contender, index, number % 2 == 1) for index in indices])


def _pair(contender: Contender, index: int, watched_first: bool) -> Pair:
    if watched_first:
        watched = contender.watched(index)
        return Pair(contender.plain(index), watched)
    plain = contender.plain(index)
    return Pair(plain, contender.watched(index))

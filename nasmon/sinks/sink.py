"""What a place for readings is, be it one of ours or a user's own."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

from nasmon.errors import UsageError
from nasmon.reading import Reading
from nasmon.sinks.run_record import Watched


class Sink(Protocol):
    """A place for readings: what ``sinks=[...]`` of the callback and of Monitor takes.

    Choose this to have readings where you keep your other numbers, such as an experiment tracker;
    to look at them afterwards, the CSV and ``readings`` are there already. Any object with these
    three methods will do. A class that inherits from this one needs only ``write``.

    Methods are called in the training's thread, and their time counts as the monitor's: what
    ``write`` takes is part of the reading's cost and within ``overhead_budget``, ``begin`` is
    set-up. One that raises is left out for the rest of the run, with a warning, and the training
    goes on; with ``on_error="raise"`` the error is raised.

    Example:
        >>> class Printed(Sink):
        ...     def write(self, reading):
        ...         print(reading.step, reading["dense"]["rank_99"])
        >>> import keras, numpy as np
        >>> from nasmon import Monitor
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, name="dense")])
        >>> x = np.random.default_rng(0).random((32, 4), np.float32)
        >>> with Monitor(model, x, sinks=[Printed()]) as monitor:
        ...     reading = monitor.read(step=10)
        10 4.0
    """

    def begin(self, watched: Watched) -> None:
        """Is told once, before the first reading, what is watched.

        Args:
            watched: the model's name, its layers, samples and thresholds.
        """
        # not a body without a statement, which type checkers take for abstract
        return

    @abstractmethod
    def write(self, reading: Reading) -> None:
        """Keeps one reading; what was kept when it returns survives a killed training.

        Args:
            reading: its ``metrics`` are on the host, [layers, metrics] float64; what is undefined
                is NaN.
        """

    def close(self, status: str, error: str | None = None) -> None:
        """Ends the run; a reading after it, of a model that is trained once more, takes it up.

        Not called where ``fit`` is left by an error, unless ``callback.close("failed")`` is.

        Args:
            status: "ended", "interrupted" or "failed".
            error: what made it fail, in one line.
        """
        return


def place_of(sink: Sink) -> str:
    """Where a sink keeps readings, for a warning; of a user's own its class."""
    return str(getattr(sink, "place", type(sink).__name__))


_METHODS = ("begin", "write", "close")


def sinks_given(value: Any) -> list[Sink]:
    """A list of objects that readings can be given to.

    Raises:
        UsageError: it is none; the message says what is missing.
    """
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise UsageError("use a list of objects like nasmon.Sink")
    for given in value:
        if isinstance(given, type):
            raise UsageError(f"pass an object, {given.__name__}(...), not its class")
        missing = [name for name in _METHODS if not callable(getattr(given, name, None))]
        if missing:
            raise UsageError(
                f"{type(given).__name__} has no method {', '.join(missing)}; inherit from "
                "nasmon.Sink, which has all but write"
            )
    return list(value)

"""Where time goes: functions wrapped from outside, each counted without those it calls."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import keras


class SelfTime:
    """Seconds by part.

    Attributes:
        seconds: of each part's functions, less what functions of other parts took inside.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def watching(self, parts: Mapping[str, Sequence[tuple[Any, str]]]) -> Iterator[None]:
        """Counts the calls of functions while inside.

        Args:
            parts: by name, the functions as (module or class, attribute).

        Raises:
            AttributeError: a function is not there (any more).
        """
        functions = [(name, *place) for name, places in parts.items() for place in places]
        own = [getattr(owner, attribute) for _, owner, attribute in functions]
        try:
            for (name, owner, attribute), function in zip(functions, own, strict=True):
                setattr(owner, attribute, self._counted(name, function))
            yield
        finally:
            for (_, owner, attribute), function in zip(functions, own, strict=True):
                setattr(owner, attribute, function)

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._running.append(name)
            try:
                return function(*args, **kwargs)
            finally:
                self._switch()
                self._running.pop()

        return counted

    def _switch(self) -> None:
        """What ran so far has what passed since the last change."""
        now = time.perf_counter()
        if self._running:
            name = self._running[-1]
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


def hooks_of(callback: keras.callbacks.Callback) -> list[tuple[Any, str]]:
    """The hooks that a callback has of its own, for ``SelfTime.watching``.

    Those that it does not have stay unknown to Keras.
    """
    plain = keras.callbacks.Callback
    names = ["set_model", *(name for name in dir(plain) if name.startswith("on_"))]
    return [
        (callback, name)
        for name in names
        if getattr(getattr(callback, name), "__func__", None) is not getattr(plain, name)
    ]

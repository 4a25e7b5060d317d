"""How long a callback's hooks take, by a clock of our own."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import keras

_NAMES = ["set_model", *(name for name in dir(keras.callbacks.Callback) if name[:3] == "on_")]


def time_hooks(callback: keras.callbacks.Callback) -> list[float]:
    """Has a callback note the seconds of each call of its hooks.

    Args:
        callback: whose hooks do not call each other. Those it does not have stay unknown to Keras.

    Returns:
        Seconds, one after another; the list grows as the hooks are called.
    """
    seconds: list[float] = []

    def timed(hook: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(hook)
        def run(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return hook(*args, **kwargs)
            finally:
                seconds.append(time.perf_counter() - begun)

        return run

    for name in _NAMES:
        hook = getattr(callback, name)
        if getattr(hook, "__func__", None) is not getattr(keras.callbacks.Callback, name):
            setattr(callback, name, timed(hook))
    return seconds

"""What ``fit`` was given as validation data.

Keras hands it to no callback, so it is looked up where it stands: among the arguments of the
running ``fit``. A generator can be read only once; what ``fit``'s own validation draws from it is
copied as it passes.
"""

import csv
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import keras
import tensorflow as tf

from nasmon.errors import UsageError


def validation_data_of_fit(model: keras.Model, required: bool = True) -> Any:
    """The ``validation_data`` of the running ``model.fit``, or what it split off for validation.

    Args:
        model: the model that is being trained.
        required: whether it is an error that there is none; None is returned otherwise.

    Raises:
        ValueError: there is none, or this version of Keras keeps it elsewhere.
    """
    data = _name_in_fit(model, "validation_data")
    if data is not None:
        return data
    if not required:
        return None
    raise UsageError(
        "no validation data to probe with: fit was given none, or this version of Keras keeps it "
        "elsewhere; pass validation_data= to NASMonitorCallback"
    )


def _name_in_fit(model: keras.Model, name: str) -> Any:
    """What a name stands for in the running ``model.fit``; None if it is not there."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        names = frame.f_locals if frame.f_code.co_name == "fit" else {}
        if names.get("self") is model and names.get(name) is not None:
            return names[name]
        frame = frame.f_back
    return None


def check_csv_loggers(model: keras.Model, callback: keras.callbacks.Callback, column: str) -> None:
    """Warns of a ``CSVLogger`` that continues a file of fewer columns than its rows will have.

    Args:
        model: the model that is being trained.
        callback: ours; what comes after it sees what it adds.
        column: one that it adds.
    """
    in_fit = _callbacks_in_fit(model)
    behind = in_fit[in_fit.index(callback) :] if callback in in_fit else []
    for logger in behind:
        if not isinstance(logger, keras.callbacks.CSVLogger) or not logger.append:
            continue
        header = _header_of(logger.filename, logger.sep)
        if header and column not in header:
            warnings.warn(
                f"nasmon: CSVLogger continues {logger.filename}, whose header has no {column}: its "
                "rows become longer than its header; give it another file, or put it before "
                "NASMonitorCallback among the callbacks",
                RuntimeWarning,
                stacklevel=2,
            )


def writes_to_tensorboard(model: keras.Model) -> bool:
    """Whether Keras's own callback for TensorBoard is in the running ``model.fit``."""
    return any(isinstance(one, keras.callbacks.TensorBoard) for one in _callbacks_in_fit(model))


def _callbacks_in_fit(model: keras.Model) -> list[keras.callbacks.Callback]:
    return list(getattr(_name_in_fit(model, "callbacks"), "callbacks", ()))


def _header_of(filename: str, separator: str) -> list[str]:
    try:
        with open(filename, newline="", encoding="utf-8") as file:
            return next(csv.reader(file, delimiter=separator), [])
    except OSError:
        # not there yet
        return []


class PassingBatches:
    """Copies the first batches that ``fit``'s validation draws from a generator.

    Args:
        samples: how many samples are wanted.
    """

    def __init__(self, samples: int) -> None:
        self.batches: list[Any] = []
        self._begun = False
        self._left = samples

    def begin(self, model: keras.Model) -> None:
        """To be called in every ``on_test_begin``: before Keras draws from what it has wrapped.

        Raises:
            ValueError: this version of Keras keeps the generator elsewhere.
        """
        if self._begun:
            return
        iterator: Any = getattr(model, "_eval_epoch_iterator", None)
        adapter: Any = getattr(iterator, "data_adapter", None)
        source = getattr(adapter, "generator", None)
        if not callable(source):
            raise UsageError(
                "the validation data is a generator, which this version of Keras keeps out of "
                "reach; pass validation_data= to NASMonitorCallback as arrays or as a dataset"
            )
        adapter.generator = self._copying(source)
        self._begun = True

    def _copying(self, source: Callable[[], Iterator[Any]]) -> Callable[[], Iterator[Any]]:
        def copying() -> Iterator[Any]:
            for batch in source():
                if self._left > 0:
                    self.batches.append(batch)
                    inputs = (a for a in tf.nest.flatten(batch) if a is not None)
                    self._left -= next(inputs).shape[0]  # a sparse one has no len
                yield batch

        return copying

"""What ``fit`` was given as validation data.

Keras hands it to no callback, so it is looked up where it stands: among the arguments of the
running ``fit``. A generator can be read only once; what ``fit``'s own validation draws from it is
copied as it passes.
"""

import sys
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
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        names = frame.f_locals if frame.f_code.co_name == "fit" else {}
        if names.get("self") is model and names.get("validation_data") is not None:
            return names["validation_data"]
        frame = frame.f_back
    if not required:
        return None
    raise UsageError(
        "no validation data to probe with: fit was given none, or this version of Keras keeps it "
        "elsewhere; pass validation_data= to NASMonitorCallback"
    )


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
                    self._left -= tf.nest.flatten(batch)[0].shape[0]  # a sparse one has no len
                yield batch

        return copying

"""When a reading of a ``fit`` is due, is retried, and is the last; it knows no Keras."""

import math
from typing import Literal

LOG_FREQUENCIES = ("epoch", "batch")
"""A reading after every epoch, or after every few batches as well."""


class Schedule:
    """Counts epochs and batches of a training.

    Args:
        log_freq: one of LOG_FREQUENCIES.
        batch_freq: batches between two readings with "batch".

    Attributes:
        frequent: whether readings are taken within epochs, too.
        epoch: the present one.
        first_epoch: of this ``fit``; None before it.
        training: whether an epoch is under way.
        asked: whether the epoch's own reading was asked for.
        waiting: whether the reading that was due last still is.

    Example:
        >>> schedule = Schedule("batch", batch_freq=2)
        >>> schedule.begin_epoch(0)
        >>> [schedule.after_batch(done, steps=4) for done in (1, 2, 3, 4)]
        [None, 'due', None, None]
    """

    def __init__(self, log_freq: Literal["epoch", "batch"], batch_freq: int) -> None:
        self.frequent = log_freq == "batch"
        self._batch_freq = batch_freq
        self.epoch = 0
        self._due_at = 0  # the epoch's batch at which a reading was due last
        self.asked = False
        self.begin_fit()

    def begin_fit(self) -> None:
        """A training begins, or goes on after it was broken off."""
        self.first_epoch: int | None = None
        self.training = self.waiting = False

    def begin_epoch(self, epoch: int) -> None:
        """An epoch begins, of that number."""
        self.epoch, self.training = epoch, True
        self._due_at, self.asked = 0, False
        if self.first_epoch is None:
            self.first_epoch = epoch

    def end_epoch(self) -> None:
        """The epoch is over, its validation included."""
        self.training = False

    def answer(self, begun: bool) -> None:
        """Whether the reading that was asked for last was begun; if not, it waits."""
        self.waiting = not begun

    def after_batch(self, done: int, steps: int | None) -> Literal["due", "retry"] | None:
        """Whether a reading is to be asked for within the epoch.

        Args:
            done: batches of the epoch that are trained.
            steps: batches of a whole epoch, if known; its last one is read when the epoch ends.
        """
        due = done - self._due_at >= self._batch_freq
        if not (due or self.waiting) or done >= (steps or math.inf):
            return None
        if due:
            self._due_at = done
        return "due" if due else "retry"

    def ends(self, epochs: int | None) -> bool:
        """Whether the present epoch is the last of so many."""
        return self.epoch + 1 == epochs

    def remaining(
        self, trained: float, batches: int | None, steps: int | None, epochs: int | None
    ) -> float | None:
        """Seconds of training that are left, if it goes on as it did; None if not known.

        Args:
            trained: seconds of training of this ``fit`` so far.
            batches: of the present epoch that are trained; None for all.
            steps: batches of a whole epoch, if known.
            epochs: the number of the last epoch, counted from 1, if known.
        """
        first = self.first_epoch or 0
        done = self.epoch - first + (1 if batches is None else batches / (steps or math.inf))
        if not done or epochs is None:
            return None
        return trained * max(0.0, (epochs - first) / done - 1)

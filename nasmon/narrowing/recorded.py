"""What a run records of its widths when it ends."""

import keras

from nasmon.narrowing.evidence import Gathering
from nasmon.narrowing.seen import Judged
from nasmon.probe_set import ProbeSet
from nasmon.progress import SILENT, Progress
from nasmon.reading import Reading
from nasmon.record.widths import GroupEvidence, WidthEvidence


class WidthRecorder:
    """Finds out what a model's groups of widths would lose with fewer channels.

    It is traced when it is first asked, once: a model that is trained in parts pays for it once.

    Args:
        model: built.
        data: samples that it is worked out from.
    """

    def __init__(self, model: keras.Model, data: ProbeSet) -> None:
        self._model, self._data = model, data
        self._gathering: Gathering | None = None
        self._taken: tuple[int, int] | None = None

    def take(self, reading: Reading, progress: Progress = SILENT) -> WidthEvidence | None:
        """The evidence, with the model's weights as they are; None if it was taken before.

        Args:
            reading: the run's latest.
            progress: is told what is done.

        Raises:
            UsageError: the model's widths cannot be followed.
        """
        moment = (reading.epoch, reading.step)
        if self._taken == moment:
            return None
        self._taken = moment
        progress.begin(f"tracing {self._model.name}")
        self._gathering = self._gathering or Gathering(self._model, self._data)
        progress.begin(f"running {self._data.samples} samples through it")
        judged = Judged(self._gathering.traced, self._gathering.received())
        progress.begin("weighing channels")
        groups = [group for group in judged.traced.groups if not group.fixed_by]
        needed, enough = judged.needed(groups), judged.enough(groups)
        found = (
            GroupEvidence(
                group.leader, *judged.order(group), needed[group.leader], enough[group.leader]
            )
            for group in groups
        )
        return WidthEvidence(*moment, self._data.samples, tuple(found))

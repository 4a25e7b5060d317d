"""What a run's model became in 8-bit integers, as the file beside its CSV tells it."""

from nasmon.analysis.companions import unpacked_path
from nasmon.analysis.run import Run
from nasmon.record.exported import ExportedRecord, read_exported
from nasmon.record.files import exported_path


def exported_of(run: Run) -> ExportedRecord | None:
    """What ``train.export`` left; None where the model was not exported.

    Raises:
        UsageError: the file is damaged.
    """
    path = exported_path(unpacked_path(run.path))
    return read_exported(path) if path.exists() else None

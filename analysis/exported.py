"""What a run's model became in 8-bit integers, as the file beside its CSV tells it."""

from nasmon.analysis.companions import unpacked_path
from nasmon.analysis.run import Run
from nasmon.record.exported import ExportedRecord, digest_of, read_exported
from nasmon.record.files import exported_path


def exported_of(run: Run) -> ExportedRecord | None:
    """What ``train.export`` left; None where the model was not exported, or has changed since.

    Raises:
        UsageError: the file is damaged.
    """
    path = exported_path(unpacked_path(run.path))
    if not path.exists():
        return None
    record = read_exported(path)
    try:
        same = digest_of(record.model) == record.digest
    except OSError:
        # the model may lie elsewhere by now
        return record
    if not same:
        run.notes.append(f"{path} is of an earlier {record.model.name} and was left out")
    return record if same else None

"""What the files of a run are called and hold, for those who write them and those who read them.

Imports nothing heavy, so that a command can ask before it loads TensorFlow.

The run's CSV is one row a reading, ``RUN_COLUMNS``; all its companions lie beside it and are named
after its stem: the rows by layer (``LAYER_COLUMNS``), the record of what ran (JSON), and the
spectra of the first and the latest reading (NPZ).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES

COST_COLUMNS = ("probe_seconds", "overhead", "thinned", "postponed")

RUN_COLUMNS = ("epoch", "step", *(m.name for m in AGGREGATED), *COST_COLUMNS)

LAYER_COLUMNS = (
    *("epoch", "step", "layer", "kind", "channels", "params", "macs", "tied_to"),
    *METRIC_NAMES,
)


def metrics_path(log_dir: Path, model_name: str) -> Path:
    """The run's CSV, one row a reading, where no other path is given."""
    # a Keras name may hold a slash
    return log_dir / f"{model_name.replace('/', '_')}_nas_metrics.csv"


def layers_path(csv_path: Path) -> Path:
    """The rows by layer of the run that is recorded at ``csv_path``."""
    return csv_path.with_name(f"{csv_path.stem}_layers.csv")


def record_path(csv_path: Path) -> Path:
    """What ran: model, layers, widths, versions, command, and how it ended."""
    return csv_path.with_name(f"{csv_path.stem}_run.json")


def spectra_path(csv_path: Path) -> Path:
    """Eigenvalues and correlations of the first and the latest reading."""
    return csv_path.with_name(f"{csv_path.stem}_spectra.npz")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to instead; what is written there takes its place when the block ends well.

    So a reader never meets half a file, and a file already there is lost only to a whole one.
    """
    # of a short name, for the file's own may be as long as names can be
    unfinished = path.with_name(f".{os.getpid()}.unfinished{path.suffix}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)

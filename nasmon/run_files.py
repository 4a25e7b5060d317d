"""What the files of a run are called, for those who write them and those who look for them.

Imports nothing heavy, so that a command can ask before it loads TensorFlow.
"""

from pathlib import Path


def metrics_path(log_dir: Path, model_name: str) -> Path:
    """The run's CSV, one row a reading, where no other path is given."""
    # a Keras name may hold a slash
    return log_dir / f"{model_name.replace('/', '_')}_nas_metrics.csv"


def layers_path(csv_path: Path) -> Path:
    """The rows by layer of the run that is recorded at ``csv_path``."""
    return csv_path.with_name(f"{csv_path.stem}_layers.csv")

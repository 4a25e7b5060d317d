"""A training run, from settings to files: the function ``train``.

``prepare`` finds every mistake of the user that can be found without TensorFlow; ``execute``
loads it and trains.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from nasmon.train.config import resolve_settings
from nasmon.train.options import all_options
from nasmon.train.outputs import TrainingRun
from nasmon.train.prepare import Prepared, prepare


def train(
    model_name: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    enable_nas_monitoring: bool | None = None,
    nas_log_dir: str | os.PathLike[str] | None = None,
    nas_csv_path: str | os.PathLike[str] | None = None,
    nas_log_freq: str | None = None,
    nas_monitor_batch_freq: int | None = None,
    *,
    seed: int | None = None,
    widths: Sequence[int] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    output_dir: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
) -> TrainingRun:
    """Train a model, save it and its history, and with the monitor its metrics.

    The global seeds of Python, NumPy and TensorFlow are set. What is None comes from ``config``,
    and what is not there from ``train/defaults.yaml``.

    Args:
        model_name: ``nano_u`` or ``bu_net``.
        epochs: Times through the training images.
        batch_size: Images per step.
        lr: Learning rate at the start; it falls to 0 along a cosine.
        enable_nas_monitoring: Whether the spectral monitor watches.
        nas_log_dir: Folder for TensorBoard's events, which go into a folder per model.
        nas_csv_path: The metrics; ``<nas_log_dir>/<model>_nas_metrics.csv`` by default.
        nas_log_freq: ``epoch``, or ``batch`` for readings within epochs too.
        nas_monitor_batch_freq: Batches from one reading to the next in batch mode.
        seed: Of initial weights and shuffling.
        widths: Channels per block, or per stage down and the bottleneck.
        data_dir: Images as ``DIR/{train,val}/{img,mask}/``; the embedded terrain by default.
        output_dir: Folder for the model and its history.
        config: A YAML file with any of the keys of ``train/defaults.yaml``.
        overwrite: Whether to replace the files of an earlier run.

    Returns:
        The trained model, its history, the callback, and where everything was saved.

    Raises:
        UsageError: A ValueError whose message names the value and says what would work.
        RunExistsError: A FileExistsError: an earlier run's file is in the way.
        TrainingInterrupted: A KeyboardInterrupt, after everything so far was saved.

    Example:
        >>> train("nano_u", epochs=0)
        Traceback (most recent call last):
        nasmon.errors.UsageError: epochs is 0; use a whole number from 1 to 1000000
    """
    arguments = locals()
    given = {
        key: arguments[option.keyword]
        for key, option in all_options()
        if option.keyword and arguments[option.keyword] is not None
    }
    names = {key: option.keyword for key, option in all_options() if option.keyword}
    settings = resolve_settings(config, given, names)
    return execute(prepare(settings, overwrite, None if config is None else os.fspath(config)))


def execute(prepared: Prepared) -> TrainingRun:
    """Train, and save what came of it; TensorFlow is loaded here.

    Raises:
        TrainingInterrupted: After Ctrl-C, when everything so far is saved.
    """
    from nasmon.train.fitting import fit_and_save

    return fit_and_save(prepared)

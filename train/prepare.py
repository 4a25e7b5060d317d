"""All that can be checked and loaded before TensorFlow: files in the way, folders, images."""

from __future__ import annotations

import tempfile
from typing import Any, NamedTuple

from nasmon.errors import RunExistsError, UsageError
from nasmon.record.files import check_regular
from nasmon.train.data.image_folder import check_image_folder, load_image_folder
from nasmon.train.data.pipelines import Images
from nasmon.train.data.terrain import load_terrain
from nasmon.train.models import MODELS
from nasmon.train.options import Settings
from nasmon.train.outputs import Outputs, outputs_of


class Prepared(NamedTuple):
    """All that a run needs, checked, before TensorFlow is loaded."""

    settings: Settings
    outputs: Outputs
    images: Images
    overwrite: bool
    config: str | None  # the file that some of the settings came from


def prepare(settings: Settings, overwrite: bool = False, config: str | None = None) -> Prepared:
    """Check where the run reads and writes, and load the images.

    Raises:
        UsageError: If images are missing or wrong, or an output folder cannot be written.
        RunExistsError: If an earlier run's file is in the way and ``overwrite`` is false.
    """
    outputs = outputs_of(settings)
    for file in outputs.files:
        check_regular(file, "--output-dir, --nas-log-dir or --nas-csv-path")
    if not overwrite:
        refuse_earlier_run(outputs)
    if settings.training.data_dir is not None:
        check_image_folder(settings.training.data_dir)
    make_folders(outputs)
    return Prepared(settings, outputs, _load_images(settings), overwrite, config)


def _load_images(settings: Settings) -> Images:
    if settings.training.data_dir is None:
        terrain: dict[str, Any] = vars(settings.terrain)
        return load_terrain(**terrain)
    height, width, _ = MODELS[settings.training.model].input_shape
    return load_image_folder(settings.training.data_dir, height, width)


def refuse_earlier_run(outputs: Outputs) -> None:
    """Raise ``RunExistsError`` if a run would overwrite, or mix with, what another recorded."""
    files = [path for path in outputs.files if path.exists()]
    events = outputs.events
    files += [] if events is None else sorted(events.glob("events.out.tfevents.*"))
    if files:
        raise RunExistsError(
            f"{files[0]} is from an earlier run; pass --overwrite (with make: ARGS=--overwrite) "
            f"to replace that run, or keep both with another {' and '.join(_placing(outputs))}"
        )


def _placing(outputs: Outputs) -> list[str]:
    """The flags that decide where the outputs go."""
    if outputs.metrics is None or outputs.events is None:
        return ["--output-dir"]
    beside = outputs.metrics.parent == outputs.events.parent
    return ["--output-dir", "--nas-log-dir", *([] if beside else ["--nas-csv-path"])]


def make_folders(outputs: Outputs) -> None:
    """Make the folders of all outputs and check that they can be written.

    Raises:
        UsageError: If one cannot; the message names it.
    """
    folders = [path.parent for path in outputs.files]
    folders += [] if outputs.events is None else [outputs.events]
    for folder in dict.fromkeys(folders):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise UsageError(
                f"folder {folder} cannot be written ({error.strerror}); choose another "
                "--output-dir or --nas-log-dir"
            ) from None

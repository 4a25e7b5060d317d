"""A trained model that a command is given: its run, and the data that it was trained on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import ZipFile

from nasmon.config_file import shown_value
from nasmon.errors import UsageError, first_line
from nasmon.record.files import metrics_path, record_path, regular_only
from nasmon.record.npz_file import UNREADABLE, check_unpacked
from nasmon.record.run import Record, read_record
from nasmon.terminal import printable, say
from nasmon.train.cli import build_parser as training_parser
from nasmon.train.cli import given_options
from nasmon.train.data.image_folder import check_image_folder
from nasmon.train.options import Settings
from nasmon.values import whole

if TYPE_CHECKING:
    import keras

    from nasmon.train.data.pipelines import Images, Pipelines


WIDTHS = (
    *("filters", "units", "input_dim", "output_dim", "depth_multiplier"),
    *("num_heads", "key_dim", "value_dim"),
)
"""What the configs of Keras's layers call numbers of channels, of which each has weights."""


def existing_model(path: str) -> Path:
    """The path of a model that ``--model`` gives.

    Raises:
        UsageError: there is none.
    """
    model = Path(path)
    if not model.is_file() or model.suffix != ".keras":
        there = "is no .keras file" if model.exists() else "does not exist"
        raise UsageError(f"--model is {model}, which {there}; give a model that was trained")
    try:
        _check_archive(model)
    except UNREADABLE as error:
        raise _not_loaded(model, error) from error
    return model


def _not_loaded(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"{path} cannot be loaded ({type(error).__name__}: {first_line(error)}); give a model that "
        "Keras saved; for one with classes of your own use nasmon in Python"
    )


def recorded_run(model: Path, given: str | None) -> tuple[Path | None, Record | None]:
    """The CSV of the run that made a model, and its record; None where there is none.

    Args:
        model: its path.
        given: what ``--csv`` says, if anything.

    Raises:
        UsageError: what is given is of no run.
    """
    csv = Path(given) if given else metrics_path(model.parent / "nas", model.stem)
    if not record_path(csv).exists():
        if given:
            raise UsageError(
                f"--csv is {csv}, beside which there is no {record_path(csv).name}; give the CSV "
                "of a run under nasmon"
            )
        return None, None
    return csv, read_record(record_path(csv))


def training_of(record: Record | None, config: str | None) -> tuple[dict[str, Any], str | None]:
    """The options that a model was trained with, and its YAML file; none if that is not known.

    Args:
        record: of its run, if there is one.
        config: a YAML file that is to hold instead.
    """
    if record is None or record.rebuild is None or config is not None:
        return {}, config
    trained = training_parser().parse_args(list(record.rebuild.command[3:]))
    return given_options(trained), trained.config


def check_data(command: str, model: Path, record: Record | None, settings: Settings) -> None:
    """Refuses data that are not there, and says which are taken if the run is not known.

    Raises:
        UsageError: there is no such folder of images.
    """
    folder = settings.training.data_dir
    if folder is not None:
        check_image_folder(folder)
    if record is None:
        say(
            command,
            f"note: no record of a run of {model} was found, so its data are taken to be "
            f"{folder or 'the embedded terrain'}; pass --csv or --data-dir otherwise",
        )


def whole_option(flag: str, text: str, least: int, most: int | None = None) -> int:
    """A whole number as it is typed.

    Raises:
        UsageError: it is none, or less or more than it may be.
    """
    try:
        return int(whole(least, most)(text))
    except UsageError as error:
        raise UsageError(f"{flag} is {shown_value(text)}; {error}") from None


class Opened(NamedTuple):
    """A model that is compiled as it was trained, and its data."""

    model: keras.Model
    images: Images
    pipelines: Pipelines


def open_model(path: Path, settings: Settings) -> Opened:
    """Load a model, and the data that it was trained on, which are said.

    Args:
        path: Of the model.
        settings: Of a training of it.

    Raises:
        UsageError: The model or the data cannot be used.
    """
    from nasmon.train.data.pipelines import build_pipelines
    from nasmon.train.fitting import compile_model, make_deterministic

    training = settings.training
    model = load_model(path)
    images = _images_for(model, path, settings)
    print(f"data: {printable(images.source)}", flush=True)
    make_deterministic(training.seed)
    pipelines = build_pipelines(images, training.batch_size, training.seed)
    compile_model(model, training.lr, training.weight_decay, training.epochs * len(pipelines.train))
    return Opened(model, images, pipelines)


def load_model(path: Path) -> keras.Model:
    """The model in a file.

    Raises:
        UsageError: it cannot be loaded, or is none that these commands train.
    """
    import keras

    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:
        # a file may hold anything, and what it holds raise anything
        raise _not_loaded(path, error) from error
    shapes = (model.input_shape, model.output_shape)
    ours = all(isinstance(shape, tuple) and len(shape) == 4 for shape in shapes)
    if not ours or (shapes[0][-1], shapes[1][-1]) != (3, 1) or None in shapes[0][1:]:
        raise UsageError(
            f"{path} goes from {shapes[0]} to {shapes[1]}, and this command is for models from "
            "images [H, W, 3] to logits [H, W, 1]; use nasmon in Python for others"
        )
    return model


def _check_archive(path: Path) -> None:
    """Refuses what is no archive or a bomb, and a layer wider than the file: Keras builds it first.

    Of two wide layers that share a large kernel nothing is seen.
    """
    with open(path, "rb", opener=regular_only) as file, ZipFile(file) as archive:
        held = check_unpacked(archive, os.fstat(file.fileno()).st_size)
        widest = max(_widths_in(json.loads(archive.read("config.json"))), default=0)
        # each has a weight, of a byte at least
        if widest > held:
            raise ValueError(f"a layer of {widest:,} channels in {held:,} bytes")


def _widths_in(config: Any) -> Iterator[int]:
    """The widths of all layers in a model's config."""
    left = [config]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            left += part.values()
            yield from (part[name] for name in WIDTHS if isinstance(part.get(name), int))
        elif isinstance(part, list):
            left += part


def _images_for(model: keras.Model, path: Path, settings: Settings) -> Images:
    """The data that a model was trained on, in its size.

    Raises:
        UsageError: the embedded terrain has another size.
    """
    from nasmon.train.data.image_folder import load_image_folder
    from nasmon.train.data.terrain import load_terrain

    _, height, width, _ = model.input_shape
    if settings.training.data_dir is not None:
        return load_image_folder(settings.training.data_dir, height, width)
    terrain: dict[str, Any] = vars(settings.terrain)
    images = load_terrain(**terrain)
    if images.x_train.shape[1:3] != (height, width):
        raise UsageError(
            f"{path} takes images of {height} x {width}, which the embedded terrain does not "
            "have; give --data-dir"
        )
    return images

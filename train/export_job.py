"""What ``python -m train.export`` is to do, found out and checked before TensorFlow is loaded."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NamedTuple

from nasmon.errors import UsageError
from nasmon.litert.extra import flatbuffer_utils
from nasmon.record.files import check_regular, exported_path
from nasmon.train.config import resolve_settings
from nasmon.train.given_model import (
    check_data,
    existing_model,
    recorded_run,
    training_of,
    whole_option,
)
from nasmon.train.options import Settings, all_options


class ExportJob(NamedTuple):
    """All that is to be done, checked."""

    model: Path
    settings: Settings  # of its training
    samples: int  # to find the ranges of activations with
    output: Path
    source: Path | None  # of C, if one is asked for
    record: Path | None  # None where there is no run that it could lie beside
    csv: Path | None

    @property
    def files(self) -> list[Path]:
        """All that are written."""
        return [path for path in (self.output, self.source, self.record) if path is not None]


def export_job_of(parsed: argparse.Namespace) -> ExportJob:
    """The job that a command line asks for.

    Raises:
        UsageError: it asks for what cannot be, or what it needs is not installed.
    """
    model = existing_model(parsed.model)
    samples = whole_option("--samples", parsed.samples, 1)
    csv, record = recorded_run(model, parsed.csv)
    given, config = training_of(record, parsed.config)
    if parsed.data_dir is not None:
        given["training.data_dir"] = parsed.data_dir
    names = {key: option.flag for key, option in all_options() if key == "training.data_dir"}
    settings = resolve_settings(config, given, names)
    check_data("export", model, record, settings)
    flatbuffer_utils()
    output = Path(parsed.output or model.with_name(f"{model.stem}_int8.tflite"))
    source = output.with_name(f"{_identifier(output.stem)}.cc") if parsed.c_source else None
    place = exported_path(csv) if csv is not None else None
    if output.suffix != ".tflite":
        raise UsageError(f"--output is {output}; give a file that ends in .tflite")
    for path in filter(None, (output, source, place)):
        check_regular(path, "--output" if path != place else "--csv")
        if path.exists() and not parsed.overwrite:
            raise UsageError(f"{path} is there already; pass --overwrite to replace it")
    return ExportJob(model, settings, samples, output, source, place, csv)


def _identifier(stem: str) -> str:
    """What an array in C may be called.

    Example:
        >>> _identifier("nano_u 7,500_int8")
        'nano_u_7_500_int8'
    """
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return f"_{name}" if name[:1].isdigit() else name

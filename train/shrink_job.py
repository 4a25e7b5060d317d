"""What ``python -m train.shrink`` is to do, found out and checked before TensorFlow is loaded."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Literal, NamedTuple

from nasmon.errors import UsageError
from nasmon.narrowing.budgets import budget_of
from nasmon.narrowing.plan import Limits
from nasmon.record.run import Record
from nasmon.train.config import resolve_settings
from nasmon.train.given_model import (
    check_data,
    existing_model,
    recorded_run,
    training_of,
    whole_option,
)
from nasmon.train.options import Settings, all_options
from nasmon.widths.objectives import OBJECTIVES

SHARE_OF_EPOCHS = 4
"""Fine-tuning takes a quarter of the epochs of the training, if nothing else is said."""

MOST_SEEDS, MOST_TRIES = 1000, 10**5
"""Of trainings of a model, and of widths that are tried: each takes minutes, or seconds."""


class Job(NamedTuple):
    """All that is to be done, checked, before TensorFlow is loaded."""

    model: Path
    csv: Path | None  # of the model's run, if its record was found
    settings: Settings  # of the fine-tuning
    config: str | None
    budgets: tuple[dict[str, float], ...]  # of each model; none for what is spare
    limits: Limits
    search: int
    accept: str | None
    accept_on: Literal["float32", "int8"]
    prove: bool
    seeds: int  # trainings of each smaller model
    overwrite: bool

    @property
    def stem(self) -> str:
        """What the files of the model are named after."""
        return self.model.stem


OWN_FLAGS = {
    "training.epochs": "epochs of fine-tuning (default: a quarter of the training's)",
    "training.lr": "learning rate at its start (default: the training's)",
    "training.batch_size": "images per step (default: the training's)",
    "training.seed": "of shuffling and of what is tried (default: the training's)",
    "training.data_dir": "your images (default: the training's)",
    "training.output_dir": "folder for the smaller models (default: the model's)",
}
"""Options of a training that are flags here, too."""


def job_of(parsed: argparse.Namespace) -> Job:
    """The job that a command line asks for.

    Raises:
        UsageError: it asks for what cannot be.
    """
    model = existing_model(parsed.model)
    csv, record = recorded_run(model, parsed.csv)
    settings, config = _settings(parsed, model, csv, record)
    job = Job(
        model=model,
        csv=csv,
        settings=settings,
        config=config,
        budgets=_budgets(parsed),
        limits=Limits(
            tuple(parsed.keep),
            whole_option("--round-to", parsed.round_to, 1),
            whole_option("--min-width", parsed.min_width, 1),
        ),
        search=whole_option("--search", parsed.search, 0, MOST_TRIES),
        accept=parsed.accept,
        accept_on=parsed.accept_on,
        prove=parsed.prove,
        seeds=whole_option("--seeds", parsed.seeds, 1, MOST_SEEDS),
        overwrite=parsed.overwrite,
    )
    check_data("shrink", model, record, settings)
    return job


def _settings(
    parsed: argparse.Namespace, model: Path, csv: Path | None, record: Record | None
) -> tuple[Settings, str | None]:
    """Those of the model's own training, and what is given over them."""
    given, config = training_of(record, parsed.config)
    epochs = resolve_settings(config, given).training.epochs
    given["training.epochs"] = max(1, round(epochs / SHARE_OF_EPOCHS))
    given["training.output_dir"] = str(model.parent)
    given |= {key: value for key in OWN_FLAGS if (value := getattr(parsed, key)) is not None}
    folder = Path(given["training.output_dir"])
    beside = csv.parent if csv is not None and folder == model.parent else folder / "nas"
    given |= {"nas.enabled": True, "nas.log_dir": str(beside)}
    names = {key: option.flag for key, option in all_options() if key in OWN_FLAGS}
    return resolve_settings(config, given, names), config


def _budgets(parsed: argparse.Namespace) -> tuple[dict[str, float], ...]:
    given = {
        objective.name: [budget_of(objective.name, text, f"--{objective.name}") for text in values]
        for objective in OBJECTIVES
        if (values := getattr(parsed, objective.name))
    }
    spare: tuple[dict[str, float], ...] = ({},) if parsed.spare else ()
    if not given and not spare:
        flags = " or ".join(f"--{objective.name}" for objective in OBJECTIVES)
        raise UsageError(f"there is no budget; give {flags}, such as --params 0.25, or --spare")
    if not given:
        return spare
    count = max(map(len, given.values()))
    for name, values in given.items():
        if len(values) not in (1, count):
            raise UsageError(f"--{name} has {len(values)} values; give one, or {count}")
    each = (
        {name: values[index % len(values)] for name, values in given.items()}
        for index in range(count)
    )
    return (*spare, *each)

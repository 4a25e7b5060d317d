"""The options of a training run: one table, from which flags, config keys and checks come.

The table is the fields of the dataclasses below. Their defaults stand in ``defaults.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import Field, dataclass, field, fields, is_dataclass, make_dataclass
from typing import Any, Literal, NamedTuple

from nasmon.schedule import LOG_FREQUENCIES
from nasmon.thresholds import THRESHOLDS
from nasmon.train.models import MODELS
from nasmon.values import (
    Reader,
    layer_selection,
    one_of,
    optional,
    path,
    real,
    switch,
    whole,
    whole_list,
)


class Option(NamedTuple):
    """What an option is called in each place, and what it may be."""

    read: Reader
    help: str
    flag: str  # on the command line, empty if it has none
    keyword: str  # of train(), empty if it has none
    choices: str  # for the command line's help, such as {epoch,batch}


def _option(
    read: Reader,
    explanation: str = "",
    *,
    flag: str = "",
    keyword: str = "",
    choices: Iterable[str] = (),
) -> Any:
    words = ",".join(choices)
    option = Option(read, explanation, flag, keyword, f"{{{words}}}" if words else "")
    return field(metadata={"option": option})


def _section(section: type) -> Any:
    return field(metadata={"section": section})


HIGHEST_SEED = 2**32 - 1  # NumPy's global generator takes no more

MOST_EPOCHS, MOST_BATCH, MOST_RATE = 10**6, 10**6, 10.0
"""Of a training: no slip of the keyboard is below, and no use above."""

MOST_SCENES = 10**5
"""Of the terrain, for training or validation: they take 2 GB of memory, and minutes to paint."""


@dataclass(frozen=True)
class Training:
    """What is trained, on what, and where it goes."""

    model: str = _option(
        one_of(*MODELS), "what to train", flag="--model", keyword="model_name", choices=MODELS
    )
    epochs: int = _option(
        whole(1, MOST_EPOCHS),
        "times through the training images",
        flag="--epochs",
        keyword="epochs",
    )
    batch_size: int = _option(
        whole(1, MOST_BATCH), "images per step", flag="--batch-size", keyword="batch_size"
    )
    lr: float = _option(
        real(0, MOST_RATE, above=True),
        "learning rate at the start; it falls to 0 along a cosine",
        flag="--lr",
        keyword="lr",
    )
    weight_decay: float = _option(real(0))
    seed: int = _option(
        whole(0, HIGHEST_SEED), "of initial weights and shuffling", flag="--seed", keyword="seed"
    )
    widths: tuple[int, ...] | None = _option(
        optional(whole_list),
        "channels, separated by spaces or commas: one per stage down and the bottleneck, or one "
        "per block",
        flag="--widths",
        keyword="widths",
    )
    data_dir: str | None = _option(
        optional(path),
        "your images, as DIR/{train,val}/{img,mask}/ (otherwise: the embedded terrain)",
        flag="--data-dir",
        keyword="data_dir",
    )
    output_dir: str = _option(
        path, "folder for the model and its history", flag="--output-dir", keyword="output_dir"
    )


@dataclass(frozen=True)
class Terrain:
    """The embedded data set."""

    train_images: int = _option(whole(1, MOST_SCENES))
    val_images: int = _option(whole(1, MOST_SCENES))
    seed: int = _option(whole(0))
    cache_dir: str | None = _option(optional(path))


Thresholds = make_dataclass(
    "Thresholds",
    [(one.name, float, _option(real(one.least, one.most))) for one in THRESHOLDS],
    frozen=True,
)
"""Where a metric's value becomes worth a remark."""


@dataclass(frozen=True)
class Nas:
    """The spectral monitor."""

    enabled: bool = _option(
        switch,
        "watch the layers' spectra while training",
        flag="--enable-nas",
        keyword="enable_nas_monitoring",
    )
    log_dir: str = _option(
        path, "folder for TensorBoard's events", flag="--nas-log-dir", keyword="nas_log_dir"
    )
    csv_path: str | None = _option(
        optional(path),
        "the metrics (otherwise: <log dir>/<model>_nas_metrics.csv)",
        flag="--nas-csv-path",
        keyword="nas_csv_path",
    )
    log_freq: Literal["epoch", "batch"] = _option(
        one_of(*LOG_FREQUENCIES),
        "a reading every epoch, or also every few batches",
        flag="--nas-log-freq",
        keyword="nas_log_freq",
        choices=LOG_FREQUENCIES,
    )
    monitor_batch_freq: int = _option(
        whole(1),
        "batches from one reading to the next, with --nas-log-freq batch",
        flag="--nas-batch-freq",
        keyword="nas_monitor_batch_freq",
    )
    samples: int = _option(whole(1))
    overhead_budget: float | None = _option(
        optional(real(0, above=True)),
        "share of the training time that readings may take",
        flag="--nas-overhead-budget",
    )
    layers: str | list[str] = _option(layer_selection)
    width_evidence: bool = _option(switch)
    thresholds: Any = _section(Thresholds)


@dataclass(frozen=True)
class Settings:
    """All options of a run, checked."""

    training: Training = _section(Training)
    terrain: Terrain = _section(Terrain)
    nas: Nas = _section(Nas)


def section_of(one: Field[Any]) -> type | None:
    """The dataclass of a field that is a section, None for an option."""
    section = one.metadata.get("section")
    return section if is_dataclass(section) and isinstance(section, type) else None


def all_options(section: type = Settings, prefix: str = "") -> Iterator[tuple[str, Option]]:
    """Every option with its dotted key, such as ``nas.thresholds.high_redundancy``."""
    for one in fields(section):
        inner = section_of(one)
        if inner is not None:
            yield from all_options(inner, f"{prefix}{one.name}.")
        else:
            yield f"{prefix}{one.name}", one.metadata["option"]

"""Wrong types are noticed where they enter, by one table, with name, value and remedy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasmon import Monitor, NASMonitorCallback
from nasmon.errors import UsageError
from nasmon.train import train
from nasmon.train.data.image_folder import load_image_folder
from nasmon.train.data.terrain import load_terrain
from tests.networks import tiny

COUNT = "use a whole number of at least 1"

WRONG: list[tuple[str, Any, str]] = [
    ("samples", "3", COUNT),
    ("samples", None, COUNT),
    ("samples", float("nan"), COUNT),
    ("samples", True, COUNT),
    ("chunk", 2.5, f"{COUNT}, or None"),
    ("max_rows", "10", f"{COUNT}, or None"),
    ("layers", 5, "use auto, output, or a list such as"),
    ("layers", [5], "use auto, output, or a list such as"),
    ("layers", None, "use auto, output, or a list such as"),
    ("layers", [], "use auto, output, or a list such as"),
    ("csv_path", 5, "use a path, or None"),
    ("csv_path", True, "use a path, or None"),
    ("log_dir", 5, "use a path, or None"),
    ("origin", 5, "use nasmon.Origin"),
    ("overhead_budget", "much", "use a number above 0, or None"),
    ("overhead_budget", 0, "use a number above 0, or None"),
    ("on_error", 1, "use one of warn, raise"),
    ("if_exists", None, "use one of error, append, overwrite"),
]

OF_CALLBACK: list[tuple[str, Any, str]] = [
    ("batch_freq", 1.5, COUNT),
    ("batch_freq", "10", COUNT),
    ("log_freq", ["epoch"], "use one of epoch, batch"),
    ("model", "gan", "use a Keras model"),
]


@pytest.mark.parametrize(("name", "value", "remedy"), [*WRONG, *OF_CALLBACK])
def test_the_callback_refuses_it_when_it_is_made(name: str, value: Any, remedy: str) -> None:
    with pytest.raises(UsageError) as refused:
        NASMonitorCallback(**{name: value})
    assert str(refused.value).startswith(f"{name} is {value!r}; {remedy}")


@pytest.mark.parametrize(("name", "value", "remedy"), WRONG)
def test_the_monitor_refuses_it_before_anything_is_opened(
    name: str, value: Any, remedy: str, tmp_path: Path
) -> None:
    model, x = tiny()
    with pytest.raises(UsageError) as refused:
        Monitor(model, x, **{"csv_path": tmp_path / "run.csv", name: value})
    assert str(refused.value).startswith(f"{name} is {value!r}; {remedy}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        (5, r"thresholds is 5; use a dictionary such as \{"),
        ({"high_redundancy": "a"}, "high_redundancy is 'a'; use a number of at least 0 and at m"),
        ({"high_redundancy": 2}, "high_redundancy is 2; use a number of at least 0 and at most 1"),
        ({"high_redundancy": 0.2}, "thresholds: moderate_redundancy is 0.5 and high_redundancy 0."),
        ({"redundant": 0.2}, "thresholds has 'redundant', which is none of: high_redundancy"),
    ],
)
def test_thresholds_have_their_own_table(thresholds: Any, message: str) -> None:
    model, x = tiny()
    with pytest.raises(UsageError, match=message):
        NASMonitorCallback(thresholds=thresholds)
    with pytest.raises(UsageError, match=message):
        Monitor(model, x, thresholds=thresholds)


def test_numbers_of_other_libraries_are_numbers() -> None:
    model, x = tiny()
    numbers: dict[str, Any] = {"samples": np.int64(8), "chunk": np.int32(4)}
    monitor = Monitor(model, x, overhead_budget=np.float64(0.1), **numbers)
    assert monitor.samples == 8


def test_a_model_must_be_one() -> None:
    with pytest.raises(UsageError, match="model is 'gan'; use a Keras model"):
        Monitor("gan", np.ones((4, 2)))


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("model_name", 5, "use one of"),
        ("epochs", None, ""),
        ("epochs", 2.5, "use a whole number from 1 to 1000000"),
        ("epochs", True, "use a whole number from 1 to 1000000"),
        ("batch_size", [8], "use a whole number from 1 to 1000000"),
        ("lr", "fast", "use a number above 0"),
        ("enable_nas_monitoring", "yes", "use true or false"),
        ("nas_log_dir", 5, "use a path"),
        ("widths", 5, "use whole numbers of at least 1"),
    ],
)
def test_the_training_refuses_it(name: str, value: Any, remedy: str, tmp_path: Path) -> None:
    arguments = {"epochs": 1, "output_dir": tmp_path, "data_dir": tmp_path / "none", name: value}
    with pytest.raises(UsageError) as refused:
        train(**arguments)
    # None is what is not given: then the folder of images is what is wrong
    assert (f"{name} is {value!r}; {remedy}" in str(refused.value)) == (value is not None)


@pytest.mark.parametrize(
    ("loader", "arguments", "message"),
    [
        (
            load_terrain,
            {"train_images": "8"},
            "train_images is '8'; use a whole number from 1 to",
        ),
        (load_terrain, {"val_images": 0}, "val_images is 0; use a whole number from 1 to 100000"),
        (load_terrain, {"seed": -1}, "seed is -1; use a whole number of at least 0"),
        (load_terrain, {"cache_dir": 5}, "cache_dir is 5; use a path"),
        (load_image_folder, {"root": 5}, "root is 5; use a path"),
        (load_image_folder, {"root": "x", "height": 0}, f"height is 0; {COUNT}"),
        (load_image_folder, {"root": "x", "width": 1.5}, f"width is 1.5; {COUNT}"),
    ],
)
def test_the_loaders_refuse_it(loader: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        loader(**arguments)

"""From planted layers through the real monitor and its files to the advice by ranks."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from nasmon import Monitor
from nasmon.analysis.recommend.command import main

INPUTS, WIDTH, READINGS = 24, 16, 6
BRANCHES = ("low", "twins", "silent", "healthy", "drifting")


def kernel(rank: int, seed: int) -> np.ndarray:
    """[1, 1, INPUTS, WIDTH] with ``rank`` singular values of 1 and no others."""
    random = np.random.default_rng(seed)
    left = np.linalg.qr(random.normal(size=(INPUTS, rank)))[0]
    right = np.linalg.qr(random.normal(size=(WIDTH, rank)))[0]
    return (left @ right.T)[None, None].astype(np.float32)


def planted_model() -> keras.Model:
    """One branch a case, side by side, so that each width is decided for itself."""
    inputs = keras.Input((12, 12, INPUTS))
    branches = [layers.Conv2D(WIDTH, 1, name=name)(inputs) for name in BRANCHES]
    joined = layers.Concatenate()(branches)
    model = keras.Model(inputs, layers.Conv2D(1, 1, name="head")(joined), name="planted")
    for seed, name in enumerate(BRANCHES):
        plant(model, name, kernel(8 if name == "low" else WIDTH, seed))
    twins = np.array(model.get_layer("twins").kernel)
    twins[..., 11], twins[..., 5] = -2 * twins[..., 2], twins[..., 14]
    plant(model, "twins", twins)
    silent = np.array(model.get_layer("silent").kernel)
    silent[..., [3, 7]] = 0
    plant(model, "silent", silent)
    return model


def plant(model: keras.Model, name: str, values: np.ndarray) -> None:
    model.get_layer(name).kernel.assign(values)


@pytest.fixture(scope="module")
def advice(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``recommend --format json`` says of six readings, in which one layer's rank grows."""
    path = tmp_path_factory.mktemp("planted") / "planted.csv"
    model = planted_model()
    x = np.random.default_rng(9).normal(size=(64, 12, 12, INPUTS)).astype(np.float32)
    with Monitor(model, x, samples=64, csv_path=path, width_evidence=False) as monitor:
        for step in range(READINGS):
            plant(model, "drifting", kernel(4 + 2 * step, 4))
            monitor.read(step, epoch=step)
    return recommended(path)


def recommended(path: Path) -> dict[str, Any]:
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as said, pytest.raises(SystemExit) as ended:
        main(["--csv", str(path), "--format", "json"])
    assert ended.value.code == 0
    return json.loads(said.getvalue())


def layer(advice: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (one for one in advice["layers"] if one["layer"] == name)
    return found


def test_rank_8_of_16_is_told_8(advice: dict[str, Any]) -> None:
    low = layer(advice, "low")
    assert (low["rank_99"], low["action"], low["width"]) == (8, "narrow", 8)
    assert low["lines"][0].startswith("narrow 16 -> 8: rank_99 is 8 of 16")
    # a kernel of 24 numbers and a bias for each channel, and one number of the head's kernel
    assert low["saving"]["params"] == 8 * (INPUTS + 1 + 1)
    assert low["saving"]["macs"] == 8 * (INPUTS + 1) * 12 * 12


def test_duplicated_channels_are_named(advice: dict[str, Any]) -> None:
    pairs = layer(advice, "twins")["duplicates"]
    assert [(pair["first"], pair["second"]) for pair in pairs] == [(2, 11), (5, 14)] or [
        (pair["first"], pair["second"]) for pair in pairs
    ] == [(5, 14), (2, 11)]
    signs = {(pair["first"], pair["second"]): pair["correlation"] for pair in pairs}
    assert signs == pytest.approx({(2, 11): -1, (5, 14): 1})
    assert any(
        "2 and 11" in line and "5 and 14" in line for line in layer(advice, "twins")["lines"]
    )
    assert layer(advice, "twins")["width"] == 16  # rank 14, rounded up


def test_dead_channels_are_counted_and_named(advice: dict[str, Any]) -> None:
    silent = layer(advice, "silent")
    assert (silent["dead"], silent["dead_indices"]) == (2, [3, 7])
    assert any("dead channels 3 and 7 can go outright" in line for line in silent["lines"])


def test_a_healthy_layer_is_left_alone(advice: dict[str, Any]) -> None:
    healthy = layer(advice, "healthy")
    assert (healthy["action"], healthy["width"], healthy["rank_99"]) == ("keep", 16, 16)
    assert (healthy["dead"], healthy["duplicates"]) == (0, [])


def test_an_unsettled_layer_is_told_to_train_longer(advice: dict[str, Any]) -> None:
    drifting = layer(advice, "drifting")
    assert (drifting["settled"], drifting["action"], drifting["width"]) == (False, "wait", 16)
    assert any("train longer before cutting" in line for line in drifting["lines"])


def test_the_output_is_never_touched(advice: dict[str, Any]) -> None:
    assert (layer(advice, "head")["action"], layer(advice, "head")["width"]) == ("fixed", 1)
    assert advice["widths"] == {"low": 8}


def test_the_total_is_that_of_the_rebuilt_model(advice: dict[str, Any]) -> None:
    inputs = keras.Input((12, 12, INPUTS))
    widths = {name: advice["widths"].get(name, WIDTH) for name in BRANCHES}
    joined = layers.Concatenate()([layers.Conv2D(w, 1)(inputs) for w in widths.values()])
    rebuilt = keras.Model(inputs, layers.Conv2D(1, 1)(joined))
    assert advice["model"]["params"] - advice["saving"]["params"] == rebuilt.count_params()


def test_three_channels_into_a_1x1_convolution_are_no_waste(tmp_path: Path) -> None:
    inputs = keras.Input((12, 12, 3))
    wide = layers.Conv2D(16, 1, name="wide")(inputs)
    model = keras.Model(inputs, layers.Conv2D(1, 1, name="head")(layers.ReLU()(wide)))
    x = np.random.default_rng(0).normal(size=(32, 12, 12, 3)).astype(np.float32)
    with Monitor(model, x, csv_path=tmp_path / "run.csv", width_evidence=False) as monitor:
        for step in range(5):
            monitor.read(step)
    advice = recommended(tmp_path / "run.csv")
    found = layer(advice, "wide")
    assert (found["rank_99"], found["rank_limit"], found["action"]) == (3, 3, "limited")
    assert any("its input allows at most 3" in line for line in found["lines"])
    assert advice["widths"] == {}


def test_few_rows_are_called_a_weak_estimate(tmp_path: Path) -> None:
    inputs = keras.Input((40,))
    hidden = layers.Dense(32, name="hidden")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="classes")(hidden))
    x = np.random.default_rng(0).normal(size=(64, 40)).astype(np.float32)
    path = tmp_path / "run.csv"
    with Monitor(model, x, samples=64, csv_path=path, width_evidence=False) as monitor:
        for step in range(5):
            monitor.read(step)
    found = layer(recommended(tmp_path / "run.csv"), "hidden")
    assert (found["rows"], found["action"], found["width"]) == (64, "weak", 32)

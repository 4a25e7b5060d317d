"""What the metrics of wide layers would lose if their matrices were made tridiagonal in float32.

That halves what a GPU reads and writes for them. The yardstick is what else moves a metric from
reading to reading: other samples, and an epoch of training. The covariances are those of the
product in both cases, and the bisection is in float64.

``NASMON_IMAGES`` names a folder of images and masks, as ``python -m train --data-dir`` reads it;
``NASMON_CIFAR10`` an .npz file of ``x_train``, ``y_train`` and ``x_val``: uint8 images
[N, 32, 32, 3] and labels of ten classes.
"""

import itertools
import os
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.float32 import MOVES, Precisions, Solvers, moves
from bench.results import command_of, write_section
from nasmon import Monitor
from nasmon.train.data.image_folder import load_image_folder
from nasmon.train.data.pipelines import build_pipelines
from nasmon.train.fitting import compile_model, make_deterministic
from nasmon.train.models import build_model

IMAGES, CIFAR10 = "NASMON_IMAGES", "NASMON_CIFAR10"
SETS = 3
"""Disjoint sets of samples."""
SIDE = 64
"""Pixels that CIFAR-10's 32 are made, for MobileNetV2 halves them five times."""

FLOAT32, SAMPLES, EPOCH = "float32", "other samples", "an epoch"
"""What makes readings differ."""


class Training(NamedTuple):
    """A model in training, and inputs to probe it with."""

    model: keras.Model
    samples: np.ndarray  # in random order
    epoch: Callable[[], None]  # trains one more


def nano_u(epochs: int = 4) -> Training:
    """On images of a folder, after so many epochs."""
    make_deterministic(0)
    data = build_pipelines(load_image_folder(_given(IMAGES)), 8, seed=0)
    model = build_model("nano_u")
    compile_model(model, 3e-3, 0.004, (epochs + 1) * len(data.train))
    samples = np.concatenate([batch for batch, _ in data.val])
    return _begun(model, data.train, samples, epochs)


def mobilenet(epochs: int = 3, images: int = 4096) -> Training:
    """``keras.applications.MobileNetV2`` on so many of the images, after so many epochs."""
    make_deterministic(0)
    with np.load(_given(CIFAR10)) as arrays:
        x, y, x_val = (arrays[name] for name in ("x_train", "y_train", "x_val"))
    model = keras.applications.MobileNetV2((SIDE, SIDE, 3), weights=None, classes=10)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # of 0.999 a few hundred steps leave the averages that a reading normalizes with far off
            layer.momentum = 0.9
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile("adam", loss, metrics=["accuracy"], jit_compile=False)
    data = (_enlarged(x[:images]), y[:images])
    return _begun(model, data, _enlarged(x_val), epochs)


def _given(variable: str) -> str:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set; see the top of {__file__}")
    return os.environ[variable]


def _enlarged(images: np.ndarray) -> np.ndarray:
    """To [N, SIDE, SIDE, 3] in [-1, 1], as the model was made for."""
    resized = keras.ops.image.resize(images.astype(np.float32), (SIDE, SIDE))
    return keras.ops.convert_to_numpy(resized) / 127.5 - 1


def _begun(model: keras.Model, data: object, samples: np.ndarray, epochs: int) -> Training:
    def train(more: int = 1) -> None:
        pairs = {"x": data} if not isinstance(data, tuple) else {"x": data[0], "y": data[1]}
        history = model.fit(**pairs, epochs=more, shuffle=isinstance(data, tuple), verbose=0)
        print({name: round(values[-1], 3) for name, values in history.history.items()})

    train(epochs)
    # neighbours may be frames of one film: the yardstick would be too long
    return Training(model, np.random.default_rng(0).permutation(samples), train)


class Case(NamedTuple):
    """A training, and how many samples its readings take."""

    name: str
    words: str  # what it trains on
    train: Callable[[], Training]
    samples: tuple[int, ...]
    wider_than: tuple[int, ...]  # which layers are compared


CASES = (
    Case("nano_u", "road images", nano_u, (32,), (0,)),
    # the default, and as many as give its last layers more rows than channels: 4 positions each
    Case(
        "MobileNetV2",
        f"images of CIFAR-10 made {SIDE} x {SIDE} pixels",
        mobilenet,
        (32, 512),
        (64, 128, 256),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_float32_against_what_else_moves_a_metric(benchmark: BenchmarkFixture, case: Case) -> None:
    training = case.train()
    sets = [np.split(training.samples[: SETS * n], SETS) for n in case.samples]
    monitors = [Monitor(training.model, own[0], samples=len(own[0])) for own in sets]
    solvers = [Solvers(monitor) for monitor in monitors]
    before = [solver.read(own) for solver, own in zip(solvers, sets, strict=True)]
    training.epoch()
    after = [solver.read(own) for solver, own in zip(solvers, sets, strict=True)]
    for monitor, first, second in zip(monitors, before, after, strict=True):
        channels = np.array([info.channels for info in monitor.layers])
        rows = table(compared(first, second), channels, case.wider_than)
        benchmark.extra_info[f"{monitor.samples} samples"] = rows
        print("", f"{case.name}, {monitor.samples} samples", *rows, sep="\n")
        write_table(case, monitor, rows)
    benchmark.pedantic(lambda: solvers[0].read(sets[0][:1]), rounds=1)


def compared(before: Precisions, after: Precisions) -> dict[str, np.ndarray]:
    """What float32 moves, and what other samples and an epoch of training do, in float64."""
    moments = (before, after)
    one, other = np.array(list(itertools.combinations(range(SETS), 2))).T
    samples = [moves(m.double.at(one), m.double.at(other)) for m in moments]
    return {
        FLOAT32: np.concatenate([moves(m.single, m.double) for m in moments]),
        SAMPLES: np.concatenate(samples),
        EPOCH: moves(before.double, after.double),
    }


def table(
    found: dict[str, np.ndarray], channels: np.ndarray, wider_than: tuple[int, ...]
) -> list[tuple[str, ...]]:
    """A row for each metric: what float32 moves above each width, and what else does."""
    kinds = [(FLOAT32, width) for width in wider_than]
    kinds += [(kind, wider_than[0]) for kind in (SAMPLES, EPOCH)]
    rows = [("layers", "", *(str((channels > width).sum()) for _, width in kinds))]
    for index, (name, scale) in enumerate(MOVES.items()):
        cell = _share if scale == "share of layers" else _spread
        cells = (cell(found[kind][:, channels > width, index].ravel()) for kind, width in kinds)
        rows.append((name, scale, *cells))
    return rows


def _share(flags: np.ndarray) -> str:
    return f"{100 * flags.mean():.0f} %"


def _spread(values: np.ndarray) -> str:
    """The median, in brackets the largest."""
    known = values[~np.isnan(values)]
    return f"{np.median(known):.1g} ({known.max():.1g})" if len(known) else "-"


def write_table(case: Case, monitor: Monitor, rows: list[tuple[str, ...]]) -> None:
    """That case's section in ``bench/RESULTS.md``."""
    above = [f"float32 above {width}" if width else "float32" for width in case.wider_than]
    first = case.wider_than[0]
    which = f"the layers of more than {first} channels" if first else "all layers"
    write_section(
        f"Float32 spectra, {case.name}, {monitor.samples} samples",
        f"{IMAGES}=folder {CIFAR10}=file {command_of(__file__)}",
        [
            f"{case.name}, trained on {case.words}. What it moves a metric by if matrices are made "
            f"tridiagonal in float32; and, of {which}, what other samples and an epoch of training "
            f"do: the median over layers and readings, in brackets the largest. {SETS} sets of "
            "samples that share none, before and after the epoch.",
        ],
        ("metric", "error", *above, "other samples", "an epoch"),
        rows,
    )

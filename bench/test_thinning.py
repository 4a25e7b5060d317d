"""What a layer's metrics lose when a reading takes only some of its rows, and what that saves.

The yardstick is what another choice of samples changes, all rows taken: a reading is of a few
samples in any case, so an error well below that is not worth its time. Both are looked at in the
layers that are thinned, for in the others there is no error.

``NASMON_IMAGES`` names a folder of images and masks, as ``python -m train --data-dir`` reads it.
"""

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.interleaved import Ratios, interleave
from bench.results import command_of, write_section
from bench.thinning import COMPARED, SCALES, Spread, errors, spreads
from nasmon import Monitor
from nasmon.callback import FREQUENT_MAX_ROWS
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.monitor import DEFAULT_MAX_ROWS
from nasmon.probe_set import probe_set
from nasmon.train.data.image_folder import load_image_folder
from nasmon.train.data.pipelines import Images, build_pipelines
from nasmon.train.data.terrain import load_terrain
from nasmon.train.fitting import compile_model, make_deterministic
from nasmon.train.models import build_model

MODEL = "nano_u"
EPOCHS = 8
SAMPLES = 32
LIMITS = (1024, 2048, 4096, 8192, 16384, 32768)
ALL_ROWS = 10**9
SETS = 8
"""Disjoint sets of samples, if there are images for so many; two at least."""
PAIRS = 8
CALLS = 3
FOLDER = "NASMON_IMAGES"


class Source(NamedTuple):
    """Images to train on and to probe with."""

    title: str  # of the section
    words: str  # what they are
    setting: str  # before the command that measures it again
    load: Callable[[], Images]


def _terrain() -> Images:
    return load_terrain(512, SETS * SAMPLES)


def _folder() -> Images:
    return load_image_folder(os.environ[FOLDER])


SOURCES = {
    "terrain": Source("Thinning, terrain", "scenes of the embedded terrain", "", _terrain),
    "images": Source(
        "Thinning, real images",
        f"images of the folder `{Path(os.environ.get(FOLDER, '')).name}`",
        f"{FOLDER}=folder ",
        _folder,
    ),
}


class Thinned(NamedTuple):
    """Readings of at most so many rows a layer, against readings of all rows."""

    limit: int
    samples: int
    sets: int
    thinned: list[str]  # the layers that have fewer rows for it
    layers: int
    most: int  # rows that one of these had at the most
    error: dict[str, Spread]  # of thinning, in these layers
    other: dict[str, Spread]  # what other samples change, in the same layers
    time: Ratios  # of all rows


@pytest.mark.parametrize("name", SOURCES)
def test_thinned_against_all_rows(benchmark: BenchmarkFixture, name: str) -> None:
    """What thinning changes is less than what other samples change, in every metric."""
    if name == "images" and not os.environ.get(FOLDER):
        pytest.skip(f"{FOLDER} is not set; set it to a folder of {{train,val}}/{{img,mask}}")
    images = SOURCES[name].load()
    model, samples = trained(images)
    sets = disjoint(samples, SAMPLES)
    whole = monitor(model, sets, ALL_ROWS)
    check_all_rows(model, whole)
    limits = sorted({*LIMITS, DEFAULT_MAX_ROWS})
    found = {n: against(whole, monitor(model, sets, n), sets) for n in limits}
    frequent = in_batch_mode(model, samples)
    benchmark.extra_info.update(
        {f"{n} rows": facts(one) for n, one in found.items()}, in_batch_mode=facts(frequent)
    )
    print(f"\n{benchmark.extra_info}")
    write_table(SOURCES[name], images, found, frequent)
    benchmark.pedantic(lambda: whole.read(0), rounds=PAIRS)
    for one in (found[DEFAULT_MAX_ROWS], frequent):
        assert one.thinned, f"no layer has more rows than {one.limit}"
        assert not above(one), f"{one.limit} rows of {one.samples} samples: {above(one)}"


def trained(images: Images) -> tuple[keras.Model, np.ndarray]:
    """A model that has trained for a minute, and validation inputs in random order."""
    make_deterministic(0)
    data = build_pipelines(images, 8, seed=0)
    model = build_model(MODEL)
    compile_model(model, 3e-3, 0.004, EPOCHS * len(data.train))
    model.fit(data.train, epochs=EPOCHS, shuffle=False, verbose=0)
    samples = np.concatenate([batch for batch, _ in data.val])
    # neighbours may be frames of one film: the yardstick would be too long
    return model, np.random.default_rng(0).permutation(samples)


def disjoint(samples: np.ndarray, size: int) -> list[np.ndarray]:
    """Sets of ``size`` samples that share none."""
    count = min(SETS, len(samples) // size)
    assert count > 1, f"{len(samples)} validation images are too few for two sets of {size}"
    return np.split(samples[: count * size], count)


def monitor(model: keras.Model, sets: list[np.ndarray], limit: int) -> Monitor:
    """Reads sets of this size, at most ``limit`` rows a layer."""
    size = len(sets[0])
    return Monitor(model, sets[0], samples=size, max_rows=limit, overhead_budget=None)


def in_batch_mode(model: keras.Model, samples: np.ndarray) -> Thinned:
    """The same for the readings that the callback takes with ``log_freq="batch"``."""
    frequent = Monitor(
        *(model, samples),
        samples=SAMPLES,
        max_rows=FREQUENT_MAX_ROWS,
        few_samples=True,
        overhead_budget=None,
    )
    sets = disjoint(samples, frequent.samples)
    return against(monitor(model, sets, ALL_ROWS), frequent, sets)


def against(whole: Monitor, thinned: Monitor, sets: list[np.ndarray]) -> Thinned:
    """Compares two monitors that differ in the rows they take."""
    all_rows, some_rows = metrics_of(whole, sets), metrics_of(thinned, sets)
    had, taken = (metrics[0, :, METRIC_NAMES.index("rows")] for metrics in (all_rows, some_rows))
    fewer = taken < had
    names = [info.name for info, less in zip(whole.layers, fewer, strict=True) if less]
    one, other = np.array(list(itertools.combinations(range(len(sets)), 2))).T
    return Thinned(
        limit=thinned._probe._max_rows,
        samples=whole.samples,
        sets=len(sets),
        thinned=names,
        layers=len(fewer),
        most=int(taken[fewer].max(initial=0)),
        error=spreads(errors(some_rows, all_rows)[:, fewer], names),
        other=spreads(errors(all_rows[one], all_rows[other])[:, fewer], names),
        time=interleave(lambda: thinned.read(0), lambda: whole.read(0), PAIRS, CALLS),
    )


def metrics_of(monitor: Monitor, sets: list[np.ndarray]) -> np.ndarray:
    """[sets, layers, metrics] of one monitor: to set up another for each would take a minute."""
    probe, found = monitor._probe, []
    for samples in sets:
        fresh = probe_set(samples, len(samples), probe.chunk_size)
        assert (fresh.samples, fresh.chunk_size) == (probe.samples, probe.chunk_size)
        probe.data = fresh
        found.append(monitor.read(0).metrics)
    return np.stack(found)


def check_all_rows(model: keras.Model, whole: Monitor) -> None:
    """What thinning is held against has a row for each sample and position."""
    reading = whole.read(0)
    for info in whole.layers:
        _, *positions, _ = model.get_layer(info.name).output.shape
        assert reading[info.name]["rows"] == SAMPLES * np.prod(positions), info.name


def ratios(one: Thinned) -> dict[str, float]:
    """By metric, the median error of thinning over the median of what other samples change."""
    found = {}
    for name, error in one.error.items():
        other = one.other[name].median
        # an error of 0 is none, also where other samples change nothing either
        unbounded = float("inf") if error.median else 0.0
        found[name] = error.median / other if other else unbounded
    return found


def above(one: Thinned) -> dict[str, float]:
    """The metrics in which thinning changes as much as other samples do, or more."""
    return {name: round(ratio, 3) for name, ratio in ratios(one).items() if not ratio < 1}


def facts(one: Thinned) -> dict[str, Any]:
    """All that was found out about a limit, with the layers of the largest errors."""
    return {
        "samples": one.samples,
        "sets": one.sets,
        "layers_thinned": f"{len(one.thinned)} of {one.layers}",
        "most_rows": one.most,
        "errors": {name: f"{spread} in {spread.layer}" for name, spread in one.error.items()},
        "other_samples": {name: str(spread) for name, spread in one.other.items()},
        "time": one.time.info(),
    }


def write_table(
    source: Source, images: Images, found: dict[int, Thinned], frequent: Thinned
) -> None:
    """That source's section in ``bench/RESULTS.md``."""
    default = found[DEFAULT_MAX_ROWS]
    columns = [*found.values(), frequent]
    rows: list[tuple[object, ...]] = [
        (metric, SCALES[metric].name, *(_cell(one, metric) for one in columns))
        for metric in (metric.name for metric in COMPARED)
    ]
    rows.append(("layers thinned", "", *(f"{len(one.thinned)} of {one.layers}" for one in columns)))
    rows.append(
        ("time of a reading", "of all rows", *(f"{one.time.median:.2f}" for one in columns))
    )
    lost = [verdict(one) for one in (default, frequent)]
    write_section(
        source.title,
        source.setting + command_of(__file__),
        [
            f"{MODEL}, trained for {EPOCHS} epochs on {source.words}, {images.x_train.shape[1]} x "
            f"{images.x_train.shape[2]} pixels; readings of {default.samples} samples, "
            f"{default.sets} sets that share none. A cell is what at most so many rows change in "
            "a metric of the layers that have more, against all their rows: the median over "
            "layers and sets, in brackets the largest; after the stroke what another choice of "
            "samples changes in the same layers, all rows taken.",
            f"The default, {DEFAULT_MAX_ROWS} rows: {lost[0]}. In batch mode, {frequent.limit} "
            f"rows of {frequent.samples} samples: {lost[1]}.",
        ],
        ("metric", "error", *map(str, found), f"batch mode: {frequent.limit}"),
        rows,
    )


def _cell(one: Thinned, metric: str) -> str:
    if metric not in one.error:
        return "-"
    error, other = one.error[metric], one.other[metric]
    return f"{error.median:.2g} ({error.largest:.2g}) / {other.median:.2g}"


def verdict(one: Thinned) -> str:
    """Whether thinning changes less than other samples do, in words."""
    found = ratios(one)
    worst = max(found, key=lambda name: found[name])
    share = f"{100 * found[worst]:.0f} % of what other samples change, in `{worst}`"
    return f"at the most {share}: {'missed' if above(one) else 'met'} (below 100 %)"

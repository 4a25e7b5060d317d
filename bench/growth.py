"""How cost grows with layers, channels, samples and resolution.

All points of a curve are timed in turn, round by round, so that a slow spell of the machine hits
all of them; what counts is the median over the rounds. What is timed was checked and warmed up.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from bench.curves import Point
from nasmon import Monitor
from nasmon.kernels.compiled import CompiledKernels, Rows, States, forget_kernels
from nasmon.monitor import DEFAULT_MAX_ROWS

LAYERS = (10, 20, 40, 60, 100, 140, 200)
CHANNELS = (16, 32, 64, 128, 256, 512, 1024, 2048)
SAMPLES = (16, 32, 64, 128, 256, 512, 1024)
SIDES = (16, 24, 32, 48, 64, 96, 128, 192, 256)

ROWS = 4096
ALL = 10**9
"""More rows than there are: none is left out."""

Key = tuple[int, str]
"""A value of the variable, and the part that is timed."""


def layers(rounds: int, setups: int) -> list[Point]:
    """Seconds of a reading and of setting up, for models of so many small convolutions."""
    models = {count: _chain(count) for count in LAYERS}
    x = _images(16, 16)
    monitors: dict[int, Monitor] = {}

    def set_up(count: int) -> None:
        forget_kernels()
        monitors[count] = Monitor(models[count], x, samples=16, overhead_budget=None)

    times = in_turn({(n, "set-up"): partial(set_up, n) for n in LAYERS}, setups, warm_ups=0)
    for monitor in monitors.values():
        _check(monitor)
    readings = {(n, "reading"): partial(m.read, 0) for n, m in monitors.items()}
    return points("layers", times | in_turn(readings, rounds))


def channels(rounds: int) -> list[Point]:
    """Seconds of absorbing ``ROWS`` rows of one layer, and of measuring it."""
    calls: dict[Key, Callable[[], object]] = {}
    for width in CHANNELS:
        kernels, rows = CompiledKernels([width]), ((_rows(ROWS, width),),)
        states = kernels.absorb(kernels.empty(), rows)
        (found,) = kernels.measure(states)
        variance = float(np.var(rows[0][0].numpy(), axis=0, dtype=np.float64, ddof=1).sum())
        np.testing.assert_allclose(found.eigenvalues.sum(), variance, rtol=1e-5)
        calls[width, "covariance of 4,096 rows"] = partial(_absorbed, kernels, rows)
        calls[width, "eigenvalues and metrics"] = partial(kernels.measure, states)
    return points("channels", in_turn(calls, rounds))


def samples(rounds: int) -> list[Point]:
    """Seconds of a reading of so many samples, of thinned rows and of all."""
    model = _pyramid(32)
    calls: dict[Key, Callable[[], object]] = {}
    for part, most in (("reading", DEFAULT_MAX_ROWS), ("reading, all rows", ALL)):
        for count in SAMPLES:
            monitor = _monitor(model, _images(count, 32), count, most)
            calls[count, part] = partial(monitor.read, 0)
    return points("samples", in_turn(calls, rounds))


def resolution(rounds: int) -> list[Point]:
    """Seconds of a reading of 16 images of so many positions, and of its kernels alone."""
    calls: dict[Key, Callable[[], object]] = {}
    for ending, most in (("", DEFAULT_MAX_ROWS), (", all rows", ALL)):
        for side in SIDES:
            monitor = _monitor(_pyramid(side), _images(16, side), 16, most)
            probe = monitor._probe
            rows = probe._rows_of(probe._shares[0])
            calls[side * side, f"reading{ending}"] = partial(monitor.read, 0)
            calls[side * side, f"its kernels{ending}"] = partial(_measured, probe._kernels, rows)
    return points("resolution", in_turn(calls, rounds))


def in_turn(
    calls: Mapping[Key, Callable[[], object]], rounds: int, warm_ups: int = 2
) -> dict[Key, list[float]]:
    """Seconds of each call, one after the other in every round, forwards and backwards in turn."""
    for _ in range(warm_ups):
        for call in calls.values():
            call()
    times: dict[Key, list[float]] = {key: [] for key in calls}
    for turn in range(rounds):
        for key in list(calls)[:: 1 if turn % 2 == 0 else -1]:
            begun = time.perf_counter()
            calls[key]()
            times[key].append(time.perf_counter() - begun)
    return times


def points(variable: str, times: Mapping[Key, Sequence[float]]) -> list[Point]:
    """The points of a curve: the median over the rounds, between its quartiles."""
    made = []
    for (value, part), seconds in times.items():
        low, _, high = statistics.quantiles(seconds, n=4)
        middle = statistics.median(seconds)
        made.append(Point(variable, value, part, middle, low, high, len(seconds)))
    return made


def _absorbed(kernels: CompiledKernels, rows: Rows) -> States:
    states = kernels.absorb(kernels.empty(), rows)
    # the smallest of its tensors will do to wait for the program
    tf.nest.flatten(states)[0].numpy()
    return states


def _measured(kernels: CompiledKernels, rows: Rows) -> object:
    return kernels.measure(kernels.absorb(kernels.empty(), rows))


def _monitor(model: keras.Model, x: np.ndarray, samples: int, most: int) -> Monitor:
    monitor = Monitor(model, x, samples=samples, max_rows=most, overhead_budget=None)
    _check(monitor)
    if most == ALL:
        reading = monitor.read(0)
        for info in reading.layers:
            _, height, width, _ = model.get_layer(info.name).output.shape
            assert reading[info.name]["rows"] == samples * height * width
    return monitor


def _check(monitor: Monitor) -> None:
    assert np.isfinite(monitor.read(0).metrics).all()


def _chain(count: int) -> keras.Model:
    """So many convolutions of 8 channels, one after another; orthogonal, to keep the signal."""
    inputs = x = keras.Input((16, 16, 3))
    for _ in range(count):
        x = keras.layers.Conv2D(8, 3, padding="same", kernel_initializer="orthogonal")(x)
    return keras.Model(inputs, x)


def _pyramid(side: int) -> keras.Model:
    """Three convolutions, the later ones wider and on fewer positions."""
    inputs = x = keras.Input((side, side, 3))
    for width, stride in ((8, 1), (16, 2), (32, 2)):
        x = keras.layers.Conv2D(width, 3, stride, padding="same", activation="relu")(x)
    return keras.Model(inputs, x)


def _images(count: int, side: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, side, side, 3), np.float32)


def _rows(count: int, width: int) -> tf.Tensor:
    """Rows of a graded spectrum."""
    rng = np.random.default_rng(width)
    scales = np.geomspace(1, 1e-3, width, dtype=np.float32)
    return tf.constant(rng.standard_normal((count, width), np.float32) * scales)

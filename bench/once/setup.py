"""Set-up in a process of its own: ``python -m bench.once.setup NAME`` prints what it took as JSON.

The model is built and has trained for an epoch of a few steps before, as TensorFlow's own start-up
and the tracing of the training step are not the monitor's. Then the same short ``fit`` runs without
the monitor, with it, and without it again. What is counted is the callback's construction and all
of its hooks, in which the first reading is taken and written to TensorBoard, CSV and the run's
record, and these are closed; what the fit with the monitor took longer than the mean of
its neighbours is a check on that. What fewer channels would lose is found out after the training,
and counted for itself.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import keras
import numpy as np

from bench.self_time import SelfTime, hooks_of
from bench.trainings import APPLICATIONS, TRAININGS, Training, training, with_kernels
from nasmon import NASMonitorCallback, callback, monitor, probe
from nasmon.kernels import compiled
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.sinks import opening

STEPS = 4

PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "caching the probe set": ((probe, "probe_set"),),
    "tracing the forward pass": ((probe.Probe, "_compile_forward"), (probe, "enough_samples")),
    "the forward pass's first run": ((probe.Probe, "_warm_up"),),
    "reading off the widths": ((probe.Probe, "_read_widths"),),
    "tracing the kernels": (
        (compiled.CompiledKernels, "__init__"),
        (compiled.CompiledKernels, "_absorb_all"),
        (compiled.CompiledKernels, "_measure_all"),
    ),
    "compiling the kernels": ((compiled.CompiledKernels, "compile"),),
    "rehearsing a chunk": ((probe.Probe, "_rehearse"),),
    "opening the files": (
        (callback, "open_sinks"),
        (monitor, "watched_by"),
        (opening.Sinks, "begin"),
    ),
    "the first reading": ((monitor.Monitor, "_launch"), (monitor.Monitor, "collect")),
}
"""What the time is told apart by, and the functions that spend it; each without what the others
below it spend."""


def main() -> None:
    """Sets a monitor up once, and prints seconds by part and in all."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", choices=[*TRAININGS, *(f"applications.{n}" for n in APPLICATIONS)])
    keras.utils.set_random_seed(0)
    print(json.dumps(measure(training(parser.parse_args().name))))


def measure(made: Training) -> dict[str, Any]:
    """Seconds of a set-up to the first reading, by part.

    Returns:
        ``counted``: construction and hooks, up to the first reading; ``difference``: by the
        clock, of the whole fit without ``weighing``, what follows the last epoch;
        ``setup`` and ``reading``: by the monitor's own account; ``parts``: of ``counted``;
        ``foretold`` and ``compiling``: of the kernels, as a person is told and as it was;
        ``unread``: layers with a kernel that the reading lacks.
    """
    made = made._replace(train=made.train.take(STEPS).cache())
    fit(made, [])
    before = fit(made, [])
    with tempfile.TemporaryDirectory() as folder:
        spent, hooks = SelfTime(), SelfTime()
        told = Told(spent)
        with told.watching(), spent.watching(PARTS):
            begun = time.perf_counter()
            # without a budget, or so short a training would get a part of a reading
            watching = NASMonitorCallback(
                made.validation, log_dir=folder, overhead_budget=None, on_error="raise"
            )
            constructed = time.perf_counter() - begun
            with hooks.watching({"all": hooks_of(watching)}):
                during = constructed + fit(made, [watching])
        check_files(Path(folder), watching)
    after = fit(made, [])
    counted = constructed + hooks.seconds["all"] - told.weighing
    # where nothing was weighed, all of it
    spent_before = told.parts or spent.seconds
    parts = {name: spent_before.get(name, 0.0) for name in PARTS}
    reading = watching.readings[0]
    read = {layer.name for layer in reading.layers}
    unread = with_kernels(made.model).keys() - read
    return {
        "counted": counted,
        "difference": during - told.weighing - statistics.mean([before, after]),
        "setup": watching.monitor.setup_seconds,
        "reading": reading.probe_seconds,
        "parts": {**parts, "all else": counted - sum(parts.values())},
        "foretold": told.foretold,
        "compiling": told.compiling,
        "weighing": told.weighing,
        "layers": len(read),
        "unread": sorted(unread),
        "samples": reading.samples,
        "fit": [before, after],
    }


class Told:
    """What is foretold of compiling the kernels, how long that took from then on, and the rest.

    Args:
        spent: what is watched beside it.
    """

    def __init__(self, spent: SelfTime) -> None:
        self._spent = spent
        self.foretold = self.compiling = self.weighing = 0.0  # seconds
        self.parts: dict[str, float] = {}  # what was spent before weighing

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Meanwhile it is noted."""
        compile_kernels = compiled.CompiledKernels.compile
        keep_widths = monitor.Monitor._keep_widths

        def compile_noted(kernels: compiled.CompiledKernels, rows: Any, *_: object) -> None:
            begun = 0.0

            def foretell(seconds: float) -> None:
                nonlocal begun
                self.foretold, begun = seconds, time.perf_counter()

            compile_kernels(kernels, rows, foretell)
            self.compiling = time.perf_counter() - begun

        def keep_noted(watching: monitor.Monitor, recorder: Any) -> None:
            self.parts, begun = dict(self._spent.seconds), time.perf_counter()
            keep_widths(watching, recorder)
            self.weighing = time.perf_counter() - begun

        with (
            patch.object(compiled.CompiledKernels, "compile", compile_noted),
            patch.object(monitor.Monitor, "_keep_widths", keep_noted),
        ):
            yield


def fit(made: Training, callbacks: list[keras.callbacks.Callback]) -> float:
    """Seconds of one epoch."""
    begun = time.perf_counter()
    made.model.fit(made.train, epochs=1, shuffle=False, verbose=0, callbacks=callbacks)
    return time.perf_counter() - begun


def check_files(folder: Path, watching: NASMonitorCallback) -> None:
    """One whole reading was taken, of numbers, and is in the files."""
    (reading,) = watching.readings
    assert not reading.thinned
    assert reading.samples == watching.monitor.samples
    assert np.isfinite(reading.metrics[:, METRIC_NAMES.index("trace")]).all()
    assert watching.csv_path is not None
    assert len(watching.csv_path.read_text().splitlines()) == 2
    assert list(folder.glob("events.out.tfevents.*"))


if __name__ == "__main__":
    main()

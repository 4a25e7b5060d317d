"""Set-up in a process of its own: ``python -m bench.once.setup NAME`` prints what it took as JSON.

The model is built and has trained for an epoch of a few steps before, as TensorFlow's own start-up
and the tracing of the training step are not the monitor's. Then the same short ``fit`` runs without
the monitor, with it, and without it again. What is counted is the callback's construction and all
of its hooks up to the end of the epoch, when the first reading has been taken and written to
TensorBoard, CSV and the run's record; what the fit with the monitor took longer than the mean of
its neighbours is a check on that.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench.self_time import SelfTime, hooks_of
from bench.trainings import TRAININGS, Training
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
    parser.add_argument("name", choices=TRAININGS)
    keras.utils.set_random_seed(0)
    print(json.dumps(measure(TRAININGS[parser.parse_args().name]())))


def measure(made: Training) -> dict[str, Any]:
    """Seconds of a set-up to the first reading, by part.

    Returns:
        ``counted``: construction and hooks; ``difference``: by the clock, of the whole fit;
        ``setup`` and ``reading``: by the monitor's own account; ``parts``: of ``counted``.
    """
    made = made._replace(train=made.train.take(STEPS).cache())
    fit(made, [])
    before = fit(made, [])
    with tempfile.TemporaryDirectory() as folder:
        spent, hooks = SelfTime(), SelfTime()
        with spent.watching(PARTS):
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
    counted = constructed + hooks.seconds["all"]
    parts = {name: spent.seconds.get(name, 0.0) for name in PARTS}
    reading = watching.readings[0]
    return {
        "counted": counted,
        "difference": during - statistics.mean([before, after]),
        "setup": watching.monitor.setup_seconds,
        "reading": reading.probe_seconds,
        "parts": {**parts, "all else": counted - sum(parts.values())},
        "layers": len(reading.layers),
        "samples": reading.samples,
        "fit": [before, after],
    }


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

"""What a training pays for being watched: nano_u at its defaults, with and without the monitor.

Epochs with and without alternate in one process, on one model. Setting up is paid once a run and
shown apart (``setup_seconds``); the ratio is that of the epochs that follow.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bench.interleaved import interleave
from nasmon import NASMonitorCallback
from tests.oracle import assert_metrics
from train.fitting import compile_model
from train.models import build_model
from train.pipeline import build_pipelines
from train.terrain import load_terrain

PAIRS = 16
BATCH = 8


def check_reading(model: keras.Model, callback: NASMonitorCallback, validation: Any) -> None:
    """The reading is what float64 NumPy makes of the activations, before any time is taken."""
    reading = callback.readings[-1]
    name = "bottleneck_block2_pointwise"
    part = keras.Model(model.inputs[0], model.get_layer(name).output)
    x = np.concatenate([batch for batch, _ in validation])[: reading.samples]
    rows = np.asarray(part(x)).reshape(-1, 64)
    assert_metrics(reading[name], rows, "redundancy_score trace effective_rank rows")


@pytest.mark.parametrize(("log_freq", "most"), [("epoch", 1.02), ("batch", 1.05)])
def test_watched_over_unwatched(benchmark: Any, tmp_path: Path, log_freq: Any, most: float) -> None:
    keras.utils.set_random_seed(0)
    data = build_pipelines(load_terrain(512, 128), BATCH, seed=0)
    model = build_model("nano_u")
    compile_model(model, 1e-3, 0.004, 100 * len(data.train))
    callback = NASMonitorCallback(log_dir=tmp_path, log_freq=log_freq, on_error="raise")
    epoch = 0

    def train(callbacks: list[Any]) -> None:
        nonlocal epoch
        model.fit(
            data.train,
            validation_data=data.val,
            initial_epoch=epoch,
            epochs=epoch + 1,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
        epoch += 1

    train([])
    train([callback])
    check_reading(model, callback, data.val)
    found = interleave(lambda: train([callback]), lambda: train([]), PAIRS)
    monitor = callback.monitor
    benchmark.extra_info.update(
        found.info(),
        log_freq=log_freq,
        readings_an_epoch=(len(callback.readings) - 1) // PAIRS,
        samples=[callback.readings[0].samples, callback.readings[-1].samples],
        setup_seconds=round(monitor.setup_seconds, 2),
        probe_seconds=round(float(np.median([r.probe_seconds for r in callback.readings])), 4),
        versions=f"tensorflow {tf.__version__}, keras {keras.__version__}",
    )
    print(f"\n{log_freq}: {benchmark.extra_info}")
    benchmark.pedantic(train, args=([callback],), rounds=1)
    assert found.median <= most

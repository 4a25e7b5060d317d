"""Readings in Weights & Biases.

    pip install 'nasmon[examples]'
    WANDB_MODE=offline python wandb_sink.py

Without WANDB_MODE the run goes to your account; ``wandb sync`` takes it there later.
"""

import keras
import numpy as np
import wandb
from keras import layers

from nasmon import NASMonitorCallback, Reading, Sink, Watched


class WandbSink(Sink):
    """Gives each reading's numbers to a run, by the training step."""

    def __init__(self, run: wandb.Run) -> None:
        self.run = run
        run.define_metric("nas/*", step_metric="nas/step")

    def begin(self, watched: Watched) -> None:
        """Notes how large the model is."""
        self.run.config.update({"parameters": watched.params, "multiply-adds": watched.macs})

    def write(self, reading: Reading) -> None:
        """Logs the run's metrics, and each layer's saturation."""
        values = {f"nas/{name}": value for name, value in reading.aggregates.items()}
        for layer in reading.layers:
            values[f"nas/{layer.name}/saturation"] = reading[layer.name]["saturation"]
        self.run.log({**values, "nas/step": reading.step})


keras.utils.set_random_seed(1)
x = np.random.default_rng(1).normal(size=(1024, 8)).astype(np.float32)
y = np.tanh(x[:, :2] * x[:, 2:4])

model = keras.Sequential(
    [
        keras.Input((8,)),
        layers.Dense(32, activation="relu", name="hidden"),
        layers.Dense(2, name="head"),
    ]
)
model.compile("adam", "mse")

with wandb.init(project="nasmon", dir="logs") as run:
    # the run's own files are not needed beside it
    monitor = NASMonitorCallback(log_dir=None, overhead_budget=None, sinks=[WandbSink(run)])
    model.fit(x[256:], y[256:], validation_data=(x[:256], y[:256]), epochs=3, callbacks=[monitor])
    print(f"saturation in the end: {run.summary['nas/saturation']:.2f}")

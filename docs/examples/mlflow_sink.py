"""Readings in MLflow.

    pip install 'nasmon[examples]'
    python mlflow_sink.py

The runs are kept in logs/mlflow.db; with the whole of MLflow installed,
``mlflow ui --backend-store-uri sqlite:///logs/mlflow.db`` shows them.
"""

from pathlib import Path

import keras
import mlflow
import numpy as np
from keras import layers

from nasmon import NASMonitorCallback, Reading, Sink, Watched


class MlflowSink(Sink):
    """Gives each reading's numbers to the active run, by the training step."""

    def begin(self, watched: Watched) -> None:
        """Notes how large the model is."""
        mlflow.log_params({"parameters": watched.params, "multiply-adds": watched.macs})

    def write(self, reading: Reading) -> None:
        """Logs the run's metrics, and each layer's saturation."""
        values = {f"nas/{name}": value for name, value in reading.aggregates.items()}
        for layer in reading.layers:
            values[f"nas/{layer.name}/saturation"] = reading[layer.name]["saturation"]
        mlflow.log_metrics(values, step=reading.step)


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

Path("logs").mkdir(exist_ok=True)
mlflow.set_tracking_uri("sqlite:///logs/mlflow.db")
with mlflow.start_run() as run:
    # the run's own files are not needed beside it
    monitor = NASMonitorCallback(log_dir=None, overhead_budget=None, sinks=[MlflowSink()])
    model.fit(x[256:], y[256:], validation_data=(x[:256], y[:256]), epochs=3, callbacks=[monitor])

metrics = mlflow.get_run(run.info.run_id).data.metrics
print(f"saturation in the end: {metrics['nas/saturation']:.2f}")

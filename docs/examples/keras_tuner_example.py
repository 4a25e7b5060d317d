"""KerasTuner looks for a network that does well, is small, and uses its width.

    pip install 'nasmon[examples]'
    python keras_tuner_example.py 100

The number is how many networks are tried, 5 if there is none. Several objectives are added up, so
each is brought to the same order. The tuner copies the monitor for each trial: ``log_dir=None``, as
they would all write to the same place.
"""

import sys

import keras
import keras_tuner
import numpy as np
from keras import layers

from nasmon import NASMonitorCallback

TRIALS = int(sys.argv[1]) if len(sys.argv) > 1 else 5

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
x = random.normal(size=(1280, 12)).astype(np.float32)
y = (np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] > 0).astype(np.float32)


class Size(keras.callbacks.Callback):
    """Puts the model's size into the logs, in thousands of parameters."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Adds it."""
        if logs is not None:
            logs["size"] = self.model.count_params() / 1000


def build(choices: keras_tuner.HyperParameters) -> keras.Model:
    """A network of two layers whose widths are to be found."""
    first = choices.Int("first", 4, 64, sampling="log")
    second = choices.Int("second", 4, 64, sampling="log")
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(first, activation="relu", name="first"),
            layers.Dense(second, activation="relu", name="second"),
            layers.Dense(1, name="head"),
        ]
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


tuner = keras_tuner.RandomSearch(
    build,
    objective=[
        keras_tuner.Objective("val_accuracy", "max"),
        keras_tuner.Objective("nas_saturation", "max"),
        keras_tuner.Objective("size", "min"),
    ],
    max_trials=TRIALS,
    directory="logs/tuner",
    seed=1,
)
# each epoch counts for the tuner, so each has a reading
monitor = NASMonitorCallback(log_dir=None, samples=256, overhead_budget=None)
validation = (x[:256], y[:256])
tuner.search(
    *(x[256:], y[256:]),
    validation_data=validation,
    epochs=5,
    verbose=0,
    callbacks=[monitor, Size()],
)

for trial in tuner.oracle.get_best_trials(TRIALS):
    accuracy, saturation, size = (
        trial.metrics.get_best_value(name) for name in ("val_accuracy", "nas_saturation", "size")
    )
    widths = "-".join(str(width) for width in trial.hyperparameters.values.values())
    print(
        f"widths {widths}: accuracy {accuracy:.3f}, saturation {saturation:.2f}, size {size:.2f}k"
    )

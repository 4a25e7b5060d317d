"""A model of your own, trained by ``fit`` under the monitor.

    python fit.py

leaves the run under logs/fit: TensorBoard's events, two CSV files and the run's record.
"""

import keras
import numpy as np
from keras import layers

from nasmon import NASMonitorCallback

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)


def bars(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images [count, 16, 16, 1] with a bar that is level (0) or upright (1)."""
    x = random.normal(0, 0.3, (count, 16, 16, 1)).astype(np.float32)
    y = random.integers(0, 2, count)
    for image, upright, place in zip(x, y, random.integers(0, 15, count), strict=True):
        (image.transpose(1, 0, 2) if upright else image)[place : place + 2] += 1
    return x, y


model = keras.Sequential(
    [
        keras.Input((16, 16, 1)),
        layers.Conv2D(16, 3, activation="relu", name="edges"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu", name="shapes"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, name="head"),
    ],
    name="bars",
)
model.compile(
    "adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
)

# reads after each epoch, of the first 32 samples of the validation data
monitor = NASMonitorCallback(log_dir="logs/fit", csv_path="logs/fit/metrics.csv")
x, y = bars(1024)
model.fit(x, y, epochs=5, validation_data=bars(256), callbacks=[monitor])

print(monitor.summary())
print("now: python -m nasmon.analysis.recommend --csv logs/fit/metrics.csv")

"""Stops a training, and keeps its best model, by what the monitor reads.

    python early_stopping.py

The monitor stands before the callbacks that are to see its values.
"""

import keras
import numpy as np
from keras import layers

from nasmon import NASMonitorCallback

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
x = random.normal(size=(2048, 16)).astype(np.float32)
y = np.tanh(x[:, :4] * x[:, 4:8])

model = keras.Sequential(
    [
        keras.Input((16,)),
        layers.Dense(64, activation="relu", name="first"),
        layers.Dense(64, activation="relu", name="second"),
        layers.Dense(4, name="head"),
    ]
)
model.compile(keras.optimizers.Adam(0.01), "mse")

history = model.fit(
    x[512:],
    y[512:],
    validation_data=(x[:512], y[:512]),
    epochs=50,
    verbose=2,
    callbacks=[
        NASMonitorCallback(
            log_dir="logs/stopping",
            samples=256,
            # a value each epoch: one that is postponed has NaN, which counts as no improvement
            overhead_budget=None,
        ),
        # ends when the share of one direction in the variance has not fallen for three epochs
        keras.callbacks.EarlyStopping(
            "nas_redundancy_score", mode="min", min_delta=0.005, patience=3, verbose=1
        ),
        keras.callbacks.ModelCheckpoint(
            "logs/stopping/best.keras", "nas_redundancy_score", mode="min", save_best_only=True
        ),
    ],
).history

shares = history["nas_redundancy_score"]
best = int(np.argmin(shares))
print(f"stopped after {len(shares)} of 50 epochs")
print(f"kept that of epoch {best + 1}: redundancy {shares[best]:.3f}")

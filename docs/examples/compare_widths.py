"""Trains a network at ten widths, or at those that are given, and compares the runs.

    python compare_widths.py
    python compare_widths.py 64 24 8

Each run has a name and a folder of its own, and a history, so that the comparison knows the task's
metric. Two of them, later:

    python -m nasmon.analysis.compare --csv logs/widths/64/metrics.csv logs/widths/24/metrics.csv
"""

import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

from nasmon import NASMonitorCallback, Origin
from nasmon.analysis.compare.command import main as compare

WIDTHS = [int(width) for width in sys.argv[1:]] or [64, 48, 32, 24, 16, 12, 8, 6, 4, 2]
SEED = 1

random = np.random.default_rng(SEED)
x = random.normal(size=(1280, 12)).astype(np.float32)
y = (np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] > 0).astype(np.float32)

tables = []
for width in WIDTHS:
    keras.utils.set_random_seed(SEED)
    folder = Path(f"logs/widths/{width:02}")
    folder.mkdir(parents=True)
    inputs = keras.Input((12,))
    hidden = layers.Dense(width, activation="relu", name="first")(inputs)
    hidden = layers.Dense(width, activation="relu", name="second")(hidden)
    model = keras.Model(inputs, layers.Dense(1, name="head")(hidden), name=f"width_{width}")
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    monitor = NASMonitorCallback(
        log_dir=folder,
        csv_path=folder / "metrics.csv",
        layers=["first", "second"],
        samples=256,
        width_evidence=False,  # what fewer channels would lose is not asked here
        origin=Origin(seed=SEED, history=folder / "history.csv"),
    )
    model.fit(
        x[256:],
        y[256:],
        validation_data=(x[:256], y[:256]),
        epochs=8,
        verbose=0,
        callbacks=[monitor, keras.callbacks.CSVLogger(folder / "history.csv")],
    )
    print(f"width {width}: {model.count_params()} parameters", flush=True)
    tables.append(f"{folder}/metrics.csv")

# the first one is what the others are held against; it ends the process, as on the command line
compare(["--csv", *tables, "--tolerance", "0.02"])

"""Optuna looks for networks of which none is better in accuracy, size and saturation at once.

    pip install 'nasmon[examples]'
    python optuna_example.py 100

The number is how many networks are tried, 5 if there is none.
"""

import sys

import keras
import numpy as np
import optuna
from keras import layers

from nasmon import NASMonitorCallback

TRIALS = int(sys.argv[1]) if len(sys.argv) > 1 else 5

random = np.random.default_rng(1)
x = random.normal(size=(1280, 12)).astype(np.float32)
y = (np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] > 0).astype(np.float32)


def objective(trial: optuna.Trial) -> tuple[float, int, float]:
    """Trains one network; returns its accuracy, parameters and saturation."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(
                trial.suggest_int("first", 4, 64, log=True), activation="relu", name="first"
            ),
            layers.Dense(
                trial.suggest_int("second", 4, 64, log=True), activation="relu", name="second"
            ),
            layers.Dense(1, name="head"),
        ],
        name=f"trial_{trial.number}",
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    # a run for each trial, to look at and to compare afterwards
    monitor = NASMonitorCallback(log_dir="logs/optuna", samples=256, width_evidence=False)
    history = model.fit(
        *(x[256:], y[256:]),
        validation_data=(x[:256], y[:256]),
        epochs=5,
        verbose=0,
        callbacks=[monitor],
    ).history
    # of the last reading, which is always taken
    saturation = monitor.readings[-1].aggregates["saturation"]
    return history["val_accuracy"][-1], model.count_params(), saturation


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    directions=["maximize", "minimize", "maximize"],  # accuracy, parameters, saturation
    sampler=optuna.samplers.TPESampler(seed=1),
)
study.optimize(objective, n_trials=TRIALS)

print(f"{len(study.best_trials)} of {TRIALS} networks are not beaten in all three:")
for trial in study.best_trials:
    accuracy, parameters, saturation = trial.values
    widths = "-".join(str(width) for width in trial.params.values())
    print(
        f"widths {widths}: accuracy {accuracy:.3f}, {parameters:.0f} parameters, "
        f"saturation {saturation:.2f}"
    )

"""A training loop of your own, with readings that keep within a share of its time.

    python loop.py

leaves the run under logs/loop, as ``fit`` does.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from nasmon import Monitor

STEPS = 300

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)

# what two of eight numbers make together
x = random.uniform(-1, 1, (2048, 8)).astype(np.float32)
y = np.sin(3 * x[:, :1]) * x[:, 1:2]
x_val, y_val = x[:256], y[:256]

inputs = keras.Input((8,))
hidden = layers.Dense(64, activation="tanh", name="first")(inputs)
hidden = layers.Dense(64, activation="tanh", name="second")(hidden)
model = keras.Model(inputs, layers.Dense(1, name="head")(hidden), name="product")
optimizer = keras.optimizers.Adam(0.005)
optimizer.build(model.trainable_variables)


@tf.function
def train_step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """One step on a batch; returns the loss before it."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
    optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


# the record says how the loop ended, an error among it
with Monitor(model, x_val, log_dir="logs/loop", csv_path="logs/loop/metrics.csv") as monitor:
    for step in range(1, STEPS + 1):
        batch = random.integers(256, len(x), 64)
        train_step(x[batch], y[batch])
        reading = monitor.collect()  # the one in flight, or None
        if reading is not None:
            print(f"step {reading.step}: rank_99 of 'second' {reading['second']['rank_99']:.0f}")
        if step % 50 == 0:
            # refused where it would take too much of the time; the last one never is
            monitor.launch(step, last=step == STEPS)
            monitor.budget.pause()  # what follows is not training
            error = np.square(model(x_val) - y_val).mean()
            print(f"step {step}: validation error {error:.4f}")
            monitor.budget.resume()

print(monitor.summary())

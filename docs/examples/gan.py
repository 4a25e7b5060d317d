"""Watches the generator of a GAN that ``fit`` trains.

    python gan.py

A GAN has no validation data, and only its generator's widths are of interest: ``model=`` names the
part, and ``validation_data`` is what that part takes, here noise.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from nasmon import NASMonitorCallback

NOISE = 8

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)
angles = random.uniform(0, 2 * np.pi, 4096)
points = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)  # on a circle


class GAN(keras.Model):
    """A generator of points, and a judge of whether they are real."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential(
            [
                keras.Input((NOISE,)),
                layers.Dense(32, activation="relu", name="first"),
                layers.Dense(32, activation="relu", name="second"),
                layers.Dense(2, name="points"),
            ],
            name="generator",
        )
        self.judge = keras.Sequential(
            [keras.Input((2,)), layers.Dense(32, activation="relu"), layers.Dense(1)]
        )
        self.optimizers = [keras.optimizers.Adam(0.001, beta_1=0.5) for _ in range(2)]

    def train_step(self, real: tf.Tensor) -> dict[str, tf.Tensor]:
        """One step of the judge and one of the generator."""
        noise = keras.random.normal((ops.shape(real)[0], NOISE))
        with tf.GradientTape(persistent=True) as tape:
            made = self.generator(noise, training=True)
            scores, reals = self.judge(made, training=True), self.judge(real, training=True)
            judged = ops.mean(ops.softplus(scores) + ops.softplus(-reals))
            fooled = ops.mean(ops.softplus(-scores))
        parts, losses = (self.judge, self.generator), (judged, fooled)
        for part, loss, optimizer in zip(parts, losses, self.optimizers, strict=True):
            variables = part.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        return {"judge_loss": judged, "generator_loss": fooled}


gan = GAN()
gan.compile()
monitor = NASMonitorCallback(
    model=gan.generator,
    validation_data=random.normal(size=(256, NOISE)).astype(np.float32),
    samples=256,
    log_dir="logs/gan",
)
gan.fit(points, epochs=10, batch_size=64, verbose=2, callbacks=[monitor])
print(monitor.summary())

"""What is trained and shrunk: networks, their data in folds, and how they are trained.

Data are named by environment variables, each an .npz file of uint8 arrays ``x_train``, ``y_train``,
``x_val`` and ``y_val``: ``NASMON_ROADS`` (images [N, 60, 80, 3], masks [N, 60, 80, 1] of 0 and 1,
frames of films in their order), ``NASMON_CIFAR10`` (images [N, 32, 32, 3], labels of ten classes),
``NASMON_DIGITS`` (spectrograms [N, 49, 40], labels of ten classes).

Each fold is judged on data that nothing was trained, chosen or tuned on. Roads and digits are
cross-validated over both of their parts, as the second is too small to tell a point; roads in
blocks, as frames that follow one another are all but the same.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from bench.tiny_networks import ds_cnn, resnet8
from nasmon.train.fitting import compile_model
from nasmon.train.models import build_model

RATE, WEIGHT_DECAY = 3e-3, 0.004
"""AdamW's, of every training; the rate falls to 0 along a cosine."""

FOLDS = 3


class Fold(NamedTuple):
    """Inputs float32 in [0, 1] and labels; what is judged on has its own."""

    x: np.ndarray
    y: np.ndarray
    x_judged: np.ndarray
    y_judged: np.ndarray


class Task(NamedTuple):
    """A network and its training."""

    name: str
    data: str  # the environment variable
    build: Callable[[], keras.Model]
    metric: str
    batch: int
    epochs: int  # of the wide network
    fine_tuning: int  # epochs
    params: tuple[int, ...]  # budgets

    def compile(self, model: keras.Model, epochs: int, samples: int) -> None:
        """For a training of so many epochs."""
        steps = epochs * -(-samples // self.batch)
        if self.metric == "miou":
            compile_model(model, RATE, WEIGHT_DECAY, steps)
            return
        model.compile(
            keras.optimizers.AdamW(
                keras.optimizers.schedules.CosineDecay(RATE, steps), weight_decay=WEIGHT_DECAY
            ),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=False,
        )

    def train(self, model: keras.Model, fold: Fold, epochs: int, seed: int) -> None:
        """Anew compiled, with the same batches in the same order for the same seed."""
        keras.utils.set_random_seed(seed)
        self.compile(model, epochs, len(fold.x))
        model.fit(fold.x, fold.y, self.batch, epochs, verbose=0)

    def judge(self, model: keras.Model, fold: Fold) -> float:
        """The metric on what was held out."""
        found = model.evaluate(fold.x_judged, fold.y_judged, 64, verbose=0, return_dict=True)
        return float(found[self.metric])

    def fold(self, number: int) -> Fold:
        """The data, from 0 on."""
        with np.load(os.environ[self.data]) as arrays:
            x = [arrays[f"x_{part}"].astype(np.float32) / 255 for part in ("train", "val")]
            y = [arrays[f"y_{part}"] for part in ("train", "val")]
        x = [part[..., None] if part.ndim == 3 else part for part in x]
        if self.data == CIFAR10:
            return Fold(x[0], y[0], x[1], y[1])
        images, labels = np.concatenate(x), np.concatenate(y)
        order = np.arange(len(images))
        if self.data == DIGITS:
            order = np.random.default_rng(0).permutation(order)
        else:
            labels = labels.astype(np.float32)
        judged = np.array_split(order, FOLDS)[number]
        rest = np.setdiff1d(order, judged)
        return Fold(images[rest], labels[rest], images[judged], labels[judged])


ROADS, DIGITS, CIFAR10 = "NASMON_ROADS", "NASMON_DIGITS", "NASMON_CIFAR10"

TASKS = (
    Task(
        *("nano_u", ROADS, lambda: build_model("nano_u", (16, 32, 64, 64)), "miou"),
        *(8, 30, 6, (15_000, 7_500, 4_212)),
    ),
    Task("ds_cnn", DIGITS, ds_cnn, "accuracy", 32, 20, 4, (8_010, 2_986)),
    Task("resnet8", CIFAR10, resnet8, "accuracy", 64, 20, 5, (39_213, 19_606, 9_803)),
    Task(
        *("bu_net", ROADS, lambda: build_model("bu_net"), "miou"),
        *(8, 20, 5, (90_476, 45_238, 22_619)),
    ),
)

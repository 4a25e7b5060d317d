"""What is trained and shrunk: networks, their data in folds, and how they are trained.

Data are named by environment variables, each an .npz file of uint8 arrays ``x_train``, ``y_train``,
``x_val`` and ``y_val``: ``NASMON_ROADS`` (images [N, 60, 80, 3], masks [N, 60, 80, 1] of 0 and 1,
frames of films in their order), ``NASMON_CIFAR10`` (images [N, 32, 32, 3], labels of ten classes),
``NASMON_DIGITS`` (spectrograms [N, 49, 40], labels of ten classes).

Each fold is judged on data that nothing was trained, chosen or tuned on. Roads and digits are
cross-validated over both of their parts, as the second is too small to tell a point; roads in
blocks, as frames that follow one another are all but the same. From the fourth fold on the parts
come round again, with other seeds.
"""

import os
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from bench.tiny_networks import ds_cnn, mobilenet_v2, resnet8
from nasmon.train.fitting import compile_model
from nasmon.train.models import build_model

RATE, WEIGHT_DECAY = 3e-3, 0.004
"""AdamW's, of every training; the rate falls to 0 along a cosine."""

PARTS = 3
"""That roads and digits are cut into, to be judged on one of them."""


def asked(budget: str) -> dict[str, float]:
    """A budget as nasmon takes it: ``"7500"``, of parameters, or ``"0.25 macs"``, a share."""
    amount, _, objective = budget.partition(" ")
    return {objective or "params": float(amount) if "." in amount else int(amount)}


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
    folds: int
    budgets: tuple[str, ...]  # of parameters, or as "0.25 macs"

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
        judged = np.array_split(order, PARTS)[number % PARTS]
        rest = np.setdiff1d(order, judged)
        return Fold(images[rest], labels[rest], images[judged], labels[judged])


ROADS, DIGITS, CIFAR10 = "NASMON_ROADS", "NASMON_DIGITS", "NASMON_CIFAR10"

MACS = ("0.5 macs", "0.25 macs", "0.125 macs")

TASKS = (
    Task(
        *("nano_u", ROADS, lambda: build_model("nano_u", (16, 32, 64, 64)), "miou", 8, 30, 6, 5),
        budgets=("15000", "7500", "4212", *MACS),
    ),
    Task(
        *("ds_cnn", DIGITS, ds_cnn, "accuracy", 32, 20, 4, 5),
        budgets=("12101", "8010", "4840", "2986", *MACS),
    ),
    Task(
        *("resnet8", CIFAR10, resnet8, "accuracy", 64, 20, 5, 3),
        budgets=("39213", "19606", "15685", "9803", *MACS),
    ),
    Task(
        *("mobilenet_v2", CIFAR10, mobilenet_v2, "accuracy", 64, 20, 5, 3),
        budgets=("64957", "32478", "25982", "16239", *MACS),
    ),
    Task(
        *("bu_net", ROADS, lambda: build_model("bu_net"), "miou", 8, 20, 5, 3),
        budgets=("90476", "45238", "36190", "22619", *MACS),
    ),
)

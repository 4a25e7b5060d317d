"""Delve on the PyTorch twin of ``nano_u``, as its documentation has it used.

Its hooks add every layer's output to a covariance at every training batch, or every
``log_interval``-th; ``add_saturations`` turns the covariances into saturations, once an epoch.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from delve import SaturationTracker
from torch import nn

from bench.peers.reference import Reference, assert_same_spectra, load_reference
from bench.peers.schedule import BATCH, EVERY, IMAGES, STEPS, Variant, Watched, cores
from bench.peers.twin import to_torch, twin_of
from nasmon.train.data.terrain import load_terrain

INTERVALS = (1, EVERY)


class TwinTraining:
    """A training that goes on from block to block: AdamW, cross-entropy of logits.

    Args:
        model: the twin.
        images: uint8 [N, 3, H, W].
        masks: uint8 [N, 1, H, W].
    """

    def __init__(self, model: nn.Module, images: torch.Tensor, masks: torch.Tensor) -> None:
        self._model, self._images, self._masks = model, images, masks
        self._optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.004)
        self._loss = nn.BCEWithLogitsLoss()
        self._order = torch.empty(0, dtype=torch.int64)

    def block(self) -> float:
        """Seconds of ``STEPS`` steps."""
        begun = time.perf_counter()
        for _ in range(STEPS):
            self._step()
        return time.perf_counter() - begun

    def _step(self) -> None:
        if not len(self._order):
            self._order = torch.randperm(len(self._images))
        chosen, self._order = self._order[:BATCH], self._order[BATCH:]
        # bytes until here, as in Keras's pipeline
        images, masks = self._images[chosen].float() / 255, self._masks[chosen].float()
        self._optimizer.zero_grad()
        self._loss(self._model(images), masks).backward()
        self._optimizer.step()


class Delve:
    """Its default, and ``log_interval=10``.

    Args:
        folder: for its CSV files; holds the reference.
    """

    def __init__(self, folder: Path) -> None:
        # or it lists every layer that it hooks
        logging.getLogger("delve.logger").setLevel(logging.WARNING)
        torch.set_num_threads(cores())
        torch.manual_seed(0)
        reference = load_reference(folder)
        rows = _check(reference, folder)
        data = load_terrain(IMAGES)
        images, masks = to_torch(data.x_train), to_torch(data.y_train)
        # hooks cannot be taken off again: every tracker has a model of its own
        models = [twin_of(reference) for _ in (None, *INTERVALS)]
        self._plain, *self._trainings = (TwinTraining(m, images, masks) for m in models)
        self._trackers = [
            _tracker(model, folder / f"delve{interval}", interval)
            for model, interval in zip(models[1:], INTERVALS, strict=True)
        ]
        self.variants: Sequence[Variant] = [
            Variant(
                monitor="Delve",
                when="default: every batch" if interval == 1 else f"log_interval={interval}",
                every=interval,
                every_in_block=interval,
                samples=BATCH,
                layers=len(tracker.layers),
                rows=rows,
            )
            for interval, tracker in zip(INTERVALS, self._trackers, strict=True)
        ]
        for index in range(len(self.variants)):
            self.plain(index)
            self.watched(index)

    def plain(self, index: int) -> float:
        """Seconds of a block without the monitor."""
        return self._plain.block()

    def watched(self, index: int) -> Watched:
        """Seconds of a block with its hooks, and of the saturations after it."""
        seconds, tracker = self._trainings[index].block(), self._trackers[index]
        seen, expected = tracker.seen_samples["train"], BATCH * STEPS // INTERVALS[index]
        if set(seen.values()) != {expected}:
            raise RuntimeError(f"Delve saw {seen} samples, not {expected}")
        begun = time.perf_counter()
        tracker.add_saturations()
        return Watched(seconds, time.perf_counter() - begun)


def _tracker(model: nn.Module, path: Path, interval: int) -> SaturationTracker:
    """Delve's defaults, but for the device: there is no GPU."""
    return SaturationTracker(
        str(path), save_to="csv", modules=model, log_interval=interval, device="cpu"
    )


def _check(reference: Reference, folder: Path) -> float:
    """Checks that Delve finds the spectra that NumPy and nasmon find.

    Returns:
        Rows that it takes of a layer and sample, the mean over layers.
    """
    model = twin_of(reference)
    tracker = _tracker(model, folder / "delve_check", 1)
    model.eval()
    with torch.no_grad():
        model(to_torch(reference.inputs))
    covariances = tracker.logs["eval-covariance-matrix"]
    # Delve divides by the number of rows, NumPy and nasmon by one less
    spectra = {
        name: torch.linalg.eigvalsh(c.fix()).numpy() * c._tlen / (c._tlen - 1)
        for name, c in covariances.items()
    }
    assert_same_spectra("Delve", spectra, reference.spectra)
    return float(np.mean([c._tlen for c in covariances.values()])) / len(reference.inputs)

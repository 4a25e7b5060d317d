"""Compile a model, fit it, and save what came of it, also when Ctrl-C cuts it short."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from nasmon.train.config import how_to_rebuild
from nasmon.train.data.pipelines import Pipelines, build_pipelines
from nasmon.train.models import build_model
from nasmon.train.options import Training
from nasmon.train.outputs import HistoryFile, TrainingInterrupted, TrainingRun, save_model
from nasmon.train.pace import Pace
from nasmon.train.prepare import Prepared
from nasmon.train.process import InterruptFlag, deferred_interrupt, ignored_interrupt

if TYPE_CHECKING:
    from nasmon import NASMonitorCallback


def fit_and_save(prepared: Prepared) -> TrainingRun:
    """Train as prepared, and save the model.

    Raises:
        UsageError: If the monitor cannot use an option, such as layers that do not exist.
        TrainingInterrupted: After Ctrl-C, when everything so far is saved.
    """
    training = prepared.settings.training
    make_deterministic(training.seed)
    pipelines = build_pipelines(prepared.images, training.batch_size, training.seed)
    model = build_model(training.model, training.widths)
    return fit_and_save_model(model, pipelines, prepared)


def fit_and_save_model(model: keras.Model, pipelines: Pipelines, prepared: Prepared) -> TrainingRun:
    """As ``fit_and_save``, of a model that is there already; it is compiled anew."""
    settings, outputs = prepared.settings, prepared.outputs
    training = settings.training
    compile_model(model, training.lr, training.weight_decay, training.epochs * len(pipelines.train))
    monitor = build_monitor(prepared)
    history = keras.callbacks.History()
    run = TrainingRun(model, history.history, monitor, outputs, settings)
    with deferred_interrupt() as flag:
        callbacks = [*([] if monitor is None else [monitor]), _Bar(), Pace()]
        callbacks += [_Recorder(HistoryFile(outputs.history)), history, _Stopper(flag)]
        try:
            model.fit(
                pipelines.train,
                validation_data=pipelines.val,
                epochs=training.epochs,
                callbacks=callbacks,
                verbose=1 if sys.stdout.isatty() else 2,
                shuffle=False,  # the pipeline does; Keras warns that it cannot
            )
        except KeyboardInterrupt:
            with ignored_interrupt():
                if monitor is not None:
                    monitor.close("interrupted")
                save_model(model, outputs.model)
            raise TrainingInterrupted(run) from None
        with ignored_interrupt():
            save_model(model, outputs.model)
    return run


def fit_model(model: keras.Model, pipelines: Pipelines, training: Training) -> None:
    """As ``fit_and_save_model`` trains, without a file and without a word."""
    compile_model(model, training.lr, training.weight_decay, training.epochs * len(pipelines.train))
    model.fit(pipelines.train, epochs=training.epochs, verbose=0, shuffle=False)


def make_deterministic(seed: int) -> None:
    """Seed Python, NumPy and TensorFlow, and have GPUs add in a fixed order.

    On the CPU every operation these models use is bit for bit repeatable by itself, measured over
    whole trainings. On a GPU the gradient of a depthwise convolution is not, unless asked for.
    """
    keras.utils.set_random_seed(seed)
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


def compile_model(model: keras.Model, lr: float, weight_decay: float, steps: int) -> None:
    """Compile for binary segmentation: AdamW with cosine decay, cross-entropy of logits, mIoU.

    Args:
        model: Gives one logit per pixel.
        lr: Learning rate of the first step.
        weight_decay: AdamW's.
        steps: Steps until the learning rate reaches 0.
    """
    model.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(lr, steps), weight_decay=weight_decay
        ),
        loss=keras.losses.BinaryCrossentropy(from_logits=True, name="cross_entropy_of_logits"),
        # A logit of 0 is a probability of one half. Counts are int64, so no data set is too large.
        metrics=[keras.metrics.BinaryIoU(target_class_ids=[0, 1], threshold=0.0, name="miou")],
        # XLA's convolutions on the CPU are several times slower than TensorFlow's own.
        jit_compile="auto" if tf.config.list_physical_devices("GPU") else False,
    )
    # Keras would make the optimizer's variables within the first step, and trace that step twice.
    model.optimizer.build(model.trainable_variables)


def build_monitor(prepared: Prepared) -> NASMonitorCallback | None:
    """Build the monitor as configured, or None if it is not enabled."""
    settings, outputs = prepared.settings, prepared.outputs
    nas = settings.nas
    if not nas.enabled:
        return None
    from nasmon import NASMonitorCallback, Origin

    return NASMonitorCallback(
        log_dir=outputs.events,
        csv_path=outputs.metrics,
        log_freq=nas.log_freq,
        batch_freq=nas.monitor_batch_freq,
        layers=nas.layers,
        samples=nas.samples,
        overhead_budget=nas.overhead_budget,
        thresholds=vars(nas.thresholds),
        width_evidence=nas.width_evidence,
        if_exists="overwrite" if prepared.overwrite else "error",
        origin=Origin(
            seed=settings.training.seed,
            rebuild=how_to_rebuild(settings, prepared.config),
            history=outputs.history,
            choices={
                "batch_size": settings.training.batch_size,
                "weight_decay": settings.training.weight_decay,
                "data": settings.training.data_dir or "terrain",
            },
        ),
    )


class _Bar(keras.callbacks.ProgbarLogger):
    """Keras's progress bar, with the loss, mIoU, and one of the monitor's values."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        shown = {
            name: value
            for name, value in (logs or {}).items()
            # a reading that is postponed has none
            if not name.startswith("nas_") or (name == _SHOWN and not isnan(value))
        }
        super().on_epoch_end(epoch, shown)


_SHOWN = "nas_redundancy_score"


class _Recorder(keras.callbacks.Callback):
    """Writes each finished epoch into the history file."""

    def __init__(self, file: HistoryFile) -> None:
        super().__init__()
        self._file = file

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        # Not sooner: a monitor that refuses its options does so here, and leaves no file behind.
        self._file.begin()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        self._file.add(epoch, logs or {}, rate)


class _Stopper(keras.callbacks.Callback):
    """Ends training between two batches, or after an epoch's last callback, on Ctrl-C."""

    def __init__(self, flag: InterruptFlag) -> None:
        super().__init__()
        self._flag = flag

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._flag.check()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._flag.check()

"""Make a trained model smaller, fine-tune it under the monitor, and save what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import keras

from nasmon import Search, Shrunk, shrink
from nasmon.errors import UsageError
from nasmon.narrowing.choices import curve_of
from nasmon.narrowing.plan import WidthPlan
from nasmon.narrowing.planner import Choices
from nasmon.narrowing.seen import Seen
from nasmon.narrowing.shrinking import Int8Verdict
from nasmon.record.files import shrunk_path
from nasmon.record.shrunk import (
    CurvePoint,
    Int8Record,
    RivalRecord,
    ShrunkRecord,
    write_shrunk,
)
from nasmon.train.data.pipelines import Images, Pipelines, build_pipelines
from nasmon.train.fitting import fit_and_save_model, fit_model, make_deterministic
from nasmon.train.given_model import open_model
from nasmon.train.outputs import Outputs, TrainingInterrupted, TrainingRun, outputs_of
from nasmon.train.prepare import Prepared, make_folders, refuse_earlier_run
from nasmon.train.shrink_job import Job


class Made(NamedTuple):
    """A smaller model's files, and what is known of it."""

    outputs: Outputs
    record: ShrunkRecord

    def save(self) -> None:
        """Writes what is known."""
        assert self.outputs.metrics is not None
        write_shrunk(shrunk_path(self.outputs.metrics), self.record)


def shrink_and_save(
    job: Job,
    announce: Callable[[Outputs, WidthPlan], None],
    say: Callable[[Made, Job], None],
    say_rivals: Callable[[Made], None],
) -> list[Made]:
    """Makes a model for each budget; all of them are checked before the first is trained.

    Args:
        job: what to do.
        announce: called before each model is made, with its plan as long as none is searched for.
        say: called with each model when it is done.
        say_rivals: called with it again when its rivals are trained, if they are asked for.

    Raises:
        UsageError: a budget that cannot be met, a model or data that cannot be used, or files of
            an earlier run in the way.
        TrainingInterrupted: after Ctrl-C, when everything so far is saved.
    """
    model, images, pipelines = open_model(job.model, job.settings)
    seen = Seen(model, pipelines.train, verbose=True)
    all_choices = [Choices(seen, budgets, job.limits, verbose=True) for budgets in job.budgets]
    prepared = [_prepared(job, images, choices) for choices in all_choices]
    if len({one.outputs.model for one in prepared}) < len(prepared):
        raise UsageError("two of the budgets are the same; give each once")
    plans = [choices.plan(choices.widths()) for choices in all_choices]
    for budgets, plan in zip(job.budgets, plans, strict=True):
        if not budgets and not plan.widths:
            raise UsageError(
                f"nothing is spare in {job.model}; leave out --spare, and give a budget"
            )
    curve = tuple(CurvePoint(*point) for point in curve_of(seen.traced, seen, job.limits))
    made = []
    for budgets, one, plan in zip(job.budgets, prepared, plans, strict=True):
        announce(one.outputs, plan)
        result = _shrunk(job, model, pipelines, budgets, one)
        found = Made(one.outputs, _record(job, result, budgets, curve))
        found.save()
        say(found, job)
        if job.prove:
            # what there is, is saved before: this takes as long again
            rivals = result.rivals(_training_again(job, images))
            told = tuple(RivalRecord(rival.name, rival.metrics, rival.words) for rival in rivals)
            found = found._replace(record=found.record._replace(rivals=told))
            found.save()
            say_rivals(found)
        made.append(found)
    return made


def _training_again(job: Job, images: Images, first: int = 0) -> Callable[[keras.Model], None]:
    """Trains what it is given, with one seed after the other, and no files.

    Args:
        job: what to do.
        images: what to train on.
        first: how much more than the job's the first seed is.
    """
    training = job.settings.training
    seeds = cycle(range(training.seed + first, training.seed + job.seeds))

    def train(model: keras.Model) -> None:
        seed = next(seeds)
        make_deterministic(seed)
        fit_model(model, build_pipelines(images, training.batch_size, seed), training)

    return train


def _prepared(job: Job, images: Images, choices: Choices) -> Prepared:
    """Where the files of a budget go, named after it."""
    sizes = [f"{n}{'' if name == 'params' else name}" for name, n in choices.budgets.items()]
    outputs = outputs_of(job.settings, "_".join([job.stem, *(sizes or ["spare"])]))
    if not job.overwrite:
        refuse_earlier_run(outputs)
    make_folders(outputs)
    return Prepared(job.settings, outputs, images, job.overwrite, job.config)


def _shrunk(
    job: Job,
    model: keras.Model,
    pipelines: Pipelines,
    budgets: Mapping[str, float],
    prepared: Prepared,
) -> Shrunk:
    training = job.settings.training
    make_deterministic(training.seed)
    tries = Path(training.output_dir) / f"{job.stem}_tries.csv"

    again = _training_again(job, prepared.images, 1)
    saved: list[TrainingRun] = []

    def fine_tune(small: keras.Model) -> None:
        if saved:
            try:
                again(small)
            except KeyboardInterrupt:
                raise TrainingInterrupted(saved[0]) from None
            return
        # as its files are called, so that its run and its report are told from the original's
        small.name = prepared.outputs.model.stem
        make_deterministic(training.seed)
        saved.append(fit_and_save_model(small, pipelines, prepared))

    options = Search(
        tries=job.search + 1,
        batch_size=training.batch_size,
        learning_rate=training.lr,
        seed=training.seed,
        file=tries,
    )
    return shrink(
        model,
        pipelines.train,
        **{**budgets, **job.limits._asdict()},
        validation=pipelines.val,
        accept=job.accept,
        accept_on=job.accept_on,
        search=options if job.search and budgets else 0,
        seeds=job.seeds,
        fine_tune=fine_tune,
    )


def _int8(found: Int8Verdict) -> Int8Record:
    return Int8Record(found.before, found.after, found.model.flash, found.model.ram)


def _record(
    job: Job, result: Shrunk, budgets: dict[str, float], curve: Sequence[CurvePoint]
) -> ShrunkRecord:
    searched = result.searched
    return ShrunkRecord(
        model=job.model,
        csv=job.csv,
        params=int(result.model.count_params()),
        budgets=budgets,
        plan=result.plan,
        curve=tuple(curve),
        before=result.before,
        carried=result.carried,
        after=result.after,
        trainings=result.trainings,
        accepted=result.accepted,
        decided_by=result.decided_by,
        searched=searched and searched.words,
        won=searched and searched.won,
        epochs=job.settings.training.epochs,
        seconds={name: round(value, 3) for name, value in result.seconds.items()},
        int8=None if result.int8 is None else _int8(result.int8),
    )

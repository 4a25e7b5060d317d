"""Convert a trained model into a LiteRT file of 8-bit integers, judge it, and save it."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from nasmon.acceptance import main_metric
from nasmon.litert.judged import Converted, calibration_of, converted
from nasmon.narrowing.traced import follow_model
from nasmon.narrowing.verdict import Evaluation
from nasmon.probe_set import probe_set
from nasmon.record.exported import ExportedRecord, digest_of, write_exported
from nasmon.record.files import whole_file
from nasmon.train.data.pipelines import build_pipelines
from nasmon.train.export_job import ExportJob
from nasmon.train.fitting import compile_model, make_deterministic
from nasmon.train.given_model import images_for, load_model
from nasmon.widths.objectives import Amounts, sizes


def export_and_save(job: ExportJob) -> ExportedRecord:
    """Converts a model, judges it, and writes its files.

    Args:
        job: what to do.

    Raises:
        UsageError: a model or data that cannot be used, or what is needed is not installed.
    """
    training = job.settings.training
    model = load_model(job.model)
    images = images_for(model, job.model, job.settings)
    print(f"data: {images.source}", flush=True)
    make_deterministic(training.seed)
    pipelines = build_pipelines(images, training.batch_size, training.seed)
    compile_model(model, training.lr, training.weight_decay, 1)
    evaluation = Evaluation(model, pipelines.val)
    begun = time.perf_counter()
    before = evaluation.judged(model)
    evaluated = time.perf_counter()
    probe = probe_set(pipelines.train, job.samples)
    samples = calibration_of(probe, job.samples)
    found = converted(model, samples, evaluation)
    ended = time.perf_counter()
    name = main_metric(before.metrics)
    interval = evaluation.interval(name, before, found.judged)
    change = f"{found.judged.metrics[name] - before.metrics[name]:+.4f}"
    record = _record(
        job,
        found,
        sizes(follow_model(model)),
        change=f"{name} changed by {interval or change}",
        float32=before.metrics,
        samples=probe.samples,
        seconds={"evaluate": evaluated - begun, "convert and evaluate": ended - evaluated},
    )
    _save(job, found, record)
    return record


def _record(job: ExportJob, found: Converted, predicted: Amounts, **known: Any) -> ExportedRecord:
    int8 = found.model
    return ExportedRecord(
        model=job.model,
        digest=digest_of(job.model),
        file=job.output,
        int8=found.judged.metrics,
        flash=int8.flash,
        ram=int8.ram,
        busiest=int8.busiest,
        predicted_flash=predicted.flash,
        predicted_ram=predicted.ram,
        operations=dict(Counter(int8.operations)),
        **known,
    )


def _save(job: ExportJob, found: Converted, record: ExportedRecord) -> None:
    job.output.parent.mkdir(parents=True, exist_ok=True)
    found.model.save(job.output)
    if job.source is not None:
        with whole_file(job.source) as unfinished:
            unfinished.write_text(_c_source(found.model.file, job.source.stem), "utf-8")
    if job.record is not None:
        write_exported(job.record, record)


def _c_source(file: bytes, name: str) -> str:
    """The file as an array to compile into a program for a microcontroller."""
    rows = [file[first : first + 12] for first in range(0, len(file), 12)]
    lines = ("  " + ", ".join(f"0x{byte:02x}" for byte in row) + "," for row in rows)
    return "\n".join(
        [
            "// written by nasmon: a LiteRT model of 8-bit integers",
            "#include <cstdint>",
            f"alignas(16) extern const unsigned char {name}[] = {{",
            *lines,
            "};",
            f"extern const unsigned int {name}_len = {len(file)};",
            "",
        ]
    )

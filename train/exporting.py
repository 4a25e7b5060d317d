"""Convert a trained model into a LiteRT file of 8-bit integers, judge it, and save it."""

from __future__ import annotations

import time
from collections import Counter

from nasmon.acceptance import main_metric
from nasmon.litert.judged import Converted, calibration_of, converted
from nasmon.narrowing.traced import follow_model
from nasmon.narrowing.verdict import Evaluation, JudgedModel
from nasmon.probe_set import probe_set
from nasmon.record.exported import ExportedRecord, digest_of, write_exported
from nasmon.record.files import whole_file
from nasmon.train.export_job import ExportJob
from nasmon.train.given_model import open_model
from nasmon.widths.objectives import sizes


def export_and_save(job: ExportJob) -> ExportedRecord:
    """Converts a model, judges it, and writes its files.

    Args:
        job: what to do.

    Raises:
        UsageError: a model or data that cannot be used, or what is needed is not installed.
    """
    model, _, pipelines = open_model(job.model, job.settings)
    evaluation = Evaluation(model, pipelines.val)
    begun = time.perf_counter()
    before = evaluation.judged(model)
    evaluated = time.perf_counter()
    probe = probe_set(pipelines.train, job.samples)
    found = converted(model, calibration_of(probe, job.samples), evaluation)
    ended = time.perf_counter()
    int8, predicted = found.model, sizes(follow_model(model))
    record = ExportedRecord(
        model=job.model,
        digest=digest_of(job.model),
        file=job.output,
        samples=probe.samples,
        float32=before.metrics,
        int8=found.judged.metrics,
        change=_changed(evaluation, before, found.judged),
        flash=int8.flash,
        ram=int8.ram,
        busiest=int8.busiest,
        predicted_flash=predicted.flash,
        predicted_ram=predicted.ram,
        operations=dict(Counter(int8.operations)),
        seconds={"evaluate": evaluated - begun, "convert and evaluate": ended - evaluated},
    )
    _save(job, found, record)
    return record


def _changed(evaluation: Evaluation, before: JudgedModel, after: JudgedModel) -> str:
    """How much the metric that counts changed, in words."""
    name = main_metric(before.metrics)
    change = f"{after.metrics[name] - before.metrics[name]:+.4f}"
    return f"{name} changed by {evaluation.interval(name, [before], [after]) or change}"


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

"""What got better and worse from a run to another, and whether to accept: each rule at its edge."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nasmon.acceptance import (
    EXACT,
    RULES,
    TOLERANCE,
    DeadBand,
    Measure,
    change,
    judge,
    lower_is_better,
    model_dead_bands,
    moved,
    task_dead_band,
)
from nasmon.analysis.compare.comparison import Comparison, compare
from nasmon.analysis.compare.text import reason
from nasmon.analysis.history import shared_metric, task_result
from nasmon.analysis.run import Run, load_run
from nasmon.analysis.run_names import distinct_names
from nasmon.analysis.words import change_text, dead_band_text, quantity_label, quantity_value
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.thresholds import DEFAULT_THRESHOLDS
from tests.recorded import chain, metrics, write_run

NAN = math.nan
STEADY = DEFAULT_THRESHOLDS["steady_redundancy"]


def changes_to(task=None, **values):
    """Changes by quantity: given as (before, after), else unchanged."""
    bands = model_dead_bands(DEFAULT_THRESHOLDS)
    chosen = {"params": (1000, 1000), "macs": (5000, 5000), "redundancy_score": (0.5, 0.5)}
    chosen |= {"flash": (2000, 2000), "ram": (3000, 3000), "correlation_mean": (0.4, 0.4)}
    chosen |= values
    found = {name: change(Measure(name, *bands[name], both), 1) for name, both in chosen.items()}
    if task is None:
        return found, None
    better, band = task_dead_band("val_miou", task, TOLERANCE)
    return found, change(Measure("val_miou", better, band, task), 1)


def judged(task=None, **values):
    judgement = judge(*changes_to(task, **values))
    return judgement.accept, judgement.rule


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (0.7899, (False, 1)),  # fell by more than the tolerance
        (0.79, (True, 2)),  # by just as much: it held, and the model is smaller
        (0.81, (True, 2)),
        (0.8101, (True, 1)),
        (NAN, (False, 1)),
    ],
)
def test_the_task_comes_first(after, expected):
    assert judged((0.8, after), params=(1000, 900)) == expected


def test_a_better_task_is_worth_its_size_and_a_worse_one_is_worth_none():
    assert judged((0.8, 0.85), params=(1000, 2000), redundancy_score=(0.3, 0.9)) == (True, 1)
    assert judged((0.8, 0.7), params=(1000, 10), redundancy_score=(0.9, 0.3)) == (False, 1)
    assert judged((NAN, 0.7)) == (True, 1)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"params": (1000, 999)}, (True, 2)),
        ({"params": (1000, 1001)}, (False, 2)),
        ({"params": (1000, 999), "macs": (5000, 6000)}, (True, 2)),
        ({"macs": (5000, 4999)}, (True, 2)),
        ({"macs": (5000, 5001)}, (False, 2)),
        ({"flash": (NAN, 1000), "ram": (3000, 2999)}, (True, 2)),
        ({}, (False, 4)),
        ({"params": (NAN, 900), "macs": (NAN, 900)}, (False, 4)),
        ({"redundancy_score": (0.5, 0.4)}, (True, 3)),
    ],
)
def test_where_the_task_held_the_size_decides(values, expected):
    assert judged((0.8, 0.8), **values) == expected


@pytest.mark.parametrize(
    ("redundancy", "correlation", "expected"),
    [
        (0.5 - STEADY, 0.4, (False, 4)),
        (0.4799, 0.4, (True, 3)),
        (0.5 + STEADY, 0.4, (False, 4)),
        (0.5201, 0.4, (False, 3)),
        (0.4799, 0.42, (True, 3)),
        (0.4799, 0.4201, (False, 3)),
        (0.5, 0.3799, (True, 3)),
        (0.5201, 0.3799, (False, 3)),
        (0.4, NAN, (True, 3)),
        (NAN, 0.3, (True, 3)),
        (NAN, NAN, (False, 4)),
    ],
)
def test_without_a_task_metric_the_spectrum_decides(redundancy, correlation, expected):
    values = {"redundancy_score": (0.5, redundancy), "correlation_mean": (0.4, correlation)}
    assert judged(**values) == expected
    assert judged((NAN, NAN), **values) == expected


def test_a_lower_redundancy_is_not_worth_a_larger_model():
    fell = {"redundancy_score": (0.7, 0.4)}
    assert judged(**fell, params=(1000, 1001)) == (False, 3)
    assert judged(**fell, macs=(5000, 5001)) == (False, 3)
    assert judged(**fell, params=(1000, 999), macs=(5000, 5001)) == (True, 3)
    assert judged(**fell, params=(NAN, 1001), macs=(NAN, 1)) == (True, 3)
    assert "but the model has more parameters (1,000 to 1,001)" in reason(
        judge(*changes_to(**fell, params=(1000, 1001)))
    )


def test_the_reason_has_its_numbers():
    def told(task=None, **values):
        return reason(judge(*changes_to(task, **values)))

    assert told((0.839, 0.812)) == "val_miou got worse, 0.839 to 0.812, by more than 0.01"
    assert told((0.84, 0.835), params=(38041, 15213)) == (
        "val_miou held (0.840 to 0.835, within 0.01), with fewer parameters (38,041 to 15,213)"
    )
    assert told(redundancy_score=(0.7, 0.6), correlation_mean=(0.4, 0.5)) == (
        "redundancy fell, 0.700 to 0.600, by more than 0.02; correlation rose, 0.400 to 0.500, "
        "by more than 0.02; no task metric is known in both runs"
    )
    assert told().endswith("no task metric is known in both runs; more seeds of both would tell")
    assert "diverged" in told((0.8, NAN))


@pytest.mark.parametrize(
    ("band", "before", "after", "expected"),
    [
        (DeadBand(0.02, "absolute"), 0.5, 0.52, False),
        (DeadBand(0.02, "absolute"), 0.5, 0.5201, True),
        (DeadBand(0.01, "relative"), 200.0, 202.0, False),
        (DeadBand(0.01, "relative"), 200.0, 202.1, True),
        (DeadBand(0.01, "relative"), 0.0, 0.1, True),
        (DeadBand(10, "factor"), 1e4, 1e5, False),
        (DeadBand(10, "factor"), 1e4, 1.01e5, True),
        (DeadBand(10, "factor"), 1e5, 1e4, False),
        (DeadBand(10, "factor"), 1e5, 0.99e4, True),
        (EXACT, 3, 3, False),
        (EXACT, 3, 4, True),
    ],
)
def test_a_change_counts_beyond_its_band(band, before, after, expected):
    assert moved(band, before, after) is expected


@pytest.mark.parametrize(
    ("name", "before", "after", "kind"),
    [
        ("redundancy_score", 0.5, 0.4, "better"),
        ("redundancy_score", 0.5, 0.6, "worse"),
        ("saturation", 0.5, 0.7, "better"),
        ("saturation", 0.5, 0.3, "worse"),
        ("saturation", 0.5, 0.6, "steady"),
        ("dead_channels", 3, 2, "better"),
        ("condition_number", 1e3, 1e5, "worse"),
        ("trace", 1.0, 9.0, "steady"),
        ("params", NAN, 9.0, "unknown"),
        ("overhead", 0.01, 0.9, "steady"),
    ],
)
def test_which_way_is_better(name, before, after, kind):
    measure = Measure(name, *model_dead_bands(DEFAULT_THRESHOLDS)[name], (before, after))
    assert change(measure, 1).kind == kind
    assert change(measure, 1).judged is (name not in ("trace", "overhead"))


def test_the_bands_follow_the_thresholds():
    bands = model_dead_bands({**DEFAULT_THRESHOLDS, "steady_redundancy": 0.2, "settled_rank": 0.3})
    assert bands["redundancy_score"][1].size == bands["correlation_mean"][1].size == 0.2
    assert bands["saturation"][1].size == 0.3


@pytest.mark.parametrize(
    ("metric", "lower"),
    [
        ("val_loss", True),
        ("val_mae", True),
        ("val_mean_squared_error", True),
        ("val_false_positives", True),
        ("val_miou", False),
        ("val_accuracy", False),
        ("val_glossiness", False),
    ],
)
def test_losses_and_errors_are_better_when_lower(metric, lower):
    assert lower_is_better(metric) is lower


def test_the_tolerance_is_in_points_of_a_score_and_a_share_of_a_loss():
    assert task_dead_band("val_miou", (0.8, NAN), 0.01) == ("higher", DeadBand(0.01, "absolute"))
    assert task_dead_band("val_psnr", (31.0, 0.5), 0.01) == ("higher", DeadBand(0.01, "relative"))
    assert task_dead_band("val_loss", (0.8, 0.2), 0.01) == ("lower", DeadBand(0.01, "relative"))


def history(**columns):
    return pd.DataFrame(columns, dtype=np.float64)


def test_the_task_metric_is_the_first_validation_score_that_all_histories_have():
    both = history(loss=[1], val_loss=[1], val_miou=[1], val_accuracy=[1])
    assert shared_metric([both, both]) == "val_miou"
    assert shared_metric([both, None, history(val_accuracy=[1], val_loss=[2])]) == "val_accuracy"
    assert shared_metric([both, history(val_loss=[2])]) == "val_loss"
    assert shared_metric([both, history(loss=[2])]) is None
    assert shared_metric([None, None]) is None


def test_the_final_value_is_the_last_epoch_s_and_the_best_looks_the_right_way():
    runs = history(epoch=[0, 1, 2], val_miou=[0.5, 0.9, 0.7], val_loss=[0.5, 0.9, NAN])
    assert task_result(runs, "val_miou") == ("val_miou", 0.7, 0.9, 1)
    loss = task_result(runs, "val_loss")
    assert loss is not None
    assert (math.isnan(loss.final), loss.best, loss.best_epoch) == (True, 0.5, 0)
    assert task_result(runs, "val_other") is task_result(None, "val_miou") is None
    undefined = task_result(history(val_miou=[NAN]), "val_miou")
    assert undefined is not None
    assert (undefined.best_epoch, math.isnan(undefined.best)) == (None, True)


def test_values_are_written_as_people_read_them():
    assert quantity_value("params", 38041.0) == "38,041"
    assert quantity_value("condition_number", 23400.0) == "2.34e4"
    assert quantity_value("overhead", 0.0134) == "1.3 %"
    assert quantity_value("val_miou", NAN) == "-"
    assert quantity_value("val_miou", 0.8341) == "0.834"
    assert quantity_value("trace", math.inf) == "inf"
    assert quantity_label("val_miou_best") == "best val_miou"
    changes, task = changes_to((0.8, 0.79), params=(1000, 500))
    assert change_text(changes["params"]) == "-50.0 %"
    assert task is not None
    assert (change_text(task), dead_band_text(task)) == ("-0.010", "0.01")
    # a change just beyond the band does not look like one within
    assert change_text(changes_to((0.8, 0.7899))[1]) == "-0.0101"


def written(path: Path, widths=(16, 32, 1), scores=None, **record) -> Run:
    tree = {**chain(widths), **record}
    if scores is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = {"epoch": range(len(scores)), "loss": 1.0, "val_loss": 0.5, "val_miou": scores}
        pd.DataFrame(rows).to_csv(path.with_name("history.csv"), index=False)
        tree["history"] = "history.csv"
    return load_run(write_run(path, tree))


def compared(*runs: Run, **options) -> Comparison:
    return compare(runs, DEFAULT_THRESHOLDS, **options)


def test_recorded_runs_are_compared_with_the_first(tmp_path):
    first = written(tmp_path / "a" / "x_nas_metrics.csv", (16, 32, 1), [0.5, 0.8], model_name="x")
    narrow = written(tmp_path / "b" / "y_nas_metrics.csv", (8, 16, 1), [0.5, 0.795], model_name="y")
    worse = written(tmp_path / "c" / "z_nas_metrics.csv", (4, 8, 1), [0.75, 0.7], model_name="z")
    found = compared(first, narrow, worse)
    assert [each.name for each in found.runs] == ["x", "y", "z"]
    assert [against.name for against in found.against] == ["y", "z"]
    assert found.task_metric == "val_miou"
    values = {measure.name: measure.values for measure in found.measures}
    assert values["val_miou"] == (0.8, 0.795, 0.7)
    assert values["val_miou_best"] == (0.8, 0.795, 0.75)
    assert values["val_loss"] == (0.5, 0.5, 0.5)
    assert values["params"] == (641, 193, 65)
    assert values["redundancy_score"][1] == narrow.readings["redundancy_score"].iloc[-1]
    verdicts = [(a.judgement.accept, a.judgement.rule) for a in found.against]
    assert verdicts == [(True, 2), (False, 1)]
    assert found.against[0].changes["params"].kind == "better"
    assert compared(first, worse, tolerance=0.2).against[0].judgement.accept


def test_a_csv_copied_alone_is_judged_by_its_spectrum(tmp_path):
    first = written(tmp_path / "x_nas_metrics.csv", scores=[0.8])
    columns = METRIC_NAMES.index("redundancy_score")
    values = metrics(3, 12, (16, 32, 1))
    values[:, :, columns] /= 2
    alone = load_run(write_run(tmp_path / "b" / "nano_u_baseline.csv", chain((16, 32, 1)), values))
    alone = replace(alone, record=None)
    found = compared(first, alone)
    judgement = found.against[0].judgement
    assert (judgement.accept, judgement.rule) == (True, 3)
    assert found.against[0].changes["params"].kind == "unknown"
    assert "nano_u_baseline_run.json is not there" in found.runs[1].notes[0]


def test_runs_that_are_unlike_are_noted(tmp_path):
    whole = written(tmp_path / "a.csv", model_name="a")
    cut = load_run(
        write_run(
            tmp_path / "b.csv",
            {**chain((16, 32, 1)), "status": "interrupted", "model_name": "b"},
            readings=5,
        )
    )
    notes = compared(whole, cut).against[0].notes
    assert "b is not whole (status: interrupted)" in notes[0]
    assert "b was read up to step 50 and a up to step 120" in notes[1]
    copy = load_run(write_run(tmp_path / "c.csv", {**chain((16, 32, 1)), "model_name": "c"}))
    assert compared(whole, copy).against[0].notes == (
        "c and a hold the same readings: one is a copy",
    )


def test_a_history_that_is_gone_is_noted(tmp_path):
    first = written(tmp_path / "a.csv", model_name="a", history="gone.csv")
    second = written(tmp_path / "b.csv", model_name="b", scores=[0.5])
    found = compared(first, second)
    assert (
        "gone.csv is not there, so the task metric of a.csv is not known" in found.runs[0].notes[0]
    )
    assert found.against[0].changes["val_miou"].kind == "unknown"
    assert found.against[0].judgement.rule in (3, 4)


def test_names_are_told_apart(tmp_path):
    def names(*paths):
        run = load_run(write_run(tmp_path / "x.csv", readings=1))
        return distinct_names([replace(run, path=Path(path), name=name) for name, path in paths])

    assert names(("a", "1/m.csv"), ("b", "2/m.csv")) == ("a", "b")
    assert names(("a", "1/m.csv"), ("a", "1/n.csv")) == ("a (m)", "a (n)")
    assert names(("a", "1/m.csv"), ("a", "2/m.csv"), ("b", "3/m.csv")) == ("a (1)", "a (2)", "b")
    assert names(("a", "1/x/m.csv"), ("a", "2/x/m.csv")) == ("a (1)", "a (2)")
    odd = names(("a", "1/m.csv"), ("a", "1/n.csv"), ("a (m)", "1/o.csv"))
    assert len(set(odd)) == 3


def test_what_cannot_be_compared_says_so(tmp_path):
    run = written(tmp_path / "a.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(UsageError, match=r"one run given to compare; give the CSVs of two or more"):
        compared(run)
    with pytest.raises(UsageError, match=r"no run given"):
        compared()
    with pytest.raises(UsageError, match=r"link\.csv is given twice"):
        compared(run, replace(run, path=tmp_path / "link.csv"))
    other = written(tmp_path / "b.csv")
    for tolerance in (-0.01, 1, NAN):
        with pytest.raises(UsageError, match=r"tolerance is .*; use a number from 0 to below 1"):
            compared(run, other, tolerance=tolerance)
    assert compared(run, other, tolerance=0).tolerance == 0


def test_every_rule_has_its_words():
    assert len(RULES) == 4

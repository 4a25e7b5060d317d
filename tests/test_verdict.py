"""The five findings and the decision flow: every threshold at its edge, from both sides."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nasmon.analysis.recommend.verdict import decide, verdict
from nasmon.analysis.run import Run
from nasmon.analysis.words import distinct_number
from nasmon.record.files import RUN_COLUMNS
from nasmon.thresholds import DEFAULT_THRESHOLDS as LIMITS

NAN = float("nan")


def above(value):
    return float(np.nextafter(value, np.inf))


def below(value):
    return float(np.nextafter(value, -np.inf))


def run_of(redundancy=(0.4,), correlation=0.2, condition=10.0):
    """A run with those values of redundancy, and the others at its last reading."""
    count = len(redundancy)
    table = pd.DataFrame({name: np.zeros(count) for name in RUN_COLUMNS})
    table["redundancy_score"] = redundancy
    table["correlation_mean"] = [0.99] * (count - 1) + [correlation]
    table["condition_number"] = [9e7] * (count - 1) + [condition]
    return Run(Path("run.csv"), "run", table, None)


def finding(number, limits=LIMITS, **values):
    return verdict(run_of(**values), limits).findings[number]


def test_the_titles_are_the_users_own():
    found = verdict(run_of(), LIMITS).findings
    assert [one.title for one in found] == [
        "REDUNDANCY ANALYSIS",
        "CORRELATION ANALYSIS",
        "NUMERICAL STABILITY",
        "TRAINING DYNAMICS",
        "OVERALL RECOMMENDATION",
    ]


@pytest.mark.parametrize(
    ("value", "level", "status"),
    [
        (1.0, "HIGH REDUNDANCY", "warning"),
        (above(0.7), "HIGH REDUNDANCY", "warning"),
        (0.7, "MODERATE REDUNDANCY", "info"),
        (0.5, "MODERATE REDUNDANCY", "info"),
        (below(0.5), "GOOD", "good"),
        (0.3, "GOOD", "good"),
        (below(0.3), "EXCELLENT", "good"),
        (0.0, "EXCELLENT", "good"),
    ],
)
def test_redundancy_at_its_edges(value, level, status):
    found = finding(0, redundancy=(0.1, value))
    assert (found.level, found.status, found.value) == (level, status, value)


def test_what_to_reduce_stands_in_the_lines():
    assert "Reduce filters by 25-30%, bottleneck by 25%" in finding(0, redundancy=(0.743,)).lines
    assert "Reduce filters by 10-15%" in finding(0, redundancy=(0.6,)).lines


@pytest.mark.parametrize(
    ("value", "level", "status"),
    [
        (above(0.6), "HIGH CORRELATION", "warning"),
        (0.6, "MODERATE CORRELATION", "info"),
        (0.3, "MODERATE CORRELATION", "info"),
        (below(0.3), "DIVERSE FEATURES", "good"),
    ],
)
def test_correlation_at_its_edges(value, level, status):
    found = finding(1, correlation=value)
    assert (found.level, found.status, found.value) == (level, status, value)


@pytest.mark.parametrize(
    ("value", "level", "evidence"),
    [
        (2.34e4, "GOOD CONDITIONING", "final=2.34e4"),
        (1e6, "GOOD CONDITIONING", "final=1.00e6"),
        (1000001.0, "POOR CONDITIONING", "final=1.000001e6"),
        (1e8, "POOR CONDITIONING", "final=1.00e8"),
    ],
)
def test_condition_number_at_its_edge(value, level, evidence):
    found = finding(2, condition=value)
    assert (found.level, found.evidence) == (level, evidence)


def test_a_saturated_condition_number_is_explained():
    why = "The number ends at 1.00e8: some layer has fewer independent directions than channels"
    assert why in finding(2, condition=1e8).lines
    assert why in finding(2, condition=1e8, limits={**LIMITS, "poor_conditioning": 1e9}).lines
    assert why not in finding(2, condition=9e7).lines


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_value_that_is_not_defined_is_told_so(number):
    found = finding(number, redundancy=(0.5, NAN), correlation=NAN, condition=NAN)
    assert (found.level, found.status) == ("UNDEFINED", "unknown")
    assert "not finite, never vary, or have a single channel" in found.lines[0]


@pytest.mark.parametrize(
    ("change", "level", "status"),
    [
        (-0.03, "Redundancy DECREASING over training", "good"),
        (-0.0201, "Redundancy DECREASING over training", "good"),
        (-0.02, "Redundancy STABLE over training", "info"),
        (0.0, "Redundancy STABLE over training", "info"),
        (0.02, "Redundancy STABLE over training", "info"),
        (0.0201, "Redundancy INCREASING over training", "warning"),
    ],
)
@pytest.mark.parametrize("start", [0.5, 0.37, 0.1])
def test_dynamics_at_the_edges_of_the_dead_band(change, level, status, start):
    found = finding(3, redundancy=[start] * 5 + [0.9] + [start + change] * 5)
    assert (found.level, found.status) == (level, status)
    assert found.value == pytest.approx(change)


def test_dynamics_compare_the_means_of_five_readings_at_either_end():
    found = finding(3, redundancy=[0.9, 0.7, 0.8, 0.6, 0.5, 0.1, 0.4, 0.4, 0.3, 0.5, 0.4])
    assert found.evidence == "change=-0.300"
    assert found.lines[-1] == "Mean of the first 5 readings 0.700, of the last 5 0.400"


@pytest.mark.parametrize(
    ("readings", "line"),
    [
        (9, "Mean of the first 4 readings 0.800, of the last 4 0.600; there are only 9"),
        (3, "First reading 0.800, last 0.600; there are only 3"),
        (2, "First reading 0.800, last 0.600; there are only 2"),
    ],
)
def test_a_short_run_says_which_readings_were_compared(readings, line):
    half = readings // 2
    found = finding(3, redundancy=[0.8] * half + [0.7] * (readings % 2) + [0.6] * half)
    assert found.level == "Redundancy DECREASING over training"
    assert found.lines[-1] == line


def test_undefined_readings_are_left_out_of_the_dynamics():
    found = finding(3, redundancy=[NAN, 0.8, NAN, 0.8, 0.5, 0.5, NAN])
    assert found.value == pytest.approx(-0.3)
    assert found.lines[-1] == (
        "Mean of the first 2 readings 0.800, of the last 2 0.500; there are only 4"
    )


@pytest.mark.parametrize(
    ("redundancy", "count"), [((0.5,), "is 1 reading"), ((NAN, NAN), "are no readings")]
)
def test_dynamics_need_two_readings(redundancy, count):
    found = finding(3, redundancy=redundancy)
    assert (found.level, found.status) == ("NOT ENOUGH READINGS", "unknown")
    assert f"There {count} of a defined redundancy" in found.lines[0]


@pytest.mark.parametrize(
    ("redundancy", "correlation", "decision", "rule"),
    [
        (0.743, 0.1, "reduce", "redundancy 0.743 > 0.7"),
        (above(0.7), NAN, "reduce", "redundancy 0.7000000000000001 > 0.7"),
        (0.7, 0.1, "tweak", "redundancy 0.700 is from 0.3 to 0.7, correlation 0.100 <= 0.6"),
        (0.3, 0.7, "regularize", "redundancy 0.300 is from 0.3 to 0.7, correlation 0.700 > 0.6"),
        (below(0.3), 0.9, "optimal", "redundancy 0.2999999999999999 < 0.3"),
        (0.4, above(0.6), "regularize", "correlation 0.6000000000000001 > 0.6"),
        (0.4, 0.6, "tweak", "correlation 0.600 <= 0.6"),
        (0.4, NAN, "undecided", "correlation is not defined"),
        (NAN, 0.9, "undecided", "redundancy is not defined"),
    ],
)
def test_the_decision_flow(redundancy, correlation, decision, rule):
    assert decide(redundancy, correlation, LIMITS)[0] == decision
    assert decide(redundancy, correlation, LIMITS)[1].endswith(rule)


@pytest.mark.parametrize(
    ("redundancy", "correlation", "level", "line"),
    [
        (
            0.8,
            0.1,
            "ARCHITECTURE NEEDS OPTIMIZATION",
            "Reduce model width or bottleneck size by 25-50%",
        ),
        (0.2, 0.9, "ARCHITECTURE IS OPTIMAL", "Keep it: the model uses its width"),
        (
            0.4,
            0.9,
            "ARCHITECTURE NEEDS REGULARIZATION",
            "Add regularization (dropout, weight decay)",
        ),
        (0.4, 0.1, "MINOR TWEAKS", "Architecture is reasonable, minor optimizations possible"),
        (NAN, 0.1, "UNDECIDED", "Mend what is not defined above first"),
    ],
)
def test_the_overall_recommendation_follows_the_flow(redundancy, correlation, level, line):
    whole = verdict(run_of((redundancy,), correlation), LIMITS)
    overall = whole.findings[4]
    assert (overall.level, overall.lines[0]) == (level, line)
    assert overall.lines[-1] == f"Decided by: {whole.rule}"


def test_other_thresholds_move_every_edge():
    limits = {
        **LIMITS,
        "high_redundancy": 0.9,
        "moderate_redundancy": 0.8,
        "low_redundancy": 0.7,
        "high_correlation": 0.2,
        "low_correlation": 0.1,
        "poor_conditioning": 5.0,
        "steady_redundancy": 0.3,
    }
    found = verdict(run_of([0.95] * 5 + [0.75] * 5, 0.21, 6.0), limits)
    assert [one.level for one in found.findings] == [
        "GOOD",
        "HIGH CORRELATION",
        "POOR CONDITIONING",
        "Redundancy STABLE over training",
        "ARCHITECTURE NEEDS REGULARIZATION",
    ]
    assert found.rule == "redundancy 0.750 is from 0.7 to 0.9, correlation 0.210 > 0.2"


@pytest.mark.parametrize(
    ("value", "limits", "text"),
    [(0.7431, (0.7,), "0.743"), (0.70004, (0.7,), "0.70004"), (0.7, (0.7,), "0.700")],
)
def test_a_number_is_never_shown_as_the_limit_that_it_is_not(value, limits, text):
    assert distinct_number(value, *limits) == text

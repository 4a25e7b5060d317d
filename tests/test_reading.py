"""Readings: look-up, aggregates, tables."""

import pickle
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from nasmon.budget import OverheadBudget
from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES, METRICS
from nasmon.reading import LayerInfo, Reading, Spectra, aggregate, frame
from nasmon.summary import cost_sentence, summary_parts
from nasmon.table import text_of
from nasmon.thresholds import DEFAULT_THRESHOLDS

LAYERS = (LayerInfo("a", "Conv2D", 4, False), LayerInfo("b", "DepthwiseConv2D", 12, True))


def reading(step: int = 5, **values: tuple[float, float]) -> Reading:
    """A reading of two layers, with 0.5 for every metric that is not given."""
    columns = [values.get(name, (0.5, 0.5)) for name in METRIC_NAMES]
    spectra = Spectra((np.ones(4), np.ones(12)), (np.eye(4), np.eye(12)))
    return Reading(2, step, LAYERS, np.array(columns).T, 32, 0.01, 0.02, spectra=spectra)


def test_a_layers_metrics_are_found_by_its_name() -> None:
    found = reading(rank_99=(3, 7))["b"]
    assert list(found) == list(METRIC_NAMES)
    assert found["rank_99"] == 7
    with pytest.raises(KeyError, match="no monitored layer is called 'c'; there are: a, b"):
        reading()["c"]


def test_aggregates_are_weighted_summed_or_largest() -> None:
    found = reading(
        redundancy_score=(0.2, 0.6), trace=(1, 2), condition_number=(9, 3), dead_channels=(1, 2)
    ).aggregates
    assert list(found) == [m.name for m in AGGREGATED]
    assert found["redundancy_score"] == pytest.approx((4 * 0.2 + 12 * 0.6) / 16)
    assert (found["trace"], found["condition_number"], found["dead_channels"]) == (3, 9, 3)


def test_nan_takes_no_part_in_aggregates() -> None:
    found = reading(
        redundancy_score=(np.nan, 0.6), trace=(np.nan, 2), condition_number=(np.nan, np.nan)
    ).aggregates
    assert (found["redundancy_score"], found["trace"]) == (0.6, 2)
    assert np.isnan(found["condition_number"])


def test_a_metric_without_an_aggregate_is_refused() -> None:
    metric = next(m for m in METRICS if m.name == "rows")
    with pytest.raises(ValueError, match="'rows' has no aggregate"):
        aggregate(metric, np.ones(2), np.ones(2))


def test_frame_has_a_row_per_reading_and_layer() -> None:
    table = frame([reading(1), reading(2, rank_99=(3, 7))])
    described = ["kind", "channels", "tied", "params", "macs", "tied_to"]
    columns = ["epoch", "step", "layer", *described, *METRIC_NAMES]
    assert list(table.columns) == columns
    assert table["step"].tolist() == [1, 1, 2, 2]
    assert table[["layer", "tied", "rank_99"]].to_numpy()[3].tolist() == ["b", True, 7]
    assert list(frame([]).columns) == columns


def test_spectra_can_be_let_go() -> None:
    light = reading().without_spectra()
    assert light.spectra is None
    np.testing.assert_array_equal(light.metrics, reading().metrics)


def test_correlations_are_fetched_when_they_are_asked_for_and_kept() -> None:
    fetched = []

    def fetch() -> tuple[np.ndarray, ...]:
        fetched.append(True)
        return np.eye(4, dtype=np.float32), np.eye(12, dtype=np.float32)

    one = replace(reading(), spectra=Spectra((np.ones(4), np.ones(12)), fetch))
    assert not fetched
    assert one.correlations is one.correlations
    assert one.spectra is not None
    assert one.spectra.correlations is one.correlations
    assert len(fetched) == 1
    one.spectra.let_go()
    assert one.correlations is None
    assert one.without_spectra().correlations is None


def test_a_reading_may_be_copied_and_pickled() -> None:
    eye = (np.eye(4, dtype=np.float32), np.eye(12, dtype=np.float32))
    counts = (np.ones(32), np.ones(32))
    one = replace(reading(), spectra=Spectra((np.ones(4), np.ones(12)), lambda: eye, counts))
    for copied in (pickle.loads(pickle.dumps(one)), deepcopy(one)):
        assert copied.correlations is not None
        assert copied.spectra is not None
        np.testing.assert_array_equal(copied.correlations[1], eye[1])
        assert len(copied.spectra.eigenvalues) == len(copied.spectra.pair_counts or ()) == 2


def test_summary_lines_up_and_remarks_on_what_stands_out() -> None:
    shown = summary_parts(
        [reading(redundancy_score=(0.71, 0.7), correlation_mean=(0.6, 0.61), dead_channels=(0, 2))],
        DEFAULT_THRESHOLDS,
        OverheadBudget(),
        3,
    )
    lines = text_of(shown, 100).splitlines()
    assert lines[0] == "the latest reading: step 5, 32 samples"
    assert lines[3].split()[:4] == ["a", "4", "0.71*", "0.60"]
    assert lines[4].split()[:4] == ["b", "(12)", "0.70", "0.61*"]
    assert (lines[3].split()[-2], lines[4].split()[-2]) == ("0", "2*")
    assert lines[6].startswith("all layers")
    assert lines[7] == "*: redundant (above 0.7), correlated (above 0.6), dead channels"
    assert lines[8] == "(channels): as many as the layer's input has"
    assert lines[9].endswith("set-up 0.0 s, 1 reading, 3 postponed")


def test_summary_of_nothing() -> None:
    shown = summary_parts([], DEFAULT_THRESHOLDS, OverheadBudget(), 0)
    assert text_of(shown).startswith("no reading was taken")


def test_the_sentence_about_the_cost() -> None:
    now = [0.0]

    def spend(seconds: float) -> None:
        now[0] += seconds

    budget = OverheadBudget(clock=lambda: now[0])
    with budget.setting_up():
        spend(2.12)
    budget.resume()
    spend(100)
    with budget.reading():
        spend(1.3)
    assert cost_sentence(50, budget, 0) == (
        "monitor: 1.3 % of training time (budget 5 %), set-up 2.1 s, 50 readings, 0 postponed"
    )
    assert "(no budget)" in cost_sentence(1, OverheadBudget(None), 0)

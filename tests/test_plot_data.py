"""What pictures are made of before anything is drawn: points, bands, labels, and words."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from nasmon.analysis.plot.alternative_text import alternative_text
from nasmon.analysis.plot.bands import band_of, bands_of, spread
from nasmon.analysis.plot.kinds import chosen_layers
from nasmon.analysis.plot.series import (
    LINE_BINS,
    alone,
    block_means,
    reduced_band,
    reduced_line,
    shares,
    timeline,
)
from nasmon.analysis.recommend.verdict import verdict
from nasmon.analysis.run import load_run
from nasmon.analysis.words import number, power_of_ten
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.spectra import LayerSpectrum
from nasmon.short_names import shortened, shortened_apart
from nasmon.terminal import printable
from nasmon.thresholds import DEFAULT_THRESHOLDS
from tests.recorded import chain, metrics, write_run

WIDTHS = (16, 32, 64, 16, 1)


def test_a_line_of_few_points_stays_as_it_is():
    x, y = np.arange(4.0 * LINE_BINS), np.random.default_rng(0).normal(size=4 * LINE_BINS)
    for before, after in zip((x, y), reduced_line(x, y), strict=True):
        assert after is before


def test_a_reduced_line_keeps_ends_and_extremes_and_invents_nothing():
    y = np.random.default_rng(0).normal(size=10_000)
    x = np.arange(10_000.0) * 3
    y[4_321], y[8_765] = 50, -50
    kept_x, kept_y = reduced_line(x, y)
    assert len(kept_x) <= 4 * LINE_BINS
    assert (np.diff(kept_x) > 0).all()
    np.testing.assert_array_equal(kept_y, y[(kept_x / 3).astype(int)])
    assert (kept_x[0], kept_x[-1]) == (x[0], x[-1])
    assert (kept_y.max(), kept_y.min()) == (50, -50)


@pytest.mark.parametrize("gap", [slice(5_000, 5_001), slice(0, 3_000), slice(7_000, 10_000)])
def test_a_reduced_line_keeps_gaps(gap):
    y = np.ones(10_000)
    y[gap] = np.nan
    kept_x, kept_y = reduced_line(np.arange(10_000.0), y)
    defined = np.isfinite(kept_y)
    assert not set(kept_x[defined]) & set(range(10_000)[gap])
    inside = gap.start > 0 and gap.stop < 10_000
    assert (~defined).sum() == (1 if inside else 0)
    if inside:
        between = kept_x[~defined][0]
        assert gap.start <= between <= gap.stop


def test_a_reduced_line_of_every_other_reading_is_points():
    y = np.ones(10_000)
    y[::2] = np.nan
    _, kept = reduced_line(np.arange(10_000.0), y)
    assert alone(kept).sum() == np.isfinite(kept).sum() > LINE_BINS


def test_a_line_without_a_defined_point_is_reduced_to_nothing():
    _, y = reduced_line(np.arange(10_000.0), np.full(10_000, np.nan))
    assert np.isnan(y).all()


def test_a_reduced_band_holds_all_that_it_covers():
    low = np.random.default_rng(0).uniform(0, 0.4, 10_000)
    high = low + 0.3
    low[3_000:3_100] = high[3_000:3_100] = np.nan
    x, lowest, highest = reduced_band(np.arange(10_000.0), low, high)
    assert len(x) == LINE_BINS
    assert lowest[np.isfinite(lowest)].min() == np.nanmin(low)
    assert highest[np.isfinite(highest)].max() == np.nanmax(high)
    assert np.isnan(lowest).sum() == 5


def test_only_points_without_neighbours_are_alone():
    y = np.array([1, np.nan, 1, 1, np.nan, 1, np.nan, np.nan, 1])
    assert alone(y).tolist() == [True, *[False] * 4, True, *[False] * 2, True]
    assert alone(np.array([1.0])).tolist() == [True]


def test_block_means_pass_over_what_is_not_defined():
    values = np.array([[1.0, 3.0, np.nan, 5.0, np.nan, np.nan, 7.0]])
    means, size = block_means(values, most=4)
    assert size == 2
    np.testing.assert_array_equal(means, [[2.0, 5.0, np.nan, 7.0]])
    same, size = block_means(values, most=7)
    assert size == 1
    assert same is values


@pytest.mark.parametrize(
    ("epochs", "steps", "label", "x"),
    [
        ([0, 1, 2], [10, 20, 30], "Epoch", [1, 2, 3]),
        ([4, 6, 9], [10, 20, 30], "Epoch", [5, 7, 10]),
        ([0, 0, 1], [10, 20, 30], "Training step", [10, 20, 30]),
        ([-1, -1, -1], [10, 20, 30], "Training step", [10, 20, 30]),
        ([-1], [10], "Training step", [10]),
        ([0], [10], "Epoch", [1]),
        ([0, 1, 0], [10, 20, 10], "Reading", [1, 2, 3]),
        ([0, np.nan, 2], [10, 20, np.nan], "Reading", [1, 2, 3]),
    ],
)
def test_readings_stand_at_epochs_else_steps_else_one_by_one(epochs, steps, label, x):
    time = timeline(np.array(epochs, np.float64), np.array(steps, np.float64))
    assert (time.label, time.x.tolist()) == (label, x)


@pytest.mark.parametrize(
    ("metric", "value", "name"),
    [
        ("redundancy_score", 0.0, "Excellent"),
        ("redundancy_score", 0.2999, "Excellent"),
        ("redundancy_score", 0.3, "Good"),
        ("redundancy_score", 0.4999, "Good"),
        ("redundancy_score", 0.5, "Moderate"),
        ("redundancy_score", 0.7, "Moderate"),
        ("redundancy_score", 0.7001, "High"),
        ("redundancy_score", 1.0, "High"),
        ("correlation_mean", 0.2999, "Diverse"),
        ("correlation_mean", 0.3, "Moderate"),
        ("correlation_mean", 0.6, "Moderate"),
        ("correlation_mean", 0.6001, "High"),
    ],
)
def test_a_value_lies_in_the_band_of_its_thresholds(metric, value, name):
    band = band_of(value, bands_of(metric, DEFAULT_THRESHOLDS))
    assert band is not None
    assert band.name == name


@pytest.mark.parametrize("value", [0.0, 0.2999, 0.3, 0.4999, 0.5, 0.7, 0.7001, 1.0])
def test_the_bands_say_what_the_recommendations_say(tmp_path, value):
    values = metrics(5, 1, WIDTHS)
    values[:, :, METRIC_NAMES.index("redundancy_score")] = value
    run = load_run(write_run(tmp_path / "r.csv", chain(WIDTHS), values))
    run.readings["redundancy_score"] = value  # exactly, not as a mean
    level = verdict(run, DEFAULT_THRESHOLDS).findings[0].level
    band = band_of(value, bands_of("redundancy_score", DEFAULT_THRESHOLDS))
    assert band is not None
    assert level.startswith(band.name.upper())


def test_nothing_lies_in_a_band_without_a_value_or_thresholds():
    assert band_of(np.nan, bands_of("redundancy_score", DEFAULT_THRESHOLDS)) is None
    assert bands_of("trace", DEFAULT_THRESHOLDS) == ()


def test_bands_fill_0_to_1_whatever_the_thresholds():
    for high in (0.1, 0.5, 1.0, 3.0):
        bands = bands_of("redundancy_score", {**DEFAULT_THRESHOLDS, "high_redundancy": high})
        assert (bands[0].low, bands[-1].high) == (0, 1)
        assert all(a.high == b.low for a, b in pairwise(bands))


@pytest.mark.parametrize("positions", [[0.5], [0.1, 0.2, 0.9], [0.99, 0.99, 0.99], [0, 0, 0.01, 1]])
def test_labels_are_spread_without_leaving(positions):
    moved = spread(positions, 0.1)
    assert moved[0] >= 0.05 - 1e-9
    assert moved[-1] <= 0.95 + 1e-9
    assert (np.diff(moved) >= 0.1 - 1e-9).all()
    assert spread([0.2, 0.5, 0.8], 0.1) == [0.2, 0.5, 0.8]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.6, "0.600"),
        (0.74321, "0.743"),
        (8.0, "8"),
        (0, "0"),
        (613.4, "613"),
        (9_999.4, "9999"),
        (23_400.0, "2.34e4"),
        (1e8, "1.00e8"),
        (0.0001234, "1.23e-4"),
        (np.nan, "not defined"),
        (np.inf, "not defined"),
    ],
)
def test_numbers_have_three_digits(value, shown):
    assert number(value) == shown


def test_powers_of_ten_are_written_as_such():
    assert [power_of_ten(value) for value in (1, 1e8, 1e-3)] == ["10⁰", "10⁸", "10⁻³"]


def test_names_are_one_printable_line():
    assert printable("a\nb\x00$é层") == "a\\nb\\x00$é层"


def test_long_names_lose_their_middle_and_stay_apart():
    assert shortened("conv", 8) == "conv"
    assert shortened("encoder/block1/conv", 10) == "enco…/conv"
    assert shortened_apart(["a" * 20 + "1" + "b" * 20, "a" * 20 + "2" + "b" * 20, "c"], 12) == [
        "1: aa…bbbbbb",
        "2: aa…bbbbbb",
        "c",
    ]


def test_layers_are_chosen_in_the_model_s_order():
    names = ["encoder/a", "encoder/b", "decoder/a"]
    assert chosen_layers(names, ()) == [0, 1, 2]
    assert chosen_layers(names, ("decoder/*", "*/b")) == [1, 2]
    with pytest.raises(UsageError, match="no layer matches 'x'; the layers are encoder/a, encoder"):
        chosen_layers(names, ("x",))


@pytest.mark.parametrize(
    ("eigenvalues", "rank"),
    [([98.9, 1.1], 2), ([99.1, 0.9], 1), ([1.0], 1), ([1.0] * 100, 99), ([1.0, -1e-9], 1)],
)
def test_the_rank_is_where_99_percent_are_reached(eigenvalues, rank):
    found = shares(LayerSpectrum(np.array(eigenvalues), np.eye(len(eigenvalues))))
    assert found is not None
    assert found.rank == rank
    assert found.together[-1] == pytest.approx(1)


@pytest.mark.parametrize("eigenvalues", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_without_a_defined_variance_there_are_no_shares(eigenvalues):
    assert shares(LayerSpectrum(np.array(eigenvalues), np.eye(2))) is None


def test_alternative_texts_say_what_is_seen(tmp_path):
    values = metrics(5, 24, WIDTHS)
    values[:, :, METRIC_NAMES.index("redundancy_score")] = np.linspace(0.61, 0.52, 24)[:, None]
    values[-1, :, METRIC_NAMES.index("saturation")] = [0.5, 0.25, np.nan, 1, 0.75]
    run = load_run(write_run(tmp_path / "r.csv", chain(WIDTHS), values))
    assert alternative_text("redundancy", run) == (
        "Redundancy over 24 readings (epoch 1 to 24): from 0.610 to 0.520, between 0.520 and 0.610."
    )
    assert alternative_text("correlation", run).startswith("Mean correlation over 24 readings")
    assert "Condition number: from" in alternative_text("dashboard", run)
    assert alternative_text("layers", run) == (
        "saturation of 5 layers over 24 readings (epoch 1 to 24). At the last one, lowest: 0.250 "
        "in conv1, 0.500 in conv0, 0.750 in conv4; highest: 1 in conv3. Not defined in 1 layer."
    )
    assert alternative_text("layers", run, layers=("conv2",)).endswith(
        "over 24 readings (epoch 1 to 24): not defined at the last one."
    )
    assert "conv0 13 of 16, conv1 13 of 32, " in alternative_text("spectrum", run)
    other = load_run(write_run(tmp_path / "o.csv", chain((4, 1))), "other")
    text = alternative_text("comparison", run, others=(other,))
    assert text.startswith("Redundancy and correlation of 2 runs, which ended at: chain 0.520 and")
    assert "; other " in text
    assert text.endswith("with 21 parameters.")


def test_alternative_texts_of_many_layers_and_of_one_reading_are_short(tmp_path):
    run = load_run(write_run(tmp_path / "r.csv", chain([32] * 50), readings=1))
    assert "conv0 13 of 32, conv1 13 of 32, conv2 13 of 32." in alternative_text("spectrum", run)
    assert len(alternative_text("spectrum", run)) < 250
    assert alternative_text("redundancy", run).startswith("Redundancy over 1 reading (epoch 1): 0.")


def test_alternative_texts_of_a_run_without_defined_readings(tmp_path):
    values = np.full((3, 5, len(METRIC_NAMES)), np.nan)
    run = load_run(write_run(tmp_path / "r.csv", chain(WIDTHS), values))
    for kind in ("redundancy", "correlation"):
        assert alternative_text(kind, run).endswith("(epoch 1 to 3): no defined readings.")


def test_matplotlib_is_loaded_for_drawing_only():
    code = (
        "import sys\nfrom nasmon.analysis.plot import alternative_text, command, picture\n"
        "assert not {'matplotlib', 'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

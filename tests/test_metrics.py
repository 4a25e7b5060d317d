"""Every metric against the float64 reference: a batch, the whole stream, merged from shards."""

from functools import reduce

import numpy as np
import pytest
import tensorflow as tf

from nasmon.kernels import metrics
from nasmon.kernels.covariance import CovarianceState, covariance, from_rows, merge
from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES, METRICS
from nasmon.kernels.spectrum import eigenvalues
from tests.oracle import Floats, assert_metrics

RNG = np.random.default_rng(7)


def planted() -> dict[str, Floats]:
    """Layers whose structure is known; all of 8 channels but where the name says."""
    normal = RNG.normal(size=(4000, 8))
    alive = np.r_[np.ones(5), np.zeros(3)]
    return {
        "independent": normal,
        "offset": normal + 100,
        "graded": normal * np.logspace(0, -3, 8),
        "rank 3 of 8": normal[:, :3] @ RNG.normal(size=(3, 8)),
        "identical": np.repeat(normal[:, :1], 8, axis=1),
        "3 dead": normal * alive + 2,
        "one live": normal * np.r_[1, np.zeros(7)],
        "pairs": np.repeat(normal[:, :4], 2, axis=1) * np.tile([1, -1], 4),
        "fewer rows than channels": normal[:5],
        "two channels": normal[:, :2],
        "one channel": normal[:, :1],
        "constant": np.full((100, 8), 3.0),
        "tiny": 1e-6 * normal,
    }


PLANTED = planted()


def statistics_of(states: list[CovarianceState]) -> metrics.Statistics:
    """Of layers of equal width."""
    channels = tf.constant([state.mean.shape[0] for state in states])
    counts = tf.stack([state.count for state in states])
    covariances = tf.stack([covariance(s) for s in states])
    spectrum = eigenvalues(metrics.solvable(covariances))
    return metrics.statistics([metrics.Solved(counts, channels, covariances, spectrum)])[0]


def measure(state: CovarianceState) -> dict[str, float]:
    """All metrics of one state, by name."""
    statistics = statistics_of([state])
    return dict(zip(METRIC_NAMES, metrics.evaluate(statistics)[0].numpy().tolist(), strict=True))


measure_compiled = tf.function(
    lambda state: metrics.evaluate(statistics_of([state]))[0], jit_compile=True
)


def rows_of(name: str) -> Floats:
    return PLANTED[name].astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("shards", [1, 3])
def test_metrics_are_the_references(name: str, shards: int) -> None:
    parts = np.array_split(rows_of(name), shards)
    states = [from_rows(tf.constant(part, tf.float32)) for part in parts]
    assert_metrics(measure(reduce(merge, states)), rows_of(name))


@pytest.mark.parametrize("name", ["graded", "3 dead", "constant", "one channel"])
def test_metrics_compiled_are_the_references(name: str) -> None:
    state = from_rows(tf.constant(rows_of(name), tf.float32))
    values = measure_compiled(state).numpy().tolist()
    assert_metrics(dict(zip(METRIC_NAMES, values, strict=True)), rows_of(name))


def test_what_the_planted_layers_must_read() -> None:
    found = {n: measure(from_rows(tf.constant(rows_of(n), tf.float32))) for n in PLANTED}
    assert found["identical"]["redundancy_score"] == pytest.approx(1)
    assert found["identical"]["correlation_mean"] == pytest.approx(1)
    # a share of float32's rounding that is left over adds so much entropy
    rounding = np.finfo(np.float32).eps
    most = 1 - rounding * np.log(rounding)
    assert 1 - 1e-9 < found["identical"]["effective_rank"] < most
    assert found["3 dead"]["dead_channels"] == 3
    assert found["rank 3 of 8"]["rank_99"] <= 3
    assert found["rank 3 of 8"]["condition_number"] == pytest.approx(1e8)
    assert found["independent"]["redundancy_score"] == pytest.approx(1 / 8, rel=0.2)
    assert found["constant"]["trace"] == 0


def test_undefined_is_nan() -> None:
    constant = measure(from_rows(tf.constant(rows_of("constant"), tf.float32)))
    assert {n for n, v in constant.items() if not np.isnan(v)} == {"trace", "rows"}
    one_live = measure(from_rows(tf.constant(rows_of("one live"), tf.float32)))
    assert {n for n, v in one_live.items() if np.isnan(v)} == {
        "correlation_mean",
        "correlation_std",
    }
    one_channel = measure(from_rows(tf.constant(rows_of("one channel"), tf.float32)))
    assert {n for n, v in one_channel.items() if np.isnan(v)} == {
        "redundancy_score",
        "correlation_mean",
        "correlation_std",
    }


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_bad_activation_makes_its_layer_nan_and_no_other(bad: float) -> None:
    rows = rows_of("graded").copy()
    states = [from_rows(tf.constant(rows, tf.float32))]
    rows[3, 2] = bad
    states.append(from_rows(tf.constant(rows, tf.float32)))
    good, spoilt = metrics.evaluate(statistics_of(states)).numpy()
    assert_metrics(dict(zip(METRIC_NAMES, good.tolist(), strict=True)), rows_of("graded"))
    assert np.isnan(np.delete(spoilt, METRIC_NAMES.index("rows"))).all()


@pytest.mark.parametrize("name", PLANTED)
def test_metrics_keep_to_their_ranges(name: str) -> None:
    channels = PLANTED[name].shape[1]
    found = measure(from_rows(tf.constant(rows_of(name), tf.float32)))
    bounds = {
        "redundancy_score": (1 / channels, 1),
        "correlation_mean": (0, 1),
        "correlation_std": (0, 0.5),
        "trace": (0, np.inf),
        "condition_number": (1, 1e8),
        "effective_rank": (1 - 1e-12, channels * (1 + 1e-12)),
        "rank_99": (1, channels),
        "saturation": (1 / channels, 1),
        "dead_channels": (0, channels),
        "rows": (1, np.inf),
    }
    assert set(bounds) == set(METRIC_NAMES)
    for metric, (low, high) in bounds.items():
        assert np.isnan(found[metric]) or low <= found[metric] <= high, metric


def test_the_table_names_functions_and_aggregates() -> None:
    assert list(metrics.FUNCTIONS) == list(METRIC_NAMES)
    assert all(m.meaning and m.range and m.unit for m in METRICS)
    assert [m.name for m in AGGREGATED] == [
        "redundancy_score",
        "correlation_mean",
        "correlation_std",
        "trace",
        "condition_number",
        "saturation",
        "dead_channels",
    ]

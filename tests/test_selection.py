"""Which channels to keep: against least squares worked out anew for every choice."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasmon.kernels.compensation import stand_in
from nasmon.kernels.orders import beyond_rows, in_blocks
from nasmon.kernels.selection import (
    Consumer,
    cost,
    entering,
    leaving,
    swapped,
)


def drawn(seed: int, channels: int, outputs: int = 3, each: int = 1, others: int = 0) -> Consumer:
    """A consumer of correlated columns: ``each`` of every channel, and others beside them."""
    random = np.random.default_rng(seed)
    count = channels * each + others
    rows = random.standard_normal((4 * count, count)) @ random.standard_normal((count, count))
    kernel = random.standard_normal((count, outputs))
    places = random.permutation(count)[: channels * each].reshape(channels, each)
    return Consumer(np.cov(rows, rowvar=False), kernel @ kernel.T, places)


def by_least_squares(one: Consumer, kept: np.ndarray) -> float:
    """The share of the output's variance that is lost, from the definition."""
    outside = np.setdiff1d(np.arange(len(one.columns)), kept)
    there = np.setdiff1d(np.arange(len(one.covariance)), one.columns[outside])
    root = np.linalg.cholesky(one.covariance).T  # rows with this covariance
    found = np.linalg.lstsq(root[:, there], root, rcond=None)[0] if len(there) else None
    left = root - root[:, there] @ found if found is not None else root
    return float(np.sum(left.T @ left * one.gram) / np.sum(one.covariance * one.gram))


GROUPS = [
    [drawn(0, 6)],
    [drawn(1, 6), drawn(2, 6, outputs=1)],
    [drawn(3, 5, each=3)],
    [drawn(4, 5, others=4)],
    [drawn(5, 5, each=2, others=3), drawn(6, 5)],
]


@pytest.mark.parametrize("group", GROUPS)
def test_costs_are_those_of_least_squares(group: list[Consumer]) -> None:
    channels = len(group[0].columns)
    for order in (leaving(group), entering(group)):
        assert sorted(order.channels) == list(range(channels))
        for k in range(channels + 1):
            kept = np.sort(order.channels[:k])
            expected = sum(by_least_squares(one, kept) for one in group)
            assert cost(group, kept) == pytest.approx(expected, abs=1e-5)
            assert order.costs[k] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("group", GROUPS)
def test_the_cheapest_leaves_and_the_best_enters(group: list[Consumer]) -> None:
    channels = len(group[0].columns)
    backwards, forwards = leaving(group), entering(group)
    for k in range(channels, 0, -1):
        kept = backwards.channels[:k]
        without = {channel: cost(group, np.setdiff1d(kept, [channel])) for channel in kept}
        assert min(without, key=without.__getitem__) == kept[-1]
    for k in range(channels):
        kept = forwards.channels[:k]
        others = np.setdiff1d(np.arange(channels), kept)
        added = {channel: cost(group, np.append(kept, channel)) for channel in others}
        assert min(added, key=added.__getitem__) == forwards.channels[k]


@pytest.mark.parametrize("group", GROUPS)
def test_no_exchange_of_one_channel_is_better_than_swapped(group: list[Consumer]) -> None:
    channels = len(group[0].columns)
    for begin in combinations(range(channels), 2):
        kept = swapped(group, np.array(begin))
        outside = np.setdiff1d(np.arange(channels), kept)
        least = cost(group, kept)
        assert least <= cost(group, np.array(begin)) + 1e-9
        for out in kept:
            for into in outside:
                other = np.append(kept[kept != out], into)
                assert cost(group, other) >= least - 1e-6


def test_of_blocks_as_many_channels_each_are_kept() -> None:
    group, block = GROUPS[1], np.arange(6) // 3
    order = in_blocks(group, leaving(group), 2)
    for k in (0, 2, 4, 6):
        kept = order.channels[:k]
        assert np.bincount(block[kept], minlength=2).tolist() == [k // 2] * 2
        assert order.costs[k] == pytest.approx(cost(group, np.sort(kept)))
        best = swapped(group, kept, blocks=2)
        assert np.bincount(block[best], minlength=2).tolist() == [k // 2] * 2
        assert cost(group, best) <= order.costs[k] + 1e-9
    # one more than a multiple is of no use
    assert order.costs[3] == order.costs[2]
    for one in range(2):
        expected = [c for c in leaving(group).channels if block[c] == one]
        assert [c for c in order.channels if block[c] == one] == expected


def test_a_dead_channel_costs_nothing_at_all() -> None:
    one = drawn(7, 6)
    covariance = one.covariance.copy()
    covariance[one.columns[2]], covariance[:, one.columns[2]] = 0, 0
    group = [one._replace(covariance=covariance)]
    assert cost(group, np.array([0, 1, 3, 4, 5])) < 1e-15
    assert leaving(group).costs[5] < 1e-15


def test_many_channels_leave_several_at_once_but_not_what_stands_in_for_each_other() -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((2000, 150)) @ random.standard_normal((150, 150))
    rows = np.concatenate([rows, rows], 1)  # each of them twice
    kernel = random.standard_normal((300, 40))
    one = Consumer(np.cov(rows, rowvar=False), kernel @ kernel.T, np.arange(300)[:, None])
    order = leaving([one])
    assert sorted(order.channels) == list(range(300))
    assert sorted(order.channels[:150] % 150) == list(range(150))
    assert order.costs[150] <= 1e-4
    assert (np.diff(order.costs) <= 0).all()
    for k in (30, 64, 100, 140):
        assert order.costs[k] == pytest.approx(cost([one], order.channels[:k]), rel=0.05)


def test_forward_selection_stops_where_it_is_told_to() -> None:
    order = entering(GROUPS[0], most=2)
    assert np.isfinite(order.costs).tolist() == [True] * 3 + [False] * 4
    np.testing.assert_array_equal(order.channels[:2], entering(GROUPS[0]).channels[:2])


@given(st.integers(0, 2**16), st.integers(2, 12), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_spare_channels_leave_first_and_cost_nothing(seed: int, real: int, spare: int) -> None:
    random = np.random.default_rng(seed)
    rows = random.standard_normal((500, real))
    # dead, copied, and linear combinations
    more = np.concatenate(
        [rows @ random.standard_normal((real, spare)), rows[:, :1], 0 * rows[:, :1]], 1
    )
    rows = np.concatenate([rows, more], 1)
    count = rows.shape[1]
    kernel = random.standard_normal((count, 4))
    one = Consumer(np.cov(rows, rowvar=False), kernel @ kernel.T, np.arange(count)[:, None])
    order = leaving([one])
    assert order.costs[real] <= 1e-4
    kept = np.sort(order.channels[:real])
    stood = stand_in(one.covariance, rows.mean(0), one.gram, kept, len(rows))
    outputs = rows @ kernel
    found = rows[:, kept] @ (stood.matrix @ kernel) + stood.offset @ kernel
    assert np.abs(found - outputs).max() <= 1e-2 * np.abs(outputs).max()
    assert stood.lost <= 1e-4


def test_what_stands_in_is_least_squares_with_the_mean() -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((2000, 6)) @ random.standard_normal((6, 6)) + 5
    kernel = random.standard_normal((6, 3))
    kept = np.array([1, 2, 4])
    stood = stand_in(np.cov(rows, rowvar=False), rows.mean(0), kernel @ kernel.T, kept, len(rows))
    found = rows[:, kept] @ stood.matrix + stood.offset
    design = np.concatenate([rows[:, kept], np.ones((len(rows), 1))], 1)
    best = design @ np.linalg.lstsq(design, rows, rcond=None)[0]
    np.testing.assert_allclose(found, best, atol=0.02 * rows.std())
    np.testing.assert_allclose(found[:, kept], rows[:, kept], rtol=1e-12)
    lost = np.var((rows - found) @ kernel, axis=0).sum() / np.var(rows @ kernel, axis=0).sum()
    assert stood.lost == pytest.approx(lost, rel=1e-2)


def test_with_few_rows_less_is_believed() -> None:
    random = np.random.default_rng(0)
    truth = random.standard_normal((20000, 12)) @ random.standard_normal((12, 12))
    kernel, kept = random.standard_normal((12, 2)), np.arange(6)
    gram = kernel @ kernel.T
    worse = []
    for begin in range(0, 20000, 8):
        few = truth[begin : begin + 8]
        own = stand_in(np.cov(few, rowvar=False), few.mean(0), gram, kept, len(few))
        plain = np.zeros_like(own.matrix)
        design = few[:, kept] - few[:, kept].mean(0)
        plain[:] = np.linalg.lstsq(design, few - few.mean(0), rcond=None)[0]
        errors = [
            np.mean(((truth - truth.mean(0) - (truth - truth.mean(0))[:, kept] @ m) @ kernel) ** 2)
            for m in (own.matrix, plain)
        ]
        worse.append(errors[0] > errors[1])
        if len(worse) == 60:
            break
    assert np.mean(worse) < 0.25


def test_few_rows_are_not_taken_for_spare_channels() -> None:
    random = np.random.default_rng(0)
    truth = random.standard_normal((4000, 24)) @ random.standard_normal((24, 24))
    gram, columns = np.eye(24), np.arange(24)[:, None]
    known = Consumer(np.cov(truth, rowvar=False), gram, columns)
    few = Consumer(np.cov(truth[:16], rowvar=False), gram, columns, rows=16)
    plain, order = leaving([few]), beyond_rows([few], leaving([few]))
    assert plain.costs[15] < 1e-5  # as if fifteen were enough
    assert np.isnan(order.costs[15:24]).all()
    assert order.costs[24] == plain.costs[24]
    # nearer to what is lost of all that these were drawn from
    kept = [3, 6, 9, 12]
    expected = np.array([cost([known], np.sort(order.channels[:k])) for k in kept])
    errors = [np.abs(np.log(one.costs[kept] / expected)).sum() for one in (plain, order)]
    assert errors[1] < 0.5 * errors[0]
    many = known._replace(rows=4000)
    np.testing.assert_allclose(
        beyond_rows([many], leaving([many])).costs, leaving([many]).costs, 1e-2
    )

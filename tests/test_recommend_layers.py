"""When a layer's rank has settled, and which readings tell."""

import numpy as np
import pytest

from nasmon.analysis.recommend.layers import has_settled, recent_layers
from tests.planted_runs import planted_run, wide_chain

NAN = float("nan")


@pytest.mark.parametrize(
    ("ranks", "channels", "share", "settled"),
    [
        ([8, 9, 8], 5, 0.1, True),  # one channel is always allowed
        ([8, 10, 8], 5, 0.1, False),
        ([8, 10, 8], 20, 0.1, True),
        ([8, 10, 8], 19, 0.1, False),
        ([8, 15, 8], 70, 0.1, True),
        ([0, 29, 0], 100, 0.29, True),  # 0.29 * 100 is a hair below 29
        ([0, 30, 0], 100, 0.29, False),
        ([8, 8], 16, 0.1, None),
        ([8], 16, 0.1, None),
        ([NAN, 8, 8], 16, 0.1, False),
        ([NAN, NAN, NAN], 16, 0.1, None),
    ],
)
def test_a_rank_may_move_by_a_share_of_the_channels(ranks, channels, share, settled):
    assert has_settled(np.array(ranks, np.float64), channels, share) is settled


@pytest.mark.parametrize(
    ("readings", "counted"),
    [(1, 1), (4, 4), (5, 5), (50, 5), (51, 6), (120, 12), (2000, 200), (2100, 200)],
)
def test_the_last_five_readings_or_the_last_tenth_are_counted(tmp_path, readings, counted):
    run = planted_run(tmp_path, wide_chain(16, 1), [8, 1], readings, spectra=False)
    layers, notes = recent_layers(run, 0.1)
    assert [len(layer.needs) for layer in layers] == [counted, counted]
    assert notes == []


@pytest.mark.parametrize(("back", "settled"), [(5, False), (6, True)])
def test_only_the_last_readings_count(tmp_path, back, settled):
    ranks = [[8, 1] for _ in range(12)]
    ranks[-back] = [16, 1]
    layers, _ = recent_layers(planted_run(tmp_path, wide_chain(16, 1), ranks), 0.1)
    assert layers[0].settled is settled

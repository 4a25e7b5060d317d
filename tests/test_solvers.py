"""Which layers share a batch of eigenvalue problems, and what is done with those of each kind."""

import numpy as np
import pytest
import tensorflow as tf

from nasmon.kernels.devices import CPU, GPU, Device
from nasmon.kernels.solvers import Batch, batches_of, solver_of

DEVICES = pytest.mark.parametrize("device", [CPU, GPU], ids=lambda device: device.name)


def test_narrow_layers_share_batches_as_wide_as_the_widest() -> None:
    batches = batches_of([3, 16, 20, 100, 1], [None] * 5)
    assert batches == (Batch(32, (0, 1, 2, 4)), Batch(112, (3,)))


def test_a_small_network_is_not_padded_far() -> None:
    assert batches_of([4, 8, 1], [None] * 3) == (Batch(16, (0, 1, 2)),)


def test_every_layer_is_in_one_batch() -> None:
    channels = [1, 16, 64, 65, 128, 129, 200, 256, 1280, 5000]
    batches = batches_of(channels, [None] * len(channels))
    assert sorted(i for batch in batches for i in batch.members) == list(range(len(channels)))
    assert all(batch.width >= channels[i] for batch in batches for i in batch.members)


def test_rows_are_kept_where_they_are_fewer_than_channels_and_the_layer_is_wide() -> None:
    channels, rows = [960, 960, 320, 960, 64], [288, 288, None, 4000, 10]
    batches = batches_of(channels, rows)
    assert [(g.members, g.rows) for g in batches if g.rows] == [((0, 1), 288)]


@DEVICES
@pytest.mark.parametrize("batch", [Batch(16, (0, 1)), Batch(144, (0, 1)), Batch(144, (0, 1), 40)])
def test_a_kinds_states_merge_into_what_one_of_all_rows_would_be(
    batch: Batch, device: Device
) -> None:
    solver, random = solver_of(batch, device), np.random.default_rng(3)
    chunks = [
        [(tf.constant(random.normal(size=(rows, batch.width)), tf.float32),) for _ in range(2)]
        for rows in (12, 28)
    ]
    given = (
        [[[solver.reduce(m) for m in own] for own in chunk] for chunk in chunks]
        if solver.reduce
        else chunks
    )
    apart = [solver.absorb(solver.init(batch), chunk) for chunk in given]
    joined = solver.merge(*apart)
    whole = solver.absorb(apart[0], given[1])
    spectra = [
        np.linalg.eigvalsh(solver.solve(state)[1].numpy())[:, ::-1] for state in (joined, whole)
    ]
    assert joined.count.numpy().tolist() == [40, 40]
    eps = float(np.finfo(np.float32).eps)
    np.testing.assert_allclose(spectra[0], spectra[1], atol=16 * eps * spectra[0].max())
    rows = np.concatenate([chunk[1][0] for chunk in chunks]).astype(np.float64)
    exact = np.linalg.eigvalsh(np.cov(rows, rowvar=False))[::-1]
    np.testing.assert_allclose(
        spectra[0][1], exact[: spectra[0].shape[1]], atol=16 * eps * exact[0]
    )

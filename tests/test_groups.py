"""Which layers share a batch of eigenvalue problems."""

from nasmon.kernels.groups import WIDEST, Group, groups_of


def test_narrow_layers_share_batches_as_wide_as_the_widest() -> None:
    groups = groups_of([3, 16, 20, 100, 1], [None] * 5)
    assert groups == (Group(32, (0, 1, 2, 4)), Group(112, (3,)))
    assert all(group.is_narrow for group in groups)


def test_a_small_network_is_not_padded_far() -> None:
    assert groups_of([4, 8, 1], [None] * 3) == (Group(16, (0, 1, 2)),)


def test_every_layer_is_in_one_group() -> None:
    channels = [1, 16, 64, 65, 128, 129, 200, 256, 1280, 5000]
    groups = groups_of(channels, [None] * len(channels))
    assert sorted(i for group in groups for i in group.members) == list(range(len(channels)))
    assert all(group.width >= channels[i] for group in groups for i in group.members)
    assert [g.is_narrow for g in groups] == [g.width <= WIDEST for g in groups]


def test_rows_are_kept_where_they_are_fewer_than_channels_and_the_layer_is_wide() -> None:
    channels, rows = [960, 960, 320, 960, 64], [288, 288, None, 4000, 10]
    groups = groups_of(channels, rows)
    assert [(g.members, g.rows) for g in groups if g.rows] == [((0, 1), 288)]

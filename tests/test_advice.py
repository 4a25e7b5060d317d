"""The advice by layer on planted cases, each threshold at its edge from both sides."""

import numpy as np
import pytest

from nasmon.analysis.recommend.widths import rounded
from nasmon.analysis.run import load_run
from nasmon.errors import UsageError
from nasmon.record.files import layers_path, record_path, spectra_path
from tests.planted_runs import (
    advised,
    beside,
    joined,
    layer_of,
    plant_correlations,
    planted_run,
    wide_chain,
)
from tests.recorded import chain

NAN = float("nan")


def test_rank_8_in_16_is_told_8(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 16, 16, 1), [16, 8, 15, 1])
    advice = advised(run)
    layer = layer_of(advice, "conv1")
    narrow = wide_chain(16, 8, 16, 1)
    assert (layer.action, layer.width, advice.widths) == ("narrow", 8, {"conv1": 8})
    assert layer.saving == advice.saving
    assert advice.saving.params == advice.size.params - narrow["params"]
    assert advice.saving.macs == advice.size.macs - narrow["macs"]
    assert layer.lines == (
        "narrow 16 -> 8: rank_99 is 8 of 16 (saves 264 parameters, 31.7 %; 12,288 multiply-adds, "
        "32.7 % of the model)",
    )
    assert [one.action for one in advice.layers] == ["keep", "narrow", "keep", "fixed"]
    assert layer_of(advice, "conv2").lines == ("keep 16: rank_99 is 15 of 16, rounded up",)


def test_savings_together_are_not_the_sum_of_each_alone(tmp_path):
    advice = advised(planted_run(tmp_path, wide_chain(16, 16, 16, 1), [8, 8, 8, 1]))
    narrow = chain((8, 8, 8, 1), inputs=16)
    assert advice.saving.params == advice.size.params - narrow["params"]
    alone = [layer.saving.params or 0 for layer in advice.layers]
    assert sum(alone) > (advice.saving.params or 0)


def test_a_healthy_run_is_left_alone(tmp_path):
    advice = advised(planted_run(tmp_path, wide_chain(32, 16, 1), [32, 15, 1]))
    assert (advice.widths, advice.command, advice.saving) == ({}, None, (0, 0, 0, 0))
    assert [one.action for one in advice.layers] == ["keep", "keep", "fixed"]


@pytest.mark.parametrize(
    ("need", "channels", "round_to", "width"),
    [
        (8, 16, 4, 8),
        (9, 16, 4, 12),
        (13, 16, 4, 16),
        (13, 15, 4, 15),  # never above today's
        (5, 8, 4, 5),  # at most twice the multiple: not rounded
        (5, 9, 4, 8),
        (1, 64, 4, 4),
        (1, 8, 4, 1),
        (0, 8, 4, 1),
        (33, 100, 16, 48),
        (33, 100, 1, 33),
        (2, 2, 1000, 2),
    ],
)
def test_a_need_is_rounded_up_to_a_width(need, channels, round_to, width):
    assert rounded(need, channels, round_to) == width


def test_a_width_in_groups_is_a_multiple_of_their_number():
    assert (rounded(9, 24, 4, 6), rounded(5, 12, 1, 3), rounded(5, 8, 4, 2)) == (12, 6, 6)


def test_the_outputs_width_is_never_touched(tmp_path):
    advice = advised(planted_run(tmp_path, wide_chain(16, 16), [16, 1]))
    layer = layer_of(advice, "conv1")
    assert (layer.action, layer.width, advice.widths) == ("fixed", 16, {})
    assert "the model's output, which the task sets" in layer.lines[0]


def test_widths_that_are_added_are_decided_by_the_largest(tmp_path):
    advice = advised(planted_run(tmp_path, joined(), [4, 8, 16, 2]))
    assert advice.widths == {"a": 8, "b": 8}
    first, second = layer_of(advice, "a"), layer_of(advice, "b")
    assert (first.action, first.width, second.action, second.width) == ("narrow", 8, "fixed", 16)
    assert first.lines[0].startswith("narrow 16 -> 8: rank_99 is 8 of 16 in b (saves 384 para")
    assert first.lines[1] == "shares its width with b: they change together"
    assert second.lines == ("follows a, 16 -> 8",)
    assert (second.saving.params, first.saving.params) == (0, 3 * 8 * 16)
    assert "--widths 8 8 16 " in (advice.command or "")


def test_a_fixed_owner_fixes_all_that_are_added_to_it(tmp_path):
    advice = advised(planted_run(tmp_path, joined(b="attention"), [4, 8, 16, 2]))
    assert advice.widths == {}
    assert layer_of(advice, "a").lines[0] == "its width is bound by attention"
    assert layer_of(advice, "b").lines == ("its width is bound by attention",)


def test_an_owner_that_was_not_watched_is_named(tmp_path):
    record = joined()
    del record["layers"][1]
    layer = layer_of(advised(planted_run(tmp_path, record, [8, 16, 2])), "a")
    assert (layer.action, layer.width) == ("narrow", 8)
    assert layer.lines[1] == "shares its width with b, which was not watched"


def test_where_the_owner_was_not_watched_the_first_layer_of_its_width_speaks(tmp_path):
    record = wide_chain(16, 16, 1)
    record["layers"][1] |= {"name": "depthwise", "widths": [["conv0", 1]], "tied_to": "conv0"}
    del record["layers"][0]
    advice = advised(planted_run(tmp_path, record, [8, 1]))
    layer = layer_of(advice, "depthwise")
    assert (layer.action, layer.width, advice.widths) == ("narrow", 8, {"conv0": 8})
    assert layer.lines[1] == "shares its width with conv0, which was not watched"


@pytest.mark.parametrize(
    ("rank", "widths"),
    [
        (32, {}),
        (29, {}),  # 22 of 24 and 8 of 8: neither can go
        (28, {"b": 7}),  # 21 of 24 and 7 of 8
        (20, {"a": 16, "b": 5}),  # 15 of 24 and 5 of 8
        (4, {"a": 4, "b": 2}),  # their own ranks, 3 and 2
    ],
)
def test_widths_side_by_side_owe_their_share_of_the_rank(tmp_path, rank, widths):
    advice = advised(planted_run(tmp_path, beside(), [3, 2, rank, 2]))
    assert advice.widths == widths
    layer = layer_of(advice, "depthwise")
    assert layer.action == "fixed"
    assert layer.lines[0].startswith("follows a")


def test_a_share_of_a_rank_is_explained(tmp_path):
    advice = advised(planted_run(tmp_path, beside(), [3, 2, 20, 2]))
    assert (
        layer_of(advice, "a")
        .lines[0]
        .startswith(
            "narrow 24 -> 16: rank_99 is 20 of 32 in depthwise, its share of these 24 is 15 (saves"
        )
    )
    assert layer_of(advice, "depthwise").lines == ("follows a, 24 -> 16; and b, 8 -> 5",)


@pytest.mark.parametrize(
    ("channels", "inputs", "rank", "action"),
    [
        (16, 3, 3, "limited"),
        (16, 3, 1, "limited"),  # nearer to the limit than a settled rank may move
        (16, 12, 12, "limited"),
        (16, 12, 10, "limited"),
        (16, 12, 9, "narrow"),
        (16, 16, 9, "narrow"),
    ],
)
def test_a_rank_that_the_input_limits_is_no_waste(tmp_path, channels, inputs, rank, action):
    record = chain((channels, 16, 1), inputs=inputs)
    layer = layer_of(advised(planted_run(tmp_path, record, [rank, 16, 1])), "conv0")
    assert layer.action == action
    if action == "limited":
        assert layer.width == channels
        assert layer.lines == (
            f"keep {channels}: rank_99 is {rank} of {channels} where its input allows at most "
            f"{inputs}: the input limits it, this is no waste",
        )


def test_a_limited_layer_is_told_so_where_only_widths_side_by_side_lie_behind(tmp_path):
    record = beside(b={"rank_limit": 3})
    record["layers"] = [record["layers"][index] for index in (2, 0, 1, 3)]
    advice = advised(planted_run(tmp_path, record, [32, 24, 3, 2]))
    assert layer_of(advice, "b").action == "limited"
    assert layer_of(advice, "b").lines[0].startswith("keep 8: rank_99 is 3 of 8 where its input")


def test_the_layer_behind_decides_where_the_input_limits_the_rank(tmp_path):
    record = chain((16, 16, 1))
    record["layers"][1] |= {"name": "depthwise", "widths": [["conv0", 1]], "tied_to": "conv0"}
    layer = layer_of(advised(planted_run(tmp_path, record, [3, 7, 1])), "conv0")
    assert (layer.action, layer.width, layer.rank_limit) == ("narrow", 8, 3)
    assert layer.lines[0].startswith("narrow 16 -> 8: rank_99 is 7 of 16 in depthwise")
    assert "rank_99 of conv0 is 3 where its input allows at most 3: no waste" in layer.lines[1]


def test_an_unsettled_layer_is_told_to_train_longer(tmp_path):
    ranks = [[16, 8, 1]] * 10 + [[16, 11, 1]] * 2
    layer = layer_of(advised(planted_run(tmp_path, wide_chain(16, 16, 1), ranks)), "conv1")
    assert (layer.action, layer.width, layer.settled) == ("wait", 16, False)
    assert layer.lines == (
        "rank_99 still moved from 8 to 11 over the last 5 readings: train longer before cutting",
    )


def test_an_unsettled_layer_holds_up_all_of_its_width(tmp_path):
    ranks = [[8, 4, 16, 2]] * 10 + [[8, 9, 16, 2]] * 2
    layer = layer_of(advised(planted_run(tmp_path, joined(), ranks)), "a")
    assert (layer.action, layer.settled) == ("wait", True)
    assert layer.lines[0].startswith(
        "rank_99 still moved from 4 to 9 over the last 5 readings in b"
    )


@pytest.mark.parametrize(
    ("readings", "count"), [(1, "1 reading is"), (2, "2 readings are"), (3, None)]
)
def test_too_few_readings_are_no_ground_to_cut(tmp_path, readings, count):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [16, 8, 1], readings)
    layer = layer_of(advised(run), "conv1")
    if count is None:
        assert (layer.action, layer.settled) == ("narrow", True)
    else:
        assert (layer.action, layer.settled) == ("wait", None)
        assert layer.lines[0].startswith(f"{count} too few to tell whether rank_99 has settled")


@pytest.mark.parametrize(("rows", "action"), [(160, "narrow"), (159, "weak"), (1, "weak")])
def test_too_few_rows_are_a_weak_estimate(tmp_path, rows, action):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [16, 8, 1], rows=[9999, rows, 9999])
    layer = layer_of(advised(run), "conv1")
    assert layer.action == action
    if action == "weak":
        assert layer.lines == (
            f"no advice: {rows} rows for 16 channels are a weak estimate (at least 160 would do); "
            "give the monitor more samples",
        )
    assert layer_of(advised(run, rows_per_channel=1.0 / 16), "conv1").action == "narrow"


@pytest.mark.parametrize(
    ("trace", "why"),
    [(0.0, "the activations never vary"), (NAN, "the activations are not finite")],
)
def test_an_undefined_layer_is_told_why(tmp_path, trace, why):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [16, NAN, 1], trace=[1, trace, 1])
    layer = layer_of(advised(run), "conv1")
    assert (layer.action, layer.settled, layer.lines) == ("undefined", None, (f"no advice: {why}",))


def test_an_undefined_layer_undefines_all_of_its_width(tmp_path):
    run = planted_run(tmp_path, joined(), [4, NAN, 16, 2], trace=[1, 0, 1, 1])
    advice = advised(run)
    assert layer_of(advice, "a").action == "undefined"
    assert layer_of(advice, "a").lines[0] == "no advice: the activations never vary in b"
    assert layer_of(advice, "b").lines == (
        "follows a",
        "its rank is not defined: the activations never vary",
    )


def correlated(channels, *pairs):
    matrix = np.eye(channels)
    for first, second, value in pairs:
        matrix[first, second] = matrix[second, first] = value
    return matrix


def test_near_duplicates_are_named_strongest_first(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [16, 16, 1])
    matrix = correlated(16, (0, 1, 0.985), (2, 9, -0.999), (4, 5, 0.9799), (6, 7, 0.98))
    plant_correlations(run, 1, matrix)
    layer = layer_of(advised(run), "conv1")
    assert [(one.first, one.second) for one in layer.duplicates] == [(2, 9), (0, 1), (6, 7)]
    assert layer.duplicates[0].correlation == pytest.approx(-0.999)
    assert layer.lines[1] == (
        "near-duplicate channels 2 and 9 (R -0.999), 0 and 1 (R 0.985), 6 and 7 (R 0.980): "
        "abs(R) is at least 0.98, one of each pair adds little"
    )
    assert not layer_of(advised(run, near_duplicate=0.9991), "conv1").duplicates


def test_of_many_duplicates_the_first_five_are_named_and_a_hundred_kept(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [16, 16, 1])
    plant_correlations(run, 1, np.full((16, 16), 0.99))
    layer = layer_of(advised(run), "conv1")
    assert (len(layer.duplicates), layer.duplicate_pairs) == (100, 120)
    assert layer.lines[1].count("(R 0.990)") == 5
    assert "and 115 more pairs" in layer.lines[1]


def test_dead_channels_are_named_by_index(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [16, 14, 1], dead_channels=[0, 2, 0])
    matrix = correlated(16)
    matrix[[3, 7], :] = matrix[:, [3, 7]] = NAN
    plant_correlations(run, 1, matrix)
    layer = layer_of(advised(run), "conv1")
    assert layer.dead_indices == (3, 7)
    assert layer.lines[1] == "dead channels 3 and 7 can go outright: they never change"


def test_dead_channels_are_counted_where_the_spectra_are_of_another_reading(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [16, 14, 1], dead_channels=[0, 1, 0])
    layer = layer_of(advised(run), "conv1")
    assert layer.dead_indices == ()
    assert layer.lines[1] == "1 dead channel can go outright: it never changes"


@pytest.mark.parametrize(
    ("record", "name", "line"),
    [
        (
            joined(),
            "b",
            "1 dead channel can go where the same one is dead in a: it never changes",
        ),
        (
            joined(),
            "d",
            "1 dead channel cannot go, for the width is fixed: it never changes",
        ),
        (
            beside(),
            "depthwise",
            "1 dead channel can go with what goes into it from a and b: it never changes",
        ),
    ],
)
def test_what_stands_in_the_way_of_a_dead_channel_is_said(tmp_path, record, name, line):
    dead = [int(layer["name"] == name) for layer in record["layers"]]
    ranks = [layer["channels"] for layer in record["layers"]]
    run = planted_run(tmp_path, record, ranks, dead_channels=dead)
    assert layer_of(advised(run), name).lines[-1] == line


def test_without_the_structure_ranks_still_tell_widths_but_no_savings(tmp_path):
    record = wide_chain(16, 16, 16, 1)
    record["structure"] = None
    for layer in record["layers"]:
        layer["widths"] = []
    record["layers"][1]["tied_to"] = "conv0"
    advice = advised(planted_run(tmp_path, record, [4, 8, 5, 1]))
    assert advice.widths == {"conv0": 8, "conv2": 8}
    assert advice.saving == (None,) * 4
    assert layer_of(advice, "conv0").lines == ("narrow 16 -> 8: rank_99 is 8 of 16 in conv1",)
    assert layer_of(advice, "conv1").lines == ("follows conv0, 16 -> 8",)
    assert layer_of(advice, "conv3").action == "fixed"
    assert advice.notes == (
        "the record holds no structure of this model; savings are not known",
        "the last layer is taken for the output, whose width is not to choose",
    )
    assert "--widths 8 16 8 " in (advice.command or "")


def test_without_the_structure_widths_side_by_side_are_told_by_their_names(tmp_path):
    record = {**beside(), "structure": None}
    advice = advised(planted_run(tmp_path, record, [3, 2, 20, 2]))
    assert advice.widths == {"a": 16, "b": 5}


def test_a_layer_whose_width_could_not_be_followed_is_left_alone(tmp_path):
    advice = advised(planted_run(tmp_path, beside(depthwise={"widths": []}), [24, 8, 4, 2]))
    layer = layer_of(advice, "depthwise")
    assert (layer.action, layer.lines) == ("fixed", ("what its width is made of is not known",))


def test_multiply_adds_that_are_not_known_are_left_out(tmp_path):
    record = {**wide_chain(16, 16, 1), "macs": None}
    advice = advised(planted_run(tmp_path, record, [16, 8, 1]))
    assert advice.saving.macs is None
    assert (
        layer_of(advice, "conv1").lines[0].endswith("(saves 144 parameters, 25.7 % of the model)")
    )


def test_a_csv_alone_gives_no_layers_but_says_why(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 1), [8, 1])
    for path in (layers_path(run.path), record_path(run.path), spectra_path(run.path)):
        path.unlink()
    advice = advised(load_run(run.path))
    assert (advice.layers, advice.command, advice.size.params) == ((), None, None)
    assert [note.split(" is not there")[0] for note in advice.notes] == [
        str(layers_path(run.path)),
        str(record_path(run.path)),
    ]


def test_without_the_record_and_spectra_the_rows_by_layer_still_advise(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [16, 8, 1])
    for path in (record_path(run.path), spectra_path(run.path)):
        path.unlink()
    advice = advised(load_run(run.path))
    assert (advice.widths, advice.command, advice.saving) == ({"conv1": 8}, None, (None,) * 4)
    assert len(advice.notes) == 3


def test_a_reading_that_was_cut_short_gives_way_to_the_one_before(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 16, 1), [[16, 8, 1]] * 11 + [[9, 8, 1]])
    text = layers_path(run.path).read_text()
    layers_path(run.path).write_text(text[:-30])
    run = load_run(run.path)
    advice = advised(run)
    assert [layer.layer for layer in advice.layers] == ["conv0", "conv1", "conv2"]
    assert layer_of(advice, "conv0").rank_99 == 16
    assert "the latest reading lacks some layers" in advice.notes[0]
    assert "is cut off and was left out" in run.notes[0]


def test_older_spectra_are_noted(tmp_path):
    run = planted_run(tmp_path, wide_chain(16, 1), [8, 1])
    with np.load(spectra_path(run.path)) as file:
        arrays = {**file, "latest": np.array([3, 40])}
    np.savez(spectra_path(run.path), **arrays)
    note = "the spectra are those of step 40, the latest reading is of step 120"
    assert advised(load_run(run.path)).notes == (note,)


def test_a_damaged_structure_is_an_error_of_the_user(tmp_path):
    record = joined()
    record["structure"]["owners"][2]["tied_to"] = "gone"
    with pytest.raises(UsageError, match="'b' is tied to 'gone'|'a' is tied to 'gone'"):
        advised(planted_run(tmp_path, record, [8, 8, 8, 2]))

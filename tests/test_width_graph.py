"""The widths of a model: what is tied, and what other widths cost, against models so built."""

import json

import pytest

from nasmon.errors import UsageError
from nasmon.record.run import read_record
from nasmon.widths.graph import Cost, Owner, groups_of
from nasmon.widths.objectives import OBJECTIVES, Amounts, savings, sizes, totals
from tests.recorded import chain


@pytest.fixture
def record_of(tmp_path):
    def read(tree):
        path = tmp_path / "run.json"
        path.write_text(json.dumps(tree))
        return read_record(path)

    return read


def owner(name, channels=8, tied_to="", fixed_by=""):
    return {"name": name, "channels": channels, "tied_to": tied_to, "fixed_by": fixed_by}


def cost(layer, inputs, outputs, params=(0, 0, 0, 0), macs=(0, 0, 0, 0)):
    keys = ("in_out", "in", "out", "fixed")
    return {
        "layer": layer,
        "inputs": inputs,
        "outputs": outputs,
        "params": dict(zip(keys, params, strict=True)),
        "macs": dict(zip(keys, macs, strict=True)),
    }


def of_model(owners, costs, params, macs):
    tree = chain((4,))
    tree["structure"] = {"owners": owners, "costs": costs}
    return {**tree, "params": params, "macs": macs}


def test_nothing_changes_without_other_widths(record_of):
    record = record_of(chain((16, 32, 64, 16, 1)))
    assert totals(record, {}) == totals(record, {"conv1": 32}) == sizes(record)
    assert sizes(record)[:2] == (record.params, record.macs)


@pytest.mark.parametrize("widths", [(7, 32, 64, 16, 1), (16, 5, 9, 3, 1), (1, 1, 1, 1, 1)])
def test_totals_are_those_of_a_model_built_with_those_widths(record_of, widths):
    record = record_of(chain((16, 32, 64, 16, 1)))
    other = record_of(chain(widths))
    changed = {f"conv{index}": width for index, width in enumerate(widths)}
    assert totals(record, changed) == sizes(other)


def skipping(a, b, c, times=2):
    """x(3) -> a, b; depthwise with bias over a and b side by side; flattened; dense with c units.

    All costs are written out by hand; 10 parameters and 20 multiply-adds are of no layer in costs.
    """
    both = a + b
    owners = [owner("x", 3, fixed_by="input"), owner("a", a), owner("b", b), owner("c", c)]
    costs = [
        cost("a", [["x", 1]], [["a", 1]], (27 * a, 0, a, 0), (270 * a, 0, 0, 0)),
        cost("b", [["x", 1]], [["b", 1]], (3 * b, 0, 0, 0), (30 * b, 0, 0, 0)),
        cost(
            "depthwise",
            [["a", 1], ["b", 1]],
            [["a", 1], ["b", 1]],
            (0, 9 * both, both, 0),
            (0, 90 * both, 0, 0),
        ),
        cost(
            "c",
            [["a", times], ["b", times]],
            [["c", 1]],
            (times * both * c, 0, c, 0),
            (times * both * c, 0, 0, 7),
        ),
    ]
    params = 10 + sum(sum(one["params"].values()) for one in costs)
    macs = 20 + sum(sum(one["macs"].values()) for one in costs)
    return of_model(owners, costs, params, macs)


@pytest.mark.parametrize("widths", [(24, 16, 10), (5, 16, 10), (24, 3, 10), (7, 11, 3)])
def test_concatenated_and_flattened_widths_cost_what_they_are_made_of(record_of, widths):
    record = record_of(skipping(24, 16, 10))
    other = record_of(skipping(*widths))
    assert totals(record, dict(zip("abc", widths, strict=True))) == sizes(other)


def test_multiply_adds_that_are_not_known_stay_so(record_of):
    record = record_of(skipping(24, 16, 10))._replace(macs=None)
    assert totals(record, {"a": 12})[1] is None
    assert totals(record, {"a": 12})[0] == record_of(skipping(12, 16, 10)).params


def test_a_width_that_is_not_known_does_not_grow(record_of):
    tree = of_model([owner("a", 8)], [cost("a", [], [["a", 1]], (800, 0, 8, 5))], 813, 0)
    assert totals(record_of(tree), {"a": 2})[0] == 200 + 2 + 5


def test_big_numbers_stay_exact(record_of):
    huge = 3 * (2**60 + 1)
    tree = of_model([owner("a", 3)], [cost("a", [], [["a", 1]], (huge, 0, 0, 0))], huge, 0)
    assert totals(record_of(tree), {"a": 1})[0] == 2**60 + 1


def test_owners_that_are_tied_are_one_group():
    owners = [
        Owner("a", 8, "", ""),
        Owner("b", 4, "", ""),
        Owner("c", 8, "a", ""),
        Owner("d", 8, "c", ""),
    ]
    first, second = groups_of(owners)
    assert first == ("a", ("a", "c", "d"), 8, "", 1)
    assert second == ("b", ("b",), 4, "", 1)


def test_a_group_is_in_as_many_blocks_as_suit_all_its_owners():
    owners = [Owner("a", 12, "", "", 2), Owner("b", 12, "a", "", 3)]
    assert groups_of(owners)[0].blocks == 6


def test_one_fixed_owner_fixes_its_group():
    owners = [Owner("a", 8, "", ""), Owner("b", 8, "a", "output")]
    assert groups_of(owners)[0].fixed_by == "output"


@pytest.mark.parametrize(
    ("owners", "what"),
    [
        ([Owner("a", 8, "gone", "")], "'a' is tied to 'gone'"),
        ([Owner("a", 8, "b", ""), Owner("b", 8, "a", "")], "'b' is tied to 'a'"),
        ([Owner("a", 8, "", ""), Owner("b", 9, "a", "")], "owners tied to 'a' have 2 different"),
    ],
)
def test_a_structure_that_cannot_be_is_refused(owners, what):
    with pytest.raises(UsageError, match=f"structure of the model is damaged: {what}"):
        groups_of(owners)


def test_a_cost_of_an_unknown_owner_is_refused(record_of):
    record = record_of(chain((4, 2)))
    scalings = dict.fromkeys(("in_out", "in", "out", "fixed"), 1)
    lost = Cost("conv", (("gone", 1),), (), scalings, scalings)
    structure = record.structure._replace(costs=(lost,))
    with pytest.raises(UsageError, match="the cost of 'conv'"):
        totals(record._replace(structure=structure), {})


def test_amounts_are_there_by_the_name_of_their_objective() -> None:
    amounts = Amounts((100, None, None, None))
    assert (amounts.params, amounts.macs, amounts.flash, amounts.ram) == tuple(amounts)
    assert amounts.by_name() == {"params": 100, "macs": None, "flash": None, "ram": None}
    assert list(amounts.by_name()) == [objective.name for objective in OBJECTIVES]
    assert savings(amounts, (60, 7, None, 8)) == (40, None, None, None)
    with pytest.raises(AttributeError, match="no objective is called 'energy'"):
        _ = amounts.energy

"""The page that says what shrinking came to, and its picture."""

from pathlib import Path

import pytest

from bench.shrinking.claims import FIFTHS, LONG, LONG_RIVAL, SHORT, claims, difference
from bench.shrinking.page import TABLE, page
from bench.shrinking.picture import draw
from bench.shrinking.table import rows_of
from bench.shrinking.tasks import TASKS, asked


def row(arm: str, fold: str, after: float, budget: str = "7500") -> dict[str, str]:
    return {
        **{"task": "nano_u", "fold": fold, "arm": arm, "budget": budget, "params": budget},
        **{"before": "0.9", "carried": "0.5", "after": f"{after}"},
        **{"carrying": "1", "training": "1"},
    }


def test_arms_are_held_against_each_other_fold_by_fold() -> None:
    rows = [row("a", "0", 0.5), row("a", "1", 0.7), row("a", "2", 0.1), row("b", "0", 0.4)]
    rows.append(row("b", "1", 0.4))
    found = difference(rows, "a", "b")
    assert found is not None
    # 0.1 and 0.3: a deviation of 0.1414 over the root of two
    assert found == pytest.approx((0.2, 0.1, 2))
    assert str(found) == "+0.2000 ± 0.1000 (2)"
    assert difference(rows, "b", "c") is None
    before = difference(rows, "b", "before")
    assert before is not None
    assert before.mean == pytest.approx(-0.5)
    assert str(difference(rows[:1], "a", "before")) == "-0.4000 (1)"


def test_what_is_claimed_is_what_the_rows_say() -> None:
    rows = []
    for budget, level in (("15000", 0.8), ("7500", 0.7), ("4212", 0.6)):
        for fold, shift in (("0", 0.0), ("1", 0.01)):
            rows += [
                row(SHORT, fold, level + shift, budget),
                row("from scratch", fold, level - 0.1 + 1.1 * shift, budget),
                row("random channels", fold, level + 0.1 + 1.1 * shift, budget),
                row("largest gamma", fold, level - shift, budget),
                row(LONG, fold, level + 0.05 + 1.1 * shift, budget),
                row(LONG_RIVAL, fold, 1 - level + shift, budget),
            ]
    said = claims(rows)
    assert "| from scratch | 3 | 0 | 0 | +0.0995 |" in said
    assert "| random channels | 0 | 0 | 3 | -0.1005 |" in said
    assert "| largest gamma | 0 | 3 | 0 | +0.0100 |" in said
    assert "nano_u -1.00 of 3 sizes" in said
    assert "| nano_u | 7500 | +0.4000 ± 0.0000 (2) | +0.4505 ± 0.0005 (2) | -0.1445" in said
    assert said.count("| nano_u | -0.1950 ± 0.0050 (2) | -0.1445 ± 0.0055 (2) |") == 1


def test_a_budget_is_asked_of_nasmon_as_it_is_called() -> None:
    assert [asked(one) for one in ("7500", "0.25 macs")] == [{"params": 7500}, {"macs": 0.25}]
    fifths = [budget for task in TASKS for budget in task.budgets if budget in FIFTHS]
    assert len(fifths) == len(TASKS)


def test_the_page_and_the_picture_are_those_of_the_table() -> None:
    written = Path("bench/SHRINKING.md").read_text("utf-8")
    assert page(rows_of(TABLE)) in written
    panels = draw(rows_of(TABLE)).axes
    titles = [axes.get_title() for axes in panels if axes.get_title()]
    assert {"nano_u", "ds_cnn", "resnet8", "bu_net"} <= {*titles} <= {task.name for task in TASKS}
    assert all(axes.get_legend() is None for axes in panels[:-1])

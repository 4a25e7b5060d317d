"""The page that says which metric of a layer foretells a harmless cut."""

import numpy as np
import pytest

from bench.shrinking.claims import spearman
from bench.shrinking.foretelling import FORETELLS, PAGE, TABLE, page
from bench.shrinking.table import rows_of


def test_the_rank_correlation_is_that_of_ranks() -> None:
    a = np.array([3.0, 1.0, 2.0, 2.0])
    assert spearman(a, 10 * a) == pytest.approx(1)
    assert spearman(a, -(a**3)) == pytest.approx(-1)
    # by hand: ranks 4, 1, 2.5, 2.5 and 1, 2, 3, 4
    assert spearman(a, np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx(-1.5 / 22.5**0.5)


def test_the_page_ranks_what_foretells_by_its_rank_correlation() -> None:
    random = np.random.default_rng(0)
    rows = []
    for fold in "01":
        for group in range(5):
            fall = random.random()
            row = {name: str(random.random()) for name in FORETELLS}
            row |= {"task": "net", "fold": fold, "group": str(group), "fall": str(fall)}
            rows.append(row | {"rank_99": str(np.exp(fall)), "redundancy": str(-fall)})
    lines = page(rows).splitlines()
    table = [line for line in lines if line.startswith("| ")]
    assert table[0] == "| | net (2) | all |"
    assert table[2] == "| rank_99 | 1.00 (1.00 to 1.00) | 1.00 |"
    assert table[-1] == "| redundancy | -1.00 (-1.00 to -1.00) | -1.00 |"


def test_the_page_is_that_of_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(rows_of(TABLE))

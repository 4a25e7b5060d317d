"""Networks of keras.applications that take too long for the tests: narrowed, read, set up.

``python -m pytest bench/test_applications.py``; TensorFlow's time, not nasmon's, is most of it. The
seconds of setting up go into docs/what-is-supported.md.
"""

from pathlib import Path
from typing import Any

import pytest

from bench.results import command_of, write_section
from bench.test_setup import in_a_process
from bench.trainings import APPLICATIONS
from tests.support import PAGE
from tests.test_narrowing_applications import FIXED_BY, halved
from tests.test_reading_applications import READ, read_and_trained

UNREPEATED = ("InceptionV3", "InceptionResNetV2", "NASNetMobile")
"""Their training on a CPU differs from itself from the first step on, without the monitor too."""

FORETOLD_WITHIN = 2.0
"""What compiling takes is between this share of what was foretold and its inverse."""


@pytest.mark.parametrize("name", sorted(APPLICATIONS.keys() - FIXED_BY.keys()))
def test_a_larger_network_of_half_the_parameters(name: str, tmp_path: Path) -> None:
    fixed = {"normalization"} if name == "EfficientNetV2B0" else set[str]()
    halved(name, fixed, tmp_path)


@pytest.mark.parametrize("name", sorted(APPLICATIONS.keys() - {*READ}))
def test_every_layer_of_a_network_is_read(name: str) -> None:
    read_and_trained(name, repeats=name not in UNREPEATED)


def test_what_setting_up_takes_is_foretold() -> None:
    """Every layer with a kernel is read, and the line of progress is not far off."""
    runs = {name: in_a_process(f"applications.{name}") for name in APPLICATIONS}
    write_table(runs)
    assert not any(run["unread"] for run in runs.values())
    off = {name: run["compiling"] / run["foretold"] for name, run in runs.items()}
    assert all(1 / FORETOLD_WITHIN < ratio < FORETOLD_WITHIN for ratio in off.values()), off


def write_table(runs: dict[str, dict[str, Any]]) -> None:
    """A line for each network."""
    write_section(
        "What networks of keras.applications take",
        command_of(__file__),
        [
            "With random weights and images of so many pixels a side. Every layer with a kernel is "
            "read. Seconds, of one process each on two cores, from the monitor's construction to "
            "the first reading of 32 images, written down; of these, what compiling the kernels "
            "was foretold to take, on a terminal, and took; and once, after the training, finding "
            "out what fewer channels would lose."
        ],
        ("network", "pixels", "layers", "set-up, s", "foretold", "compiling", "at the end, s"),
        [
            (
                *(name, APPLICATIONS[name], run["layers"], f"**{run['counted']:.1f}**"),
                *(f"{run[key]:.1f}" for key in ("foretold", "compiling", "weighing")),
            )
            for name, run in runs.items()
        ],
        PAGE,
    )

"""What all tests share: a quiet TensorFlow, and one browser for those that open a page."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# lines as wide as they can be, on whatever terminal the tests run
os.environ["COLUMNS"] = "100"
# as in an active environment, so that commands to paste begin with python
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")


LONGEST = (
    *("examples", "examples_with_packages"),
    *("train_run", "whole_commands", "identity", "callback", "pictures", "plot", "spectrum"),
    *("run_record", "monitor", "governor", "replicas", "several_machines"),
)
"""Files of tests by the time that they take: begun last, one would keep a lone process busy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first; pytest-xdist hands out files in this order."""
    order = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    assert all(Path(__file__).with_name(f"{name}.py").exists() for name in order)
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[WebDriver]":
    from tests.browser import chromium

    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started

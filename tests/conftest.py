"""What all tests share: a quiet TensorFlow, and one browser for those that open a page."""

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium.webdriver.chrome.webdriver import WebDriver

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# as in an active environment, so that commands to paste begin with python
os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", "")


# before pytest-xdist, which reads the groups in the same hook
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a fixture of their module run in one process, all others anywhere."""
    for item in items:
        shared = getattr(item, "_fixtureinfo", None)
        definitions = shared.name2fixturedefs.values() if shared else ()
        if any(one.scope == "module" for fixtures in definitions for one in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[WebDriver]":
    from tests.browser import chromium

    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started

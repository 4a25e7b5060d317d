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


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[WebDriver]":
    from tests.browser import chromium

    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started

"""A headless Chromium for tests of pages.

With NASMON_SCREENSHOTS=folder, what ``keep`` sees is kept there as pictures.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement


@contextmanager
def chromium(profile: Path) -> Iterator[WebDriver]:
    """A browser with a fresh profile; skips the test where there is none, fails it in CI."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        if os.environ.get("CI"):
            pytest.fail("chromium and chromedriver are not installed, and CI needs them")
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=1500,1100",
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{flag}")
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield started
    finally:
        started.quit()


_VISIT = """
const selector = arguments[0], found = [];
const visit = (root) => {
  for (const element of root.querySelectorAll("*")) {
    if (element.matches(selector)) found.push(element);
    if (element.shadowRoot) visit(element.shadowRoot);
  }
};
visit(document);
"""

_TEXT = """
const text = (node) => {
  if (node.nodeType === Node.TEXT_NODE) return node.data;
  if (["STYLE", "SCRIPT", "TEMPLATE"].includes(node.nodeName)) return "";
  return [...(node.shadowRoot || node).childNodes].map(text).join(" ");
};
return found.map((element) => text(element).replace(/\\s+/g, " ").trim());
"""


def everywhere(browser: WebDriver, selector: str) -> list[WebElement]:
    """The elements that a selector fits, inside web components too."""
    found: list[WebElement] = browser.execute_script(f"{_VISIT} return found;", selector)
    return found


def texts_of(browser: WebDriver, selector: str) -> list[str]:
    """What stands in each of them, in their web components too."""
    found: list[str] = browser.execute_script(_VISIT + _TEXT, selector)
    return found


def keep(browser: WebDriver, name: str) -> None:
    folder = os.environ.get("NASMON_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder) / name))

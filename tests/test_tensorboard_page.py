"""A real TensorBoard shows a run's scalars and histograms in a real browser.

With NASMON_SCREENSHOTS=folder the page is kept there as a picture. The README's was made so, with
NASMON_LOGS the logs of a run and NASMON_LAYER the layer to show.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from urllib.parse import quote

import numpy as np
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from nasmon import Monitor
from tests.browser import keep
from tests.networks import functional, images

pytestmark = pytest.mark.browser
SECONDS_TO_START = 90


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of the real monitor: weights that shrink from reading to reading."""
    folder = tmp_path_factory.mktemp("logs")
    model = functional()
    monitor = Monitor(model, images(32)[0], log_dir=folder / "small")
    for step in range(8):
        monitor.read(10 * step, epoch=step)
        for variable in model.trainable_variables:
            noise = np.random.default_rng(step).normal(scale=0.05, size=variable.shape)
            variable.assign(0.9 * variable + noise)
    return folder


@pytest.fixture(scope="module")
def page(log_dir: Path) -> Iterator[str]:
    """The address of a TensorBoard server on the loopback interface."""
    logs = os.environ.get("NASMON_LOGS", str(log_dir))
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", logs, "--port", "0"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    found: Queue[str] = Queue()

    def read() -> None:
        assert server.stderr is not None
        for line in server.stderr:
            match = re.search(r"(http://\S+)", line.decode())
            if match:
                found.put(match[1])

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield found.get(timeout=SECONDS_TO_START)
    finally:
        server.terminate()
        server.wait(timeout=30)
        reader.join(timeout=30)
        assert server.stderr is not None
        server.stderr.close()


def cards(browser: WebDriver, address: str, *tags: str) -> None:
    """Opens the page of these tags and waits until a card of each has been drawn."""
    pattern = quote(f"^({'|'.join(tags)})$")
    browser.get(f"{address}?tagFilter={pattern}#timeseries")

    def drawn(_: WebDriver) -> bool:
        found = browser.find_elements(By.CSS_SELECTOR, "scalar-card, histogram-card")
        titles = " ".join(card.text for card in found)
        charts = [card.find_elements(By.CSS_SELECTOR, "svg, canvas") for card in found]
        return (
            len(found) == len(tags)
            and all(charts)
            and all(tag.rpartition("/")[2] in titles for tag in tags)
        )

    WebDriverWait(browser, SECONDS_TO_START).until(drawn)


def test_scalars_and_histograms_are_shown(browser: WebDriver, page: str) -> None:
    layer = os.environ.get("NASMON_LAYER", "pointwise1")
    histograms = f"nas_correlations/{layer}", f"nas_eigenvalues/{layer}"
    cards(browser, page, "nas/redundancy_score", "nas/saturation", *histograms)
    keep(browser, "tensorboard.png")
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    # TensorBoard's own pages ask for a font and an icon from elsewhere; nothing else may fail
    assert [e for e in severe if "font" not in e["message"] and "icon" not in e["message"]] == []

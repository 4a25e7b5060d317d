"""A real TensorBoard shows a run's pages in a real browser.

With NASMON_SCREENSHOTS=folder the pages are kept there as pictures. ``make pictures`` makes the
README's so, of the runs under NASMON_LOGS.
"""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import quote

import keras
import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from nasmon.board.tags import HISTOGRAMS
from nasmon.kernels.metric_table import METRIC_NAMES
from tests.browser import everywhere, keep, texts_of
from tests.networks import images, unlimited

pytestmark = pytest.mark.browser
SECONDS_TO_START = 60


def nested() -> keras.Model:
    """A network whose layers' names have slashes."""
    x = inputs = keras.Input((12, 16, 3))
    encoder = keras.Sequential(name="encoder")
    encoder.add(keras.Input((12, 16, 3)))
    encoder.add(keras.layers.Conv2D(8, 3, padding="same", activation="relu", name="conv1"))
    encoder.add(keras.layers.Conv2D(12, 1, activation="relu", name="conv2"))
    x = encoder(inputs)
    return keras.Model(inputs, keras.layers.Conv2D(1, 1, name="head")(x), name="nested")


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short runs under the real callback, one of them beside Keras's own."""
    folder = tmp_path_factory.mktemp("logs")
    data = images(32)
    for name, rate in (("slow", 0.001), ("fast", 0.01)):
        model = nested()
        model.compile(
            keras.optimizers.Adam(rate), keras.losses.BinaryCrossentropy(True), metrics=["mae"]
        )
        callbacks: list[Any] = [unlimited(data, log_dir=folder / name, on_error="raise")]
        if name == "fast":
            callbacks.append(keras.callbacks.TensorBoard(folder / "keras"))
        model.fit(
            *data, validation_data=data, epochs=10, batch_size=8, verbose=0, callbacks=callbacks
        )
    return folder


@pytest.fixture(scope="module")
def page(log_dir: Path) -> Iterator[str]:
    """The address of a TensorBoard server on the loopback interface."""
    # its name alone, for the page shows where the logs are
    logs = Path(os.environ.get("NASMON_LOGS") or log_dir)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", logs.name, "--port", "0"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1"],
        cwd=logs.parent,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
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


def opened(
    browser: WebDriver, address: str, name: str, drawn: Callable[[WebDriver], bool], query: str = ""
) -> None:
    """Opens one of TensorBoard's pages, waits until it is drawn, and keeps a picture of it."""
    # another part behind # alone would load nothing
    browser.get("about:blank")
    browser.get(f"{address}{query}#{name}")
    WebDriverWait(browser, SECONDS_TO_START).until(drawn)
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    # TensorBoard's own pages ask for a font and an icon from elsewhere; nothing else may fail
    assert [e for e in severe if "font" not in e["message"] and "icon" not in e["message"]] == []
    keep(browser, f"{'tensorboard' if name == 'custom_scalars' else name}.png")


def test_time_series_are_grouped_by_metric(browser: WebDriver, page: str) -> None:
    tags = ("nas/saturation", "nas_saturation/encoder/conv1", "nas_eigenvalues/encoder/conv1")
    query = f"?tagFilter={quote(f'^({chr(124).join(tags)})$')}"

    def drawn(_: WebDriver) -> bool:
        # a card of histograms is of one run, a card of scalars of all
        found = everywhere(browser, "scalar-card"), everywhere(browser, "histogram-card")
        charts = everywhere(browser, "scalar-card svg, scalar-card canvas, histogram-card svg")
        return tuple(map(len, found)) == (2, 2) and len(charts) >= 4

    opened(browser, page, "timeseries", drawn, query)
    groups = {one.split(" ")[0] for one in texts_of(browser, "metrics-card-group-toolbar")}
    of_metrics = {f"nas_{name}" for name in (*METRIC_NAMES, *HISTOGRAMS)}
    ours = {group for group in groups if not group.startswith(("epoch_", "evaluation_"))}
    assert ours == {"nas", *of_metrics, "nas_thresholds", "nas_size", "nas_images", "task"}


def test_custom_scalars_has_a_chart_a_question(browser: WebDriver, page: str) -> None:
    cards = "tf-custom-scalar-multi-line-chart-card, tf-custom-scalar-margin-chart-card"

    def drawn(_: WebDriver) -> bool:
        # each chart has found lines of its own
        found = [re.search(r"Matches \(([1-9]\d*)\)", one) for one in texts_of(browser, cards)]
        return len(found) > len(METRIC_NAMES) and all(found)

    opened(browser, page, "custom_scalars", drawn)
    titles = [one.split(" ")[0] for one in texts_of(browser, cards)]
    for name in ("loss", "redundancy_score,", "overhead", *METRIC_NAMES):
        assert name in titles
    categories = texts_of(browser, "tf-category-paginated-view")
    for name in ("The task and the widths", "The network against thresholds", "Every layer"):
        assert [one for one in categories if one.startswith(name)]
    margins = texts_of(browser, "tf-custom-scalar-margin-chart-card")
    assert sorted(one.split(" ")[0] for one in margins) == ["correlation_mean", "redundancy_score"]


def test_text_has_facts_and_findings(browser: WebDriver, page: str) -> None:
    def drawn(_: WebDriver) -> bool:
        # of each run's findings two, and of its facts three
        return len(everywhere(browser, "table")) == 2 * (2 + 3)

    opened(browser, page, "text", drawn)
    told = " ".join(texts_of(browser, "h1, h2, p, table"))
    for words in ("of 3 layers stand out", "all layers", "Thresholds", "encoder/conv1", "0.01"):
        assert words in told


def test_hparams_compares_the_runs(browser: WebDriver, page: str) -> None:
    def cells() -> list[str]:
        return texts_of(browser, "vaadin-grid-cell-content")

    opened(browser, page, "hparams", lambda _: "0.0010000" in cells())
    table = cells()
    for words in ("learning_rate", "0.010000", "widths", "8 12 1", "model", "nested"):
        assert words in table
    for name in ("val_loss", "val_mae", "params", "redundancy_score", "saturation"):
        assert name in table
    # no column for each of the hundreds of scalars
    assert not [one for one in table if "encoder" in one]


def test_images_are_of_all_layers(browser: WebDriver, page: str) -> None:
    def drawn(_: WebDriver) -> bool:
        pictures = everywhere(browser, "img")
        return len(pictures) == 6 and all(one.get_property("naturalWidth") for one in pictures)

    opened(browser, page, "images", drawn)
    told = " ".join(texts_of(browser, "tf-image-loader"))
    for name in ("redundancy_score", "saturation", "spectrum"):
        assert f"nas_images/{name}" in told


def test_histograms_are_grouped(browser: WebDriver, page: str) -> None:
    def drawn(_: WebDriver) -> bool:
        return len(everywhere(browser, "tf-histogram-loader")) == 12 and bool(
            everywhere(browser, "svg path")
        )

    opened(browser, page, "histograms", drawn)
    told = " ".join(texts_of(browser, "tf-histogram-loader"))
    for layer in ("encoder/conv1", "encoder/conv2", "head"):
        assert f"nas_correlations/{layer}" in told
        assert f"nas_eigenvalues/{layer}" in told

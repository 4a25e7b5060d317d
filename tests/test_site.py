"""The site of the documentation is built without a warning, and loads nothing from elsewhere."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

import nasmon
import nasmon.analysis
import nasmon.train
from tests.browser import chromium, keep

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
pytest.importorskip("material", reason="the extra docs is not installed")

ROOT = Path(__file__).resolve().parent.parent
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href"}
"""What a browser fetches by itself, and where it says from where."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(
        [*map(str, command)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    # links and anchors that lead nowhere are warnings, and strict makes errors of them
    assert done.returncode == 0, done.stderr
    return folder


class Loaded(HTMLParser):
    """The addresses that a page makes a browser fetch."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name == LOADED.get(tag)]


def test_every_page_of_the_repository_is_in_it_and_loads_only_what_is_there(site: Path) -> None:
    for page in (*ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md"), ROOT / "CONTRIBUTING.md"):
        assert (site / page.relative_to(ROOT).with_suffix(".html")).exists(), page
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    for page in pages:
        for address in Loaded(page).addresses:
            assert (page.parent / address.partition("#")[0]).resolve().exists(), (page, address)


@pytest.mark.parametrize("package", [nasmon, nasmon.train, nasmon.analysis])
def test_every_public_name_is_in_the_api(site: Path, package: ModuleType) -> None:
    name = package.__name__
    text = (site / f"api/{name.rpartition('.')[2]}.html").read_text("utf-8")
    missing = [one for one in package.__all__ if f'id="{name}.{one}"' not in text]
    assert missing == []
    # examples are code, not quotations within quotations
    assert "&gt;&gt;&gt; " in text
    assert "<blockquote>" not in text


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.browser
def test_a_reader_finds_a_word(address: str, tmp_path: Path) -> None:
    with chromium(tmp_path) as browser:
        browser.get(f"{address}/index.html?q=bisection")
        wait = WebDriverWait(browser, 30)
        first = wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "a.md-search-result__link"))[
            0
        ]
        keep(browser, "site-search.png")
        browser.get(first.get_attribute("href") or "")
        assert "bisection" in browser.find_element(By.TAG_NAME, "article").text.lower()
        keep(browser, "site-page.png")
        assert [one for one in browser.get_log("browser") if one["level"] == "SEVERE"] == []

"""The report in a real browser: opened as a file, sorted, on a phone, in the dark, without scripts.

With NASMON_SCREENSHOTS=folder the page is kept there as pictures. ``make pictures`` makes that of
the docs so, of the page NASMON_REPORT.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver.chrome.webdriver import WebDriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from nasmon.analysis.report import command
from tests.browser import keep
from tests.pages import IMAGE, SCRIPT, hostile_run
from tests.recorded import chain, write_run

pytestmark = pytest.mark.browser

SIZES = {"phone": (360, 740), "desktop": (1280, 900), "paper": (718, 1000), "window": (1064, 960)}
LEAST_CONTRAST = 4.5

CONTRASTS = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = rgba(getComputedStyle(at).backgroundColor);
    if (color[3] === 255) return color;
  }
  return rgba("white");
};
const light = ([r, g, b]) => {
  const curve = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const linear = [r, g, b].map((c) => curve(c / 255));
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
};
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || element.closest("svg, script, style")) continue;
  const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  found.push([contrast, walker.currentNode.data.trim().slice(0, 40)]);
}
return found;
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of an interrupted run of 60 layers, some called like markup, beside another."""
    folder = tmp_path_factory.mktemp("report")
    path = hostile_run(folder / "x_nas_metrics.csv", status="interrupted")
    earlier = write_run(folder / "earlier.csv", {**chain((16, 32, 1)), "model_name": IMAGE})
    output = folder / "page.html"
    with pytest.raises(SystemExit) as ended:
        command.main([*map(str, ("--csv", path, "--compare", earlier, "--output", output))])
    assert ended.value.code == 0
    return output


@contextmanager
def seen(browser: WebDriver, size: str = "desktop", scheme: str = "light") -> Iterator[None]:
    """A screen of that size and colour scheme."""
    width, height = SIZES[size]
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.fixture
def opened(browser: WebDriver, page: Path) -> WebDriver:
    for log in ("browser", "performance"):
        browser.get_log(log)
    browser.get(page.as_uri())
    return browser


def header(browser: WebDriver, title: str) -> WebElement:
    for found in browser.find_elements(By.CSS_SELECTOR, "table[data-sortable] thead th"):
        if found.text.split("\n")[0].strip(" ↕▲▼") == title:
            return found
    raise AssertionError(title)


def column(browser: WebDriver, title: str) -> list[str]:
    """What a column is sorted by, from top to bottom."""
    return browser.execute_script(
        "const [title] = arguments;"
        "const table = document.querySelector('table[data-sortable]');"
        "const index = [...table.tHead.rows[0].cells].findIndex("
        "  (cell) => cell.textContent.trim() === title);"
        "return [...table.tBodies[0].rows].map((row) => row.cells[index].dataset.value);",
        title,
    )


def numbers(values: list[str]) -> list[float]:
    return [float(value) if value else math.nan for value in values]


def press(browser: WebDriver, title: str) -> None:
    button = header(browser, title).find_element(By.TAG_NAME, "button")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()


def test_it_opens_without_errors_or_requests(opened: WebDriver, page: Path) -> None:
    assert opened.title == f"{IMAGE}: what its layers use"
    assert opened.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    sent = [
        e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in sent if not url.startswith("data:")] == [page.as_uri()]


def test_a_window_shows_the_whole_verdict_at_once(browser: WebDriver, page: Path) -> None:
    given = os.environ.get("NASMON_REPORT")
    with seen(browser, "window"):
        browser.get((Path(given).resolve() if given else page).as_uri())
        _, height = SIZES["window"]
        cards = browser.find_elements(By.CSS_SELECTOR, ".card")
        assert len(cards) == 5
        for card in cards:
            assert card.is_displayed()
            assert card.rect["y"] + card.rect["height"] <= height
        keep(browser, "report.png")


def test_no_name_runs_as_a_script(opened: WebDriver) -> None:
    assert len(opened.find_elements(By.TAG_NAME, "script")) == 1
    assert opened.find_elements(By.TAG_NAME, "img") == []
    assert opened.find_element(By.TAG_NAME, "h1").text.startswith(IMAGE)
    heads = opened.find_elements(By.CSS_SELECTOR, "tbody th")
    assert any(str(head.get_property("textContent")).startswith(SCRIPT) for head in heads)
    # were a name markup after all, the policy would still not let it run
    opened.execute_script(
        "const holder = document.createElement('div');"
        "holder.innerHTML = '<img src=data:, onerror=\"document.title=1\">';"
        "document.body.append(holder);"
        "const script = document.createElement('script');"
        "script.textContent = 'document.title = 2';"
        "document.body.append(script);"
    )
    assert opened.title == f"{IMAGE}: what its layers use"
    blocked = [entry["message"] for entry in opened.get_log("browser")]
    assert any("Content Security Policy" in message for message in blocked)


def test_numbers_sort_as_numbers_with_what_is_undefined_last(opened: WebDriver) -> None:
    assert header(opened, "#").get_attribute("aria-sort") == "ascending"
    assert header(opened, "channels").get_attribute("aria-sort") is None
    before = numbers(column(opened, "correl."))
    assert sum(map(math.isnan, before)) >= 2
    defined = sorted(value for value in before if not math.isnan(value))
    for order, expected in (("ascending", defined), ("descending", defined[::-1])):
        press(opened, "correl.")
        assert header(opened, "correl.").get_attribute("aria-sort") == order
        assert header(opened, "#").get_attribute("aria-sort") is None
        values = numbers(column(opened, "correl."))
        assert values[: len(defined)] == expected
        assert all(map(math.isnan, values[len(defined) :]))
        said = opened.find_element(By.ID, "sort-status").get_attribute("textContent")
        assert said == f"Sorted by correl., {order}."
    press(opened, "saves")
    saved = numbers(column(opened, "saves"))
    assert saved == sorted(saved)
    assert {8.0, 16.0} < set(numbers(column(opened, "channels")))


def test_sorting_keeps_the_order_of_equals(opened: WebDriver) -> None:
    press(opened, "redund.")
    for _ in range(2):
        before = list(zip(column(opened, "channels"), column(opened, "#"), strict=True))
        press(opened, "channels")
        after = list(zip(column(opened, "channels"), column(opened, "#"), strict=True))
        for channels in ("8", "16", "32", "64"):
            assert [b for b in after if b[0] == channels] == [b for b in before if b[0] == channels]
    press(opened, "#")
    assert column(opened, "#") == [str(place) for place in range(1, 61)]


def test_names_sort_with_their_numbers_in_order(opened: WebDriver) -> None:
    press(opened, "layer")
    names = [name for name in column(opened, "layer") if name.startswith("encoder")]
    places = [int(name.rpartition("_")[2]) for name in names]
    assert places == sorted(places)
    press(opened, "what to do")
    todo = column(opened, "what to do")
    assert todo.index("fixed") < todo.index("narrow to 4") < todo.index("narrow to 12")


def test_the_keyboard_is_enough(opened: WebDriver) -> None:
    with seen(opened):
        keys = ActionChains(opened)
        keys.send_keys(Keys.TAB).perform()
        first = opened.switch_to.active_element
        assert first.text == "Skip to the verdict"
        assert first.rect["y"] >= 0
        assert opened.execute_script(
            "return getComputedStyle(arguments[0]).outlineStyle", first
        ) == ("solid")
        keys.send_keys(Keys.ENTER).perform()
        assert opened.switch_to.active_element.tag_name == "main"
        for _ in range(20):
            keys.send_keys(Keys.TAB).perform()
            if opened.switch_to.active_element.text.startswith("channels"):
                break
        assert opened.switch_to.active_element.tag_name == "button"
        for key, order in ((Keys.ENTER, "ascending"), (Keys.SPACE, "descending")):
            keys.send_keys(key).perform()
            assert header(opened, "channels").get_attribute("aria-sort") == order
        values = numbers(column(opened, "channels"))
        assert values == sorted(values, reverse=True)


def test_the_command_is_copied(opened: WebDriver) -> None:
    command = opened.find_element(By.ID, "command-1").text
    button = opened.find_element(By.CSS_SELECTOR, "button[data-copies]")
    button.send_keys(Keys.ENTER)
    status = opened.find_element(By.ID, "copy-1-status")
    assert wait_for(opened, status) == "Copied."
    # without the clipboard, the command is selected and copied the old way
    opened.execute_script(
        "navigator.clipboard.writeText = () => Promise.reject(new Error('denied'));"
        "arguments[0].textContent = '';",
        status,
    )
    button.send_keys(Keys.ENTER)
    assert wait_for(opened, status) in ("Copied.", "Selected; press Ctrl+C to copy.")
    assert opened.execute_script("return getSelection().toString()").strip() == command


def wait_for(browser: WebDriver, element: WebElement) -> str:
    return WebDriverWait(browser, 10).until(lambda _: element.text)


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_screen_and_all_can_be_read(
    browser: WebDriver, page: Path, size: str, scheme: str
) -> None:
    with seen(browser, size, scheme):
        browser.get(page.as_uri())
        for folded in browser.find_elements(By.TAG_NAME, "details"):
            browser.execute_script("arguments[0].open = true", folded)
        width, screen = browser.execute_script(
            "return [document.scrollingElement.scrollWidth, innerWidth]"
        )
        assert width <= screen == SIZES[size][0]
        dark = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, dark[4:-1].split(", "))) < 3 * 64) is (scheme == "dark")
        low = [found for found in browser.execute_script(CONTRASTS) if found[0] < LEAST_CONTRAST]
        assert low == []
        card = browser.find_element(By.CSS_SELECTOR, ".picture")
        assert card.value_of_css_property("background-color") == "rgba(255, 255, 255, 1)"
        for region in browser.find_elements(By.CSS_SELECTOR, ".scroll"):
            assert region.rect["width"] <= SIZES[size][0]
        keep(browser, f"report-{size}-{scheme}.png")


def test_on_a_phone_the_table_scrolls_in_its_own_frame(browser: WebDriver, page: Path) -> None:
    with seen(browser, "phone"):
        browser.get(page.as_uri())
        region = browser.find_element(By.CSS_SELECTOR, ".scroll.tall")
        inside, outside = browser.execute_script(
            "const [region] = arguments; return [region.scrollWidth, region.clientWidth];", region
        )
        assert inside > outside
        # the headings stay in sight while the rows scroll
        distance = browser.execute_script(
            "const [region] = arguments; region.scrollTop = 500;"
            "const top = (element) => element.getBoundingClientRect().top;"
            "return top(region.querySelector('thead th')) - top(region);",
            region,
        )
        assert 0 <= distance < 3
        assert region.get_property("scrollTop") == 500


def test_without_javascript_all_is_there(browser: WebDriver, page: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(page.as_uri())
        assert len(browser.find_elements(By.CSS_SELECTOR, "table[data-sortable] tbody tr")) == 60
        assert browser.find_elements(By.CSS_SELECTOR, "thead button") == []
        assert not browser.find_element(By.CSS_SELECTOR, "button[data-copies]").is_displayed()
        assert all(one.is_displayed() for one in browser.find_elements(By.TAG_NAME, "svg"))
        assert browser.find_element(By.ID, "command-1").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_on_paper_nothing_is_folded_or_cut(opened: WebDriver) -> None:
    with seen(opened, "paper", "dark"):
        dark = [{"name": "prefers-color-scheme", "value": "dark"}]
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": dark})
        opened.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert opened.find_elements(By.CSS_SELECTOR, "details:not([open])") == []
        assert opened.find_elements(By.CSS_SELECTOR, "details[data-folded]") != []
        region = opened.find_element(By.CSS_SELECTOR, ".scroll.tall")
        assert region.value_of_css_property("overflow") == "visible"
        assert region.value_of_css_property("max-height") == "none"
        assert not opened.find_element(By.TAG_NAME, "nav").is_displayed()
        width = opened.execute_script("return document.scrollingElement.scrollWidth")
        assert width <= SIZES["paper"][0]
        assert [one for one in opened.execute_script(CONTRASTS) if one[0] < LEAST_CONTRAST] == []
        opened.execute_script("dispatchEvent(new Event('afterprint'))")
        assert opened.find_elements(By.CSS_SELECTOR, "details[data-folded], details[open]") == []
        opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

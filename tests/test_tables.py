"""One table as plain text, on a terminal, and on a page, whatever stands in its names."""

import html
import io
import re
import sys
from html.parser import HTMLParser
from typing import Any

import keras
import numpy as np
import pytest

import nasmon
from nasmon import Monitor, NASMonitorCallback, Reading
from nasmon.budget import OverheadBudget
from nasmon.html import html_of
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.reading import LayerInfo
from nasmon.rich_print import print_parts
from nasmon.summary import summary_parts
from nasmon.table import Entry, ShownTable, text_of
from nasmon.thresholds import DEFAULT_THRESHOLDS
from tests.networks import tiny

NAMES = ["encoder/block1/attention/query_projection", "encoder/block2/attention/query_projection"]
NAMES += ["head"]
VALUES = {
    **{"redundancy_score": 0.82, "correlation_mean": 0.64, "effective_rank": 234.5},
    **{"rank_99": 1024.0, "saturation": 0.5, "dead_channels": 16.0, "condition_number": 1e8},
}


def reading_of(names: list[str], values: dict[str, float], tied: bool = False) -> Reading:
    """The same metrics of all layers, with the worst of widths."""
    layers = tuple(LayerInfo(name, "Dense", 2048, tied) for name in names)
    metrics = np.array([[values.get(name, 1.0) for name in METRIC_NAMES]] * len(names))
    return Reading(3, 1536, layers, metrics, 32, probe_seconds=0.1, overhead=0.02)


def parts_of(reading: Reading) -> list[Any]:
    return summary_parts([reading], DEFAULT_THRESHOLDS, OverheadBudget(0.05), 0)


class Terminal(io.TextIOWrapper):
    """A stdout that a person looks at."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding)

    def isatty(self) -> bool:
        return True

    def written(self) -> str:
        """All that was printed."""
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)  # type: ignore[attr-defined]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Prints parts on a terminal of some width."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")

    def shown(parts: Any, columns: int = 80, encoding: str = "utf-8") -> str:
        stdout = Terminal(encoding)
        with monkeypatch.context() as patched:
            patched.setenv("COLUMNS", str(columns))
            patched.setattr(sys, "stdout", stdout)
            print_parts(parts)
        return stdout.written()

    return shown


def without_colours(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


@pytest.mark.parametrize("width", [80, 100])
def test_the_summary_fits(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = text_of(parts_of(reading_of(NAMES, VALUES, tied=True))).splitlines()
    assert max(map(len, lines)) <= width
    first, second, head = lines[3:6]
    assert first.startswith("encoder/") or first.startswith("1: ")
    assert first.split()[:2] != second.split()[:2]
    assert head.startswith("head")


def test_a_path_keeps_whole_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = ["encoder/a_very_long_block/conv1", "encoder/a_very_long_block/conv2"]
    text = text_of(parts_of(reading_of(names, VALUES)))
    assert [line.split()[0] for line in text.splitlines()[3:5]] == [
        "encoder/…/conv1",
        "encoder/…/conv2",
    ]


def test_a_narrow_terminal_goes_without_the_saturation_and_a_wide_one_does_not() -> None:
    reading = reading_of(["down1_block1_depthwise"], VALUES)
    narrow, wide = (text_of(parts_of(reading), width) for width in (80, 100))
    assert "down1_block1_depthwise" in narrow
    assert "satur." not in narrow
    assert "satur." in wide


def test_what_is_above_a_threshold_stands_out_and_is_explained() -> None:
    text = text_of(parts_of(reading_of(["conv"], VALUES, tied=True)), 100)
    row = next(line for line in text.splitlines() if line.startswith("conv"))
    assert row.split()[1:] == ["(2048)", "0.82*", "0.64*", "234.5", "1024", "0.50", "16*", "1.0e8*"]
    assert "*: redundant (above 0.7), correlated (above 0.6), dead channels, ill-cond" in text
    assert "(channels): as many as the layer's input has" in text
    calm = {"redundancy_score": 0.2, "correlation_mean": 0.2, "dead_channels": 0}
    assert "*" not in text_of(parts_of(reading_of(["conv"], calm)))


def test_a_layer_of_one_output_is_named() -> None:
    nothing = {name: float("nan") for name in METRIC_NAMES} | {"trace": 0.0}
    text = text_of(parts_of(reading_of(["dead\n"], nothing)))
    assert "constant output: dead\\n" in text


@pytest.mark.parametrize("columns", [60, 80, 130, 200])
def test_a_terminal_gets_colours_and_no_line_too_long(terminal: Any, columns: int) -> None:
    shown = terminal(parts_of(reading_of(NAMES, VALUES)), columns)
    assert "\x1b[1;33m" in shown
    assert "━" in shown or "─" in shown
    assert max(map(len, without_colours(shown).splitlines())) <= max(columns, 80)
    assert ("█" in shown) == (columns >= 130)


@pytest.mark.parametrize("setting", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_none_gets_plain_text(
    terminal: Any, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str]
) -> None:
    monkeypatch.setenv(*setting)
    parts = parts_of(reading_of(NAMES, VALUES))
    assert terminal(parts) == f"{text_of(parts, 80)}\n"


def test_a_terminal_that_cannot_encode_it_gets_plain_text(terminal: Any) -> None:
    shown = terminal(parts_of(reading_of([*NAMES, "köpfe"], VALUES)), encoding="ascii")
    assert "\x1b" not in shown
    assert "k\\xf6pfe" in shown
    assert "1: encode~y_projection" in shown


def test_a_file_gets_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    parts = parts_of(reading_of(NAMES, VALUES))
    print_parts(parts)
    assert capsys.readouterr().out == f"{text_of(parts)}\n"


def test_a_name_is_no_markup_of_a_terminal(terminal: Any) -> None:
    shown = without_colours(terminal(parts_of(reading_of(["[red]x[/red]\x1b[2J"], VALUES)), 120))
    assert "[red]x[/red]\\x1b[2J" in shown


def test_a_plans_reasons_go_on_in_the_next_line(terminal: Any) -> None:
    reason = "its width is held by an operation that mixes channels in a way that is not known here"
    row = (Entry("encoder/block1/conv1"), Entry("64"), Entry(reason))
    shown = terminal([ShownTable(("group", "width", "why"), (row,), texts=(0, 2))], 60)
    lines = without_colours(shown).splitlines()
    assert max(map(len, lines)) <= 60
    assert "encoder/block1/conv1" in shown
    assert " ".join(" ".join(line[29:].split()) for line in lines[2:]).strip() == reason


HOSTILE = '<script>alert("x")</script>&<img src=x onerror=alert(1)>'


class Tags(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text = set[str](), ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


OURS = {"div", "p", "table", "thead", "tbody", "tr", "th", "td", "span", "strong"}


def test_html_shows_a_name_as_it_is() -> None:
    page = Tags(html_of(parts_of(reading_of([HOSTILE], VALUES))))
    assert page.tags <= OURS
    assert HOSTILE in page.text


@pytest.mark.parametrize(("share", "width"), [(0.5, 50), (7.0, 100), (-1.0, 0)])
def test_a_bar_is_as_long_as_the_share(share: float, width: int) -> None:
    page = html_of([ShownTable(("a",), ((Entry("x", share=share),),))])
    assert re.findall(r"width: (\d+)%", page) == [str(width)]


def test_a_monitor_shows_itself_in_a_notebook() -> None:
    model, x = tiny()
    monitor = Monitor(model, x)
    assert "no reading was taken" in monitor._repr_html_()
    monitor.read(step=1)
    page = Tags(monitor._repr_html_())
    assert page.tags <= OURS
    assert all(info.name in page.text for info in monitor.layers)
    assert "nothing was monitored" in NASMonitorCallback()._repr_html_()


def test_a_plan_and_what_came_of_it_show_themselves_in_a_notebook() -> None:
    layers = [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    result = nasmon.shrink(model, (x, x[:, :2]), params=0.5, verbose=False)
    # TensorFlow takes no such names, but a plan may be of weights alone
    groups = (result.plan.groups[0]._replace(leader=HOSTILE), *result.plan.groups[1:])
    result = result._replace(plan=result.plan._replace(groups=groups))
    for shown in (result.plan._repr_html_(), result._repr_html_()):
        page = Tags(shown)
        assert page.tags <= OURS
        assert HOSTILE in page.text
        kept = result.plan.groups[0]
        assert f"width: {100 * kept.width / kept.channels:.0f}%" in shown
    assert html.escape(result.decided_by) in result._repr_html_()
    assert "mae" in result._repr_html_()

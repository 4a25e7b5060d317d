"""What is told on a terminal while something takes long, and that nothing is told elsewhere."""

import io
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from nasmon import Monitor, NASMonitorCallback, plan_widths, progress
from nasmon.errors import UsageError
from nasmon.kernels import compiled as compiled_module
from nasmon.kernels.compiled import forget_kernels
from nasmon.probe import STAGES
from nasmon.progress import Progress
from tests.networks import compiled, functional, images, tiny


class Terminal(io.StringIO):
    """A stderr that a person looks at."""

    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        """The lines as they stand in the end."""
        lines = []
        for written in self.getvalue().split("\n"):
            line = ""
            for part in written.split("\r"):
                line = part + line[len(part) :]
            lines.append(line.rstrip())
        return lines


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Where everything is told at once."""
    shown = Terminal()
    # pytest puts its own in the place of sys.stderr when the test begins
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=shown))
    monkeypatch.setattr(progress, "UNTOLD_SECONDS", 0.0)
    return shown


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds on the clock, which stands still but for what a test adds."""
    seconds = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(perf_counter=lambda: seconds[0]))
    return seconds


def test_stages_replace_one_another_and_end_in_what_they_took(
    terminal: Terminal, now: list[float]
) -> None:
    with Progress("set up for net", stages=2) as shown:
        shown.begin("tracing a model of a long name")
        now[0] += 0.4
        shown.begin("compiling")
        assert terminal.screen == ["nasmon: compiling (2 of 2) ... 0 s"]
        now[0] += 6.1
    assert terminal.screen == ["nasmon: set up for net in 6.5 s (compiling 6.1 s)", ""]
    assert "\rnasmon: tracing a model of a long name (1 of 2) ... 0 s\r" in terminal.getvalue()


def test_the_seconds_go_on_by_themselves(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_TICK", 0.01)
    running = set(threading.enumerate())
    with Progress("done") as shown:
        shown.begin("waiting")
        (clock,) = set(threading.enumerate()) - running
        before = len(terminal.getvalue())
        within_seconds(lambda: len(terminal.getvalue()) > before)
    ended = terminal.getvalue()
    clock.join(timeout=20)
    assert not clock.is_alive()
    assert terminal.getvalue() == ended


def within_seconds(happens: Callable[[], bool]) -> None:
    """Waits for what other threads do."""
    until = time.perf_counter() + 20
    while not happens():
        assert time.perf_counter() < until
        time.sleep(0.01)


def test_of_stages_alike_the_rest_is_foretold(terminal: Terminal, now: list[float]) -> None:
    with Progress("weighed 4 groups", stages=4, alike=True) as shown:
        shown.begin("weighing")
        now[0] += 3
        shown.begin("weighing")
        assert terminal.screen == ["nasmon: weighing (2 of 4) ... 3 s, some 9 s left"]
    assert terminal.screen == ["nasmon: weighed 4 groups in 3.0 s", ""]


def test_a_stage_that_is_foretold_says_what_is_left_until_it_takes_longer(
    terminal: Terminal, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_TICK", 0.01)
    with Progress("set up for net", stages=2) as shown:
        shown.begin("compiling")
        shown.foretell(8.0)
        now[0] += 3
        within_seconds(
            lambda: terminal.screen == ["nasmon: compiling (1 of 2) ... 3 s, some 5 s left"]
        )
        now[0] += 6
        within_seconds(lambda: terminal.screen == ["nasmon: compiling (1 of 2) ... 9 s"])
        # what follows is not foretold
        shown.foretell(8.0)
        shown.begin("following its widths")
        assert terminal.screen == ["nasmon: following its widths (2 of 2) ... 9 s"]


def test_what_fails_leaves_no_line_behind(terminal: Terminal) -> None:
    def work() -> None:
        with Progress("set up") as shown:
            shown.begin("tracing")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert terminal.screen == [""]


def test_a_line_is_no_wider_than_the_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    with Progress("done") as shown:
        shown.begin(f"tracing {'a' * 100}\x1b[2J")
        assert len(terminal.screen[-1]) == 39
    assert "\x1b" not in terminal.getvalue()


@pytest.mark.parametrize("broken", [OSError, ValueError])
def test_a_terminal_that_is_gone_stops_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, broken: type[Exception]
) -> None:
    def fail(text: str) -> int:
        raise broken

    monkeypatch.setattr(terminal, "write", fail)
    with Progress("done") as shown:
        shown.begin("tracing")


def test_what_is_quick_needs_no_words(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=terminal))
    with Progress("done") as shown:
        shown.begin("tracing")
    assert terminal.getvalue() == ""


def test_setting_up_names_its_stages_and_foretells_the_longest(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_TICK", 0.01)
    # whatever the machine, more than is left unsaid
    monkeypatch.setattr(compiled_module, "COMPILING", 1000.0)
    model, x = tiny()
    forget_kernels()
    monitor = Monitor(model, x)
    told = terminal.getvalue()
    layers = len(monitor.layers)
    assert re.search(rf"compiling the kernels of {layers} layers .* s, some \d+ s left", told)
    assert f"tracing {model.name} (2 of {STAGES})" in told
    assert f"timing a reading ({STAGES} of {STAGES})" in told
    assert terminal.screen[0].startswith(f"nasmon: set up for {model.name} in ")


def test_planning_weighs_group_by_group(terminal: Terminal) -> None:
    model = functional()
    plan = plan_widths(model, images(16)[0], params=0.5)
    told = terminal.getvalue()
    free = [group for group in plan.groups if not group.reason]
    assert f"weighing the channels of {free[0].leader} (1 of {len(free)})" in told
    before = len(told)
    plan_widths(model, images(16)[0], params=0.5, verbose=False)
    assert len(terminal.getvalue()) == before


def test_nothing_is_told_of_a_run_that_is_to_be_silent(terminal: Terminal, tmp_path: Path) -> None:
    callback = NASMonitorCallback(log_dir=tmp_path, verbose=0)
    x, y = images(16)
    settings = {"validation_data": (x, y), "epochs": 1, "verbose": 0, "callbacks": [callback]}
    compiled(functional()).fit(x, y, **settings)
    assert len(callback.readings) == 1
    assert terminal.getvalue() == ""


def test_a_run_tells_of_setting_up_and_of_its_end(terminal: Terminal, tmp_path: Path) -> None:
    callback = NASMonitorCallback(log_dir=tmp_path)
    x, y = images(16)
    settings = {"validation_data": (x, y), "epochs": 1, "verbose": 0, "callbacks": [callback]}
    compiled(functional()).fit(x, y, **settings)
    beginning, end, last = terminal.screen
    assert beginning.startswith("nasmon: set up for ")
    assert end.startswith("nasmon: found what fewer channels would lose in ")
    assert last == ""


def test_where_stderr_is_no_terminal_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "UNTOLD_SECONDS", 0.0)
    Monitor(*tiny())
    assert "nasmon" not in capfd.readouterr().err


@pytest.mark.parametrize("verbose", [2, "auto", None])
def test_a_wrong_verbose_is_named(verbose: object) -> None:
    with pytest.raises(UsageError, match="use 0 or 1"):
        NASMonitorCallback(verbose=verbose)  # type: ignore[arg-type]

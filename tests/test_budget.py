"""The budget's rules, with a clock that the test winds."""

import math
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pytest

from nasmon.budget import AFTERMATH, DEFAULT_BUDGET, OverheadBudget, Price


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Training:
    """A training that asks for a reading after each step, on a machine whose speed is given."""

    def __init__(
        self,
        share: float | None = DEFAULT_BUDGET,
        step: Callable[[int], float] = lambda _: 0.1,
        price: Callable[[int], Price] = lambda _: Price(0.004, 0.002),
        most: int = 4,
        fewest: int = 1,
    ) -> None:
        self.clock = Clock()
        self.budget = OverheadBudget(share, self.clock)
        self.budget.learn(price(0))
        self.step, self.price, self.most, self.fewest = step, price, most, fewest
        self.taken: list[int] = []

    def run(self, steps: int, pause: float = 0.0, remaining: bool = False) -> "Training":
        for index in range(steps):
            self.budget.resume()
            self.clock.now += self.step(index)
            self.budget.pause()
            self.clock.now += pause
            left = (steps - 1 - index) * self.step(index) if remaining else None
            last = remaining and index == steps - 1
            self.read(index, left, last)
        return self

    def read(self, index: int, remaining: float | None, last: bool) -> None:
        chunks = self.budget.chunks(self.most, self.fewest, remaining)
        chunks = chunks or (self.fewest if last else 0)
        if chunks:
            price = self.price(index)
            with self.budget.reading():
                self.clock.now += price.of(chunks)
            self.budget.learn(price)
        self.taken.append(chunks)


def test_a_fast_device_reads_whole_at_every_step() -> None:
    ran = Training(price=lambda _: Price(0.0001, 0.0001)).run(50)
    assert ran.taken == [4] * 50
    assert ran.budget.overhead == pytest.approx(0.0005 / 0.1)


def test_a_slow_device_ends_within_the_budget_and_still_reads() -> None:
    ran = Training(price=lambda _: Price(0.04, 0.02)).run(2000)
    assert 0.045 < ran.budget.overhead * (1 + AFTERMATH) <= 0.05
    assert ran.taken.count(0) > 1000
    assert len(ran.taken) - ran.taken.count(0) >= 2000 * 0.1 * 0.05 / 0.18 - 1


def test_fewer_chunks_come_before_waiting() -> None:
    # 5 ms a step is room for one chunk of four and the rest, and for what comes after
    ran = Training(price=lambda _: Price(0.0021, 0.0018)).run(20)
    assert ran.taken == [1] * 20
    assert 0.048 < ran.budget.overhead * (1 + AFTERMATH) <= 0.05


def test_never_fewer_chunks_than_the_estimate_needs() -> None:
    ran = Training(price=lambda _: Price(0.003, 0.002), fewest=3).run(100)
    assert set(ran.taken) == {0, 3, 4}
    assert ran.budget.overhead <= 0.05


@pytest.mark.parametrize("seed", range(5))
def test_jitter_of_the_machine_does_not_break_the_budget(seed: int) -> None:
    rng = np.random.default_rng(seed)
    slow = 1 + 4 * (rng.random(4000) < 0.05) + rng.random(4000)
    ran = Training(
        step=lambda i: 0.05 * slow[i], price=lambda i: Price(0.004 * slow[-i], 0.002 * slow[-i])
    ).run(3000)
    dearest = Price(0.004, 0.002).of(4) * slow.max()
    # one reading that is dearer than the three before it can go over, by itself alone
    assert ran.budget.probe_seconds <= 0.05 * ran.budget.training_seconds + dearest
    assert 0.03 < ran.budget.overhead < 0.052


def test_one_slow_reading_is_paid_for_and_then_forgotten() -> None:
    ran = Training(price=lambda i: Price(1.0, 1.0) if i == 10 else Price(0.0005, 0.0005)).run(3000)
    assert ran.taken[:11] == [4] * 11
    assert ran.budget.overhead <= 0.05
    waited = ran.taken[11:].index(4)
    # 5 s at 5 ms a step, and twice more until the slow one is not among the last three
    assert waited >= 900
    assert set(ran.taken[-500:]) == {4}


def test_room_is_left_for_the_batches_that_a_reading_slows_down() -> None:
    ran = Training(price=lambda _: Price(0.04, 0.02), most=1)
    after = AFTERMATH * 0.06
    ran.step = lambda _: 0.1 + (after if ran.taken and ran.taken[-1] else 0)
    ran.run(2000)
    lost = np.count_nonzero(ran.taken) * (0.06 + after)
    # the batches that were slower are training time too
    assert 0.048 < lost / (2000 * 0.1 + np.count_nonzero(ran.taken) * after) <= 0.05


def test_pauses_of_the_training_are_not_training_time() -> None:
    def training() -> Training:
        # powers of two add up without rounding
        return Training(step=lambda _: 2**-3, price=lambda _: Price(2**-8, 2**-9))

    busy, idle = training().run(200), training().run(200, pause=32.0)
    assert idle.taken == busy.taken
    assert idle.budget.training_seconds == 200 / 8
    assert idle.budget.overhead == busy.budget.overhead


def test_room_is_kept_for_the_last_reading() -> None:
    # ten steps allow 50 ms, which are three readings of 18 ms with nothing left for a fourth
    price = Price(0.004, 0.002)
    ran = Training(price=lambda _: price).run(10, remaining=True)
    assert ran.taken[-1] > 0
    assert ran.budget.overhead <= 0.05


def test_a_last_reading_keeps_no_room_for_another() -> None:
    ran = Training(price=lambda _: Price(0.004, 0.002)).run(9, remaining=True)
    ran.budget.resume()
    ran.clock.now += 10
    ran.budget.pause()
    room = DEFAULT_BUDGET / (1 + AFTERMATH) * ran.budget.training_seconds
    ran.budget.add(room - ran.budget.probe_seconds - 0.019)
    # 19 ms are room for a whole reading of 18
    assert ran.budget.chunks(4, 1, None) == 4
    assert ran.budget.chunks(4, 1, 0.0) == 2


def test_the_last_reading_is_never_dropped() -> None:
    ran = Training(price=lambda _: Price(1.0, 1.0), fewest=2).run(10, remaining=True)
    assert ran.taken == [0] * 9 + [2]


def test_no_budget_is_no_limit() -> None:
    ran = Training(share=None, price=lambda _: Price(1.0, 1.0)).run(10)
    assert ran.taken == [4] * 10
    assert ran.budget.overhead == pytest.approx(50)


def test_setting_up_is_neither_training_nor_reading() -> None:
    clock = Clock()
    budget = OverheadBudget(clock=clock)
    assert math.isnan(budget.overhead)
    budget.resume()
    clock.now += 10
    with budget.setting_up():
        clock.now += 5
    with budget.reading() as elapsed:
        clock.now += 0.5
        assert elapsed() == 0.5
        assert budget.overhead == 0.05
        clock.now += 0.5
    clock.now += 10
    budget.add(1.0)
    assert (budget.setup_seconds, budget.probe_seconds, budget.training_seconds) == (5, 2, 20)
    assert budget.overhead == 0.1
    # what the device did meanwhile was not training, but no more than the clock took for it
    budget.add(2.0, trained=1.5)
    assert (budget.probe_seconds, budget.training_seconds) == (4, 18.5)


def test_a_training_that_was_broken_off_counts_no_further() -> None:
    clock = Clock()
    budget = OverheadBudget(clock=clock)
    budget.resume()
    clock.now += 10
    budget.pause()
    budget.resume()
    clock.now += 3600
    budget.abandon()
    budget.resume()
    clock.now += 1
    assert budget.training_seconds == 11


def test_time_of_a_reading_that_fails_is_counted() -> None:
    clock = Clock()
    budget = OverheadBudget(clock=clock)
    with suppress(RuntimeError), budget.reading():
        clock.now += 2
        raise RuntimeError
    assert budget.probe_seconds == 2


@pytest.mark.parametrize("share", [0, -0.1, float("nan"), "5 %"])
def test_a_share_must_be_above_zero(share: object) -> None:
    with pytest.raises(ValueError, match=r"overhead_budget is .*0\.05 for 5 %"):
        OverheadBudget(share)  # type: ignore[arg-type]

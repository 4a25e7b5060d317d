"""When a reading is due, is retried, and is the last."""

import pytest

from nasmon.schedule import Schedule


def frequent(batch_freq: int = 3) -> Schedule:
    schedule = Schedule("batch", batch_freq)
    schedule.begin_epoch(0)
    return schedule


def test_readings_are_due_every_few_batches_but_for_an_epochs_last() -> None:
    schedule = frequent()
    assert [schedule.after_batch(done, 9) for done in range(1, 10)] == [
        *(None, None, "due"),
        *(None, None, "due"),
        *(None, None, None),
    ]
    # of an epoch whose length is not known, none is the last
    schedule.begin_epoch(1)
    assert schedule.after_batch(3, None) == "due"


def test_one_that_waits_is_retried_until_the_next_is_due() -> None:
    schedule = frequent()
    assert schedule.after_batch(3, 9) == "due"
    schedule.waiting = True
    assert [schedule.after_batch(done, 9) for done in (4, 5, 6)] == ["retry", "retry", "due"]


def test_what_is_left_is_told_from_what_was_done() -> None:
    schedule = frequent()
    assert schedule.remaining(8.0, 2, steps=8, epochs=4) == pytest.approx(8 * 15)
    assert schedule.remaining(0.0, 0, steps=8, epochs=4) is None
    assert schedule.remaining(8.0, 2, steps=8, epochs=None) is None
    schedule.begin_epoch(3)
    assert schedule.ends(4)
    assert schedule.remaining(32.0, None, steps=8, epochs=4) == 0.0


def test_a_resumed_fit_counts_from_its_own_first_epoch() -> None:
    schedule = frequent()
    schedule.begin_fit()
    schedule.begin_epoch(10)
    assert schedule.remaining(5.0, None, steps=8, epochs=12) == pytest.approx(5.0)


def test_an_epochs_last_batch_is_not_read_even_if_one_waits() -> None:
    schedule = frequent()
    schedule.answer(begun=False)
    assert schedule.after_batch(9, 9) is None
    assert schedule.after_batch(8, 9) == "due"


def test_an_epoch_begins_anew_and_a_fit_forgets_what_waited() -> None:
    schedule = frequent()
    assert schedule.after_batch(5, 9) == "due"
    schedule.asked = True
    schedule.begin_epoch(1)
    assert (schedule.asked, schedule.training, schedule.ends(4)) == (False, True, False)
    assert [schedule.after_batch(done, 9) for done in (2, 3)] == [None, "due"]
    schedule.end_epoch()
    schedule.answer(begun=False)
    assert (schedule.training, schedule.waiting) == (False, True)
    schedule.begin_fit()
    assert (schedule.training, schedule.waiting, schedule.first_epoch) == (False, False, None)

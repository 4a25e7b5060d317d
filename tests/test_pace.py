"""What a training says of its length."""

import time

import pytest

from nasmon.train.pace import Pace


def said(epochs: int, seconds: float, monkeypatch, capsys) -> list[str]:
    """What is printed in a training whose second epoch takes so long, and the others ten times."""
    clock = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: clock)
    pace = Pace()
    pace.set_params({"epochs": epochs, "steps": 64})
    pace.on_train_begin()
    for epoch in range(epochs):
        pace.on_epoch_begin(epoch)
        clock += seconds if epoch == 1 else 10 * seconds
        pace.on_epoch_end(epoch)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("epochs", "seconds", "rest"),
    [
        (24, 5.0, ["22 epochs to go: about 2 minutes"]),
        (24, 1.4, ["22 epochs to go: about 30 seconds"]),
        (3, 9000.0, ["1 epoch to go: about 2 hours"]),
        (2, 5.0, []),
        (1, 5.0, []),
    ],
)
def test_the_time_to_go_is_that_of_the_second_epoch(epochs, seconds, rest, monkeypatch, capsys):
    first = f"training: {epochs} epoch{'s' if epochs > 1 else ''} of 64 steps"
    assert said(epochs, seconds, monkeypatch, capsys) == [first, *rest]

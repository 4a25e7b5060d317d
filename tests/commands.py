"""Commands run in the tests' own process, on a small model that was trained for them."""

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from nasmon.train import train


def in_process(
    main: Callable[[Sequence[str]], NoReturn],
    capsys: pytest.CaptureFixture[str],
    *arguments: object,
) -> tuple[Any, str, str]:
    """Runs a command to its end; returns its exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    written = capsys.readouterr()
    return ended.value.code, written.out, written.err


def running_in(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """For a fixture: runs commands in a folder; they return exit code, stdout and stderr."""
    monkeypatch.chdir(folder)
    handler = signal.getsignal(signal.SIGINT)
    yield lambda which, *arguments: in_process(which, capsys, *arguments)
    signal.signal(signal.SIGINT, handler)


def train_small(folder: Path, config: str, epochs: int, **settings: Any) -> None:
    """Trains a small model under ``logs`` by the training command's own function.

    Args:
        folder: to train in.
        config: YAML, in which CACHE stands for a folder of its own.
        epochs: of the training.
        settings: of ``train``.
    """
    (folder / "small.yaml").write_text(config.replace("CACHE", str(folder / "cache")))
    train(
        "nano_u",
        epochs=epochs,
        enable_nas_monitoring=True,
        nas_log_dir=folder / "logs" / "nas",
        output_dir=folder / "logs",
        config=folder / "small.yaml",
        **settings,
    )

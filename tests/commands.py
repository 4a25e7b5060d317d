"""Commands run in the tests' own process."""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest


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

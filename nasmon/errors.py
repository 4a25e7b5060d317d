"""Errors that a user can mend."""


class UsageError(ValueError):
    """A user's mistake; the message is one line that names the value and what would work.

    A command prints it and exits with 2; from Python it is an ordinary ``ValueError``. The monitor
    raises it before training begins, whatever ``on_error`` says: nothing is lost by stopping then.
    """


class RunExistsError(UsageError, FileExistsError):
    """The files of an earlier run are where this run would write."""


def at_least_one(name: str, value: int) -> int:
    """The value of an argument that counts something.

    Raises:
        UsageError: it is below 1.
    """
    if value < 1:
        raise UsageError(f"{name} is {value}; it must be at least 1")
    return value

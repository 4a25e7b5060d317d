"""Errors that a user can mend."""


class UsageError(ValueError):
    """A user's mistake; the message is one line that names the value and what would work.

    A command prints it and exits with 2; from Python it is an ordinary ``ValueError``. The monitor
    raises it before training begins, whatever ``on_error`` says: nothing is lost by stopping then.
    """


class RunExistsError(UsageError, FileExistsError):
    """The files of an earlier run are where this run would write."""


class ProbeDataError(UsageError):
    """The data cannot be probed with; ``fit``'s own may still be good enough to train on."""


def first_line(error: Exception) -> str:
    r"""The first line of what an error says, "" of none.

    Example:
        >>> first_line(ValueError("wrong\nin detail"))
        'wrong'
    """
    return next(iter(str(error).strip().splitlines()), "")

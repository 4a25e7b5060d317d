"""Errors that a user can mend."""


class UsageError(ValueError):
    """A wrong argument; the message names the value and what would work.

    Raised before training begins, whatever ``on_error`` says: nothing is lost by stopping then.
    """


class RunExistsError(UsageError, FileExistsError):
    """The files of an earlier run are where this run would write."""

"""The one error type for values that the user can mend."""


class InputError(ValueError):
    """A value that the user gave cannot be used; the message is one line and says what would work.

    The command line prints it and exits with 2; from Python it is an ordinary ``ValueError``.
    """


class RunExistsError(InputError, FileExistsError):
    """A file of an earlier run is in the way."""

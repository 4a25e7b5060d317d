"""Names, globs and /regular expressions/ that stand for layers."""

import re
from fnmatch import fnmatchcase

from nasmon.errors import UsageError


def matches(selector: str, name: str, given: str = "layers") -> bool:
    """Whether a name, glob or /regular expression/ stands for the layer of that path.

    Args:
        selector: what was given.
        name: the layer's path.
        given: the argument that it was given by, for an error.

    Raises:
        UsageError: it is no regular expression.
    """
    own_name = name.rpartition("/")[2]
    if len(selector) > 1 and selector.startswith("/") and selector.endswith("/"):
        try:
            return re.search(selector[1:-1], name) is not None
        except re.error as error:
            raise UsageError(
                f"{given} has {selector!r}, not a regular expression: {error}"
            ) from None
    return fnmatchcase(name, selector) or fnmatchcase(own_name, selector)

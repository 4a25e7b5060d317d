"""The running interpreter, in commands that a user is to paste."""

import os
import shutil
import sys


def typed_python() -> str:
    """The interpreter as the user can type it: ``python`` if that is this one, else its path."""
    found = shutil.which("python")
    # by folder, not by file: a virtual environment's python is a link to the one outside
    if found is not None and os.path.dirname(found) == os.path.dirname(sys.executable):
        return "python"
    near = os.path.relpath(sys.executable)
    return sys.executable if near.startswith(os.pardir) else near

"""What the extra ``mcu`` brings, loaded when it is needed."""

import importlib
from typing import Any

from nasmon.errors import UsageError


def _loaded(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"this needs LiteRT's runtime ({error}); install it with: pip install 'nasmon[mcu]'"
        ) from None


def flatbuffer_utils() -> Any:
    """LiteRT's own tools to read and write its files.

    Raises:
        UsageError: they are not installed.
    """
    return _loaded("ai_edge_litert.tools.flatbuffer_utils")


def schema() -> Any:
    """What a file is made of.

    Raises:
        UsageError: it is not installed.
    """
    return _loaded("ai_edge_litert.schema_py_generated")


def interpreter() -> Any:
    """What runs files.

    Raises:
        UsageError: it is not installed.
    """
    return _loaded("ai_edge_litert.interpreter")

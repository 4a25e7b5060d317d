"""Whether the fields of a record hold what their annotations say: files may come from anywhere."""

from collections.abc import Mapping
from functools import cache
from itertools import repeat
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints


def check_fields(record: NamedTuple) -> None:
    """Refuses a record of whose fields one holds, anywhere in it, what it should not.

    Raises:
        TypeError: it names the field.

    Example:
        >>> class Pair(NamedTuple):
        ...     name: str
        ...     counts: tuple[int, ...]
        >>> check_fields(Pair("a", (1, 2)))
        >>> check_fields(Pair("a", (1, "2")))
        Traceback (most recent call last):
        TypeError: counts is not what it should be
    """
    for name, kind in _hints(type(record)).items():
        if not _fits(getattr(record, name), kind):
            raise TypeError(f"{name} is not what it should be")


def _fits(value: Any, kind: Any) -> bool:
    origin, inside = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inside)
    if origin is tuple:
        kinds = repeat(inside[0]) if inside[-1] is ... else inside
        as_many = inside[-1] is ... or len(value) == len(inside)
        return isinstance(value, tuple) and as_many and all(map(_fits, value, kinds))
    if origin in (dict, Mapping):
        of_key, of_value = inside
        return isinstance(value, dict) and all(
            _fits(key, of_key) and _fits(held, of_value) for key, held in value.items()
        )
    if not isinstance(value, (int, float) if kind is float else kind):
        return False
    if kind in (int, float):
        return not isinstance(value, bool)
    return all(_fits(getattr(value, name), hint) for name, hint in _hints(kind).items())


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind) if hasattr(kind, "_fields") else {}

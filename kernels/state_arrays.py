"""A state as NumPy arrays and back, to save it, send it, and merge it in another process."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np
import tensorflow as tf

AnyState = TypeVar("AnyState", bound=tuple[Any, ...])


class Field(NamedTuple):
    """What a field of a state holds."""

    dtype: str
    axes: str = ""  # a letter each, of the same size wherever it stands: "CC" is square


def arrays_of_state(state: Any) -> dict[str, np.ndarray]:
    """A state's fields by name, on the host, of the dtypes that they have."""
    return {name: tensor.numpy() for name, tensor in state._asdict().items()}


def state_of_arrays(
    kind: type[AnyState], fields: Mapping[str, Field], arrays: Mapping[str, Any]
) -> AnyState:
    """The state, or the stack of states, whose arrays these are.

    Args:
        kind: of the state: a NamedTuple with a ``count``, which has the axes of the stack alone.
        fields: what there is to be in it, in its order.
        arrays: from ``arrays_of_state``, or a file that ``np.savez`` wrote them to.

    Raises:
        ValueError: fields, dtypes, shapes or counts that are not such a state's.
    """
    if set(arrays) != set(fields):
        refuse_arrays(kind, f"there are {_listed(arrays)}, not {_listed(fields)}")
    parts = {name: np.asarray(arrays[name]) for name in fields}
    sizes: dict[str, int] = {}
    for name, (dtype, axes) in fields.items():
        array, stack = parts[name], parts["count"].shape
        if array.dtype != dtype:
            refuse_arrays(kind, f"{name} is {array.dtype}, not {dtype}")
        own = array.shape[len(stack) :]
        agree = all(sizes.setdefault(axis, n) == n for axis, n in zip(axes, own, strict=False))
        if array.shape[: len(stack)] != stack or len(own) != len(axes) or not agree:
            shapes = ", ".join(f"{n} has shape {part.shape}" for n, part in parts.items())
            refuse_arrays(kind, shapes)
    if (parts["count"] < 0).any():
        refuse_arrays(kind, f"count is {parts['count'].min()}")
    return kind(*map(tf.constant, parts.values()))


def refuse_arrays(kind: type, reason: str) -> NoReturn:
    """Raises the error for arrays that are no state of a kind."""
    raise ValueError(f"no {kind.__name__}: {reason}; pass what to_arrays returned")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no arrays"

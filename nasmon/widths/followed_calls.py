"""Calls of a traced pass that are followed as a whole: what is inside of each, what it costs."""

from collections.abc import Iterable, Sequence, Set

import keras
import tensorflow as tf

from nasmon.capture import Call
from nasmon.widths.layer_costs import macs_by_scaling, macs_of_steps
from nasmon.widths.layer_rules import effect_of
from nasmon.widths.macs import macs_of


class FollowedCalls:
    """Calls of layers whose operations need not be looked at.

    Args:
        calls: all that were recorded, of one graph.

    Attributes:
        calls: those that are followed as a whole.
        graph: that they are in.
        of_output: by the name of a tensor the call that puts it out.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.graph: tf.Graph = calls[0].outputs[0].graph
        # a layer that returns its input, such as a dropout, does nothing here
        self.calls = [call for call in calls if call.leaf and _as_a_whole(call)]
        self.of_output = {t.name: call for call in self.calls for t in call.outputs}
        self._inside = {id(call): self._between(call) for call in self.calls}
        self._around = {name: call for call in self.calls for name in self._inside[id(call)]}

    @property
    def inside(self) -> set[str]:
        """The names of all operations inside of calls."""
        return set().union(*self._inside.values())

    def inside_of(self, call: Call) -> set[str]:
        """The names of the operations inside of one of the calls."""
        return self._inside[id(call)]

    def around(self, operation: tf.Operation) -> Call | None:
        """The call that an operation is inside of; None if of none."""
        return self._around.get(operation.name)

    def layer_of(self, operation: tf.Operation) -> str:
        """The name of the layer that an operation belongs to; its own if to none."""
        call = self.around(operation)
        return operation.name if call is None else call.name

    def macs_by_layer(self, samples: int) -> dict[str, dict[str, int]]:
        """By layer its multiply-adds for one input, by what they grow with.

        Args:
            samples: how many inputs the pass was traced with.
        """
        by_layer: dict[str, dict[str, int]] = {}
        for call in self.calls:
            one = macs_by_scaling(call.layer, self._macs(call) or {}, samples)
            # a layer that is called again costs again
            earlier = by_layer.get(call.name, {})
            by_layer[call.name] = {k: n + earlier.get(k, 0) for k, n in one.items()}
        return by_layer

    def macs(self, outputs: Iterable[tf.Tensor]) -> int | None:
        """Multiply-adds of all that the outputs are made of, of all samples; None if not known."""
        recurring = [call for call in self.calls if effect_of(call.layer) == "recurs"]
        inside = set().union(*(self._inside[id(call)] for call in recurring))
        total = 0
        for found in (macs_of(self._named(behind(outputs) - inside)), *map(self._macs, recurring)):
            if found is None:
                return None
            total += sum(found.values())
        return total

    def _macs(self, call: Call) -> dict[str, int] | None:
        """A call's multiply-adds by type of operation, of all samples; None if not known."""
        if effect_of(call.layer) == "recurs":
            return macs_of_steps(call.layer, call.inputs[0])
        return macs_of(self._named(self._inside[id(call)]))

    def _between(self, call: Call) -> set[str]:
        """The names of the operations that make a call's outputs out of its inputs."""
        borders = {tensor.name for tensor in call.inputs}
        borders |= self.of_output.keys() - {tensor.name for tensor in call.outputs}
        return behind(call.outputs, borders)

    def _named(self, names: Iterable[str]) -> list[tf.Operation]:
        return [self.graph.get_operation_by_name(name) for name in sorted(names)]


def _as_a_whole(call: Call) -> bool:
    """Whether a call is followed as a whole; or by its operations, if it has no weights."""
    inputs = {tensor.name for tensor in call.inputs}
    if any(tensor.name in inputs for tensor in call.outputs) or not call.inputs:
        return False
    ours = type(call.layer).__module__.startswith("keras.")
    return bool(call.layer.weights) or (ours and not isinstance(call.layer, keras.layers.Lambda))


def behind(tensors: Iterable[tf.Tensor], borders: Set[str] = frozenset()) -> set[str]:
    """The names of the operations that make tensors, as far as the borders, which are tensors."""
    found: set[str] = set()
    pending = [tensor.op for tensor in tensors]
    while pending:
        operation = pending.pop()
        if operation.name in found:
            continue
        found.add(operation.name)
        pending += [t.op for t in operation.inputs if t.name not in borders]
    return found

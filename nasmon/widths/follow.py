"""How the widths of a model hang together, read off its traced forward pass.

A layer that owns a width is one place; where its output goes decides what else has that width: an
activation, a pooling, a normalization and a depthwise convolution keep it, an add makes two widths
one, a concatenation lays them side by side, a flattening repeats them. So widths are followed from
operation to operation of the graph, and from layer to layer where a layer with weights is called.
What mixes channels in a way that is not known here binds the widths that go in: they are then
reported as fixed, rather than advice be given that cannot be followed.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import chain, count
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nasmon.capture import INPUT, OUTPUT, Call, Captured, holds_activations, output_names
from nasmon.reading import LayerInfo
from nasmon.widths.followed_calls import FollowedCalls, behind
from nasmon.widths.graph import (
    Cost,
    ModelWidths,
    Structure,
    leader_of,
    ties_of,
)
from nasmon.widths.layer_costs import params_by_scaling
from nasmon.widths.layer_rules import (
    Effect,
    blocks_of,
    bound_because,
    effect_of,
    fan_in,
    has_channels_first,
    is_bound,
    repeats_of,
)
from nasmon.widths.lowering import lowered
from nasmon.widths.operations import ELEMENTWISE, keeps_channels_apart
from nasmon.widths.owners import Channels, OwnersMet
from nasmon.widths.segments import Segments


def read_widths(captured: Captured, samples: int) -> ModelWidths:
    """Follows the widths through a traced forward pass.

    Args:
        captured: the calls of all layers, of one graph, with the model's outputs and operations:
            what is done with the captured activations later is not among those.
        samples: how many inputs the pass was traced with.
    """
    pass_ = _Pass(captured)
    pass_.follow()
    return pass_.result(samples)


def describe(info: LayerInfo, widths: ModelWidths | None) -> LayerInfo:
    """A monitored layer with what the forward pass told about it."""
    macs = widths.layer_macs.get(info.name) if widths else None
    made_of = widths.layers.get(info.name, ()) if widths else ()
    ties = ties_of(widths.structure.owners) if widths else {}
    own = (leader_of(owner, ties) for owner, _ in made_of)
    tied_to = " + ".join(dict.fromkeys(own))
    return info._replace(
        macs=math.nan if macs is None else macs,
        tied_to="" if tied_to == info.name else tied_to,
    )


class _Pass:
    """The state of following: what each tensor's width is made of, and who owns widths."""

    def __init__(self, captured: Captured) -> None:
        self._all_calls, self._all_operations = captured.calls, captured.operations
        self._model_outputs = captured.outputs
        self._whole = FollowedCalls(captured.calls)
        self._widths: dict[str, Channels | None] = {}
        self._met = OwnersMet()
        self._inputs: dict[str, Channels | None] = {}

    def follow(self) -> None:
        """Goes through the operations in the order in which they were made.

        What is made for neither the model's outputs nor a layer, such as a loss, holds up no width.
        """
        of_calls = (tensor for call in self._all_calls for tensor in call.outputs)
        needed = behind([*self._model_outputs, *of_calls])
        skipped, graph = self._whole.inside, self._whole.graph
        captured = {tensor.name for tensor in getattr(graph, "internal_captures", ())}
        done: set[int] = set()
        for operation in self._all_operations:
            for tensor in operation.outputs:
                call = self._whole.of_output.get(tensor.name)
                if call is not None and id(call) not in done:
                    done.add(id(call))
                    self._follow_call(call)
            if operation.type == "Placeholder":
                if operation.outputs[0].name not in captured:
                    self._own_input(operation.outputs[0])
            elif operation.name in needed and operation.name not in skipped:
                self._follow_operation(operation)
        for tensor in self._model_outputs:
            self._met.bind(OUTPUT, self.width(tensor))

    def width(self, tensor: tf.Tensor) -> Channels | None:
        return self._widths.get(tensor.name)

    def segments(self, tensor: tf.Tensor) -> Segments:
        return self._met.segments(self.width(tensor))

    def result(self, samples: int) -> ModelWidths:
        """What was found; of a layer that was called several times, at its first call."""
        outputs, backwards = self._model_outputs, list(reversed(self._all_calls))
        by_layer, everything = self._whole.macs_by_layer(samples), self._whole.macs(outputs)
        segments = {c.name: self.segments(c.output) for c in self._all_calls}
        of_outputs = zip(output_names(len(outputs)), map(self.segments, outputs), strict=True)
        return ModelWidths(
            structure=Structure(
                self._met.owners(),
                tuple(self._costs(by_layer)),
                lowered(outputs, samples, self._made_of_inside, self._whole),
            ),
            layers=segments | dict(of_outputs),
            rank_limits=self._rank_limits(),
            layer_macs=self._layer_macs(by_layer),
            macs=None if everything is None else everything // samples,
            first_channel=self._met.first,
            inputs={c.name: tuple(map(self.width, c.inputs)) for c in backwards},
            outputs={c.name: self.width(c.output) for c in backwards},
        )

    def _own_input(self, tensor: tf.Tensor) -> None:
        names = (f"{INPUT}_{number}" for number in count(1))
        name = next(name for name in chain([INPUT], names) if name not in self._met)
        channels = _channels(tensor)
        if channels is not None:
            self._widths[tensor.name] = self._met.add(name, channels)
            self._met.bind(INPUT, self._widths[tensor.name])

    def _follow_call(self, call: Call) -> None:
        known = [width for tensor in call.inputs if (width := self.width(tensor)) is not None]
        outcome = self._outcome(call, known)
        for tensor in call.outputs:
            # what is put out beside it, such as a loss, may have another width or none
            alike = tensor.shape.rank and tensor.shape[-1] == call.output.shape[-1]
            self._widths[tensor.name] = outcome if alike else None

    def _outcome(self, call: Call, known: Sequence[Channels]) -> Channels | None:
        """The width of a call's main output."""
        layer, effect = call.layer, effect_of(call.layer)
        if isinstance(layer, keras.layers.Concatenate):
            return self._side_by_side(call.inputs, layer.axis, call.output, call.name)
        if effect == "binds" or _across_channels(call, effect):
            by = _binding(call)
            self._met.bind(by, *known)
            return self._own_output(call, by)
        self._note_input(call, known)
        if effect == "repeats":
            return np.repeat(known[0], repeats_of(layer)) if known else None
        if effect in ("mixes", "groups", "recurs"):
            bound = is_bound(layer) or (effect == "recurs" and self._is_tied_up(call))
            by = _binding(call) if bound else ""
            outcome = self._own_output(call, by)
            for width in [*known[:1], outcome]:
                self._met.split(width, blocks_of(layer), call.name)
            if by:
                self._met.bind(by, *known)
            return outcome
        kind = type(layer).__name__ if isinstance(layer, _RESHAPING) else ""
        outcome = self._passed_on(known, call.inputs, call.output, call.name, kind)
        if _ties_channels(layer):
            self._met.bind(call.name, *known)
        self._met.split(outcome, blocks_of(layer), call.name)
        return outcome

    def _is_tied_up(self, call: Call) -> bool:
        """Whether a recurrent call's width has to suit an initial state, or a layer around it."""
        given = [tensor for tensor in call.inputs if holds_activations(tensor)]
        around = call.name.rpartition("/")[0]
        return len(given) > 1 or any(
            one.name == around and isinstance(one.layer, keras.layers.Bidirectional)
            for one in self._all_calls
        )

    def _own_output(self, call: Call, by: str) -> Channels | None:
        """A width of the call's own, bound ``by`` something unless that is ""; None if it puts out
        no channels, but a loss, say.
        """
        channels = _channels(call.output)
        if channels is None:
            return None
        width = self._met.add(call.name, channels)
        if by:
            self._met.bind(by, width)
        return width

    def _note_input(self, call: Call, known: Sequence[Channels]) -> None:
        """One kernel serves all calls of a layer, so they all have inputs of one width."""
        width = known[0] if known else None
        if call.name in self._inputs and width is not None:
            earlier = self._inputs[call.name]
            self._met.unite([w for w in (earlier, width) if w is not None], call.name)
        self._inputs.setdefault(call.name, width)

    def _follow_operation(self, operation: tf.Operation) -> None:
        known = [width for tensor in operation.inputs if (width := self.width(tensor)) is not None]
        if not known:
            return
        outputs = [t for t in operation.outputs if t.name not in self._whole.of_output]
        if operation.type == "ConcatV2" and outputs:
            axis = tf.get_static_value(operation.inputs[-1])
            values = list(operation.inputs)[:-1]
            outcome = self._side_by_side(values, axis, outputs[0], operation.name)
            self._widths[outputs[0].name] = outcome
            return
        mixes = not keeps_channels_apart(operation)
        if operation.type in ELEMENTWISE:
            # such as a constant of one number a channel
            others = [t for t in operation.inputs if self.width(t) is None and _has_channels(t)]
            mixes |= any(t.shape[-1] == len(known[0]) > 1 for t in others)
        for tensor in outputs:
            if tensor.shape.rank is None or tensor.dtype in (tf.int32, tf.int64, tf.bool):
                continue
            if mixes:
                self._met.bind(operation.name, *known)
            else:
                self._widths[tensor.name] = self._passed_on(
                    known, operation.inputs, tensor, operation.name, operation.type
                )

    def _passed_on(
        self,
        known: Sequence[Channels],
        inputs: Iterable[tf.Tensor],
        output: tf.Tensor,
        name: str,
        kind: str = "",
    ) -> Channels | None:
        """The width of what keeps channels apart: inputs as wide as the output share its width."""
        if output.shape.rank == 0 or output.shape.rank is None:
            return None
        channels = output.shape[-1]
        alike = [width for width in known if len(width) == channels]
        # a gate or mask of one channel is broadcast over all
        others = [width for width in known if len(width) not in (channels, 1)]
        if alike:
            self._met.unite(alike, name)
            self._met.bind(name, *others)
            return alike[0]
        ranks = [t.shape.rank for t in inputs if self.width(t) is not None]
        flattens = kind in ("Reshape", "Flatten")
        if flattens and len(known) == 1 and channels and ranks[0] is not None:
            times, rest = divmod(channels, len(known[0]))
            if times and not rest and output.shape.rank < ranks[0]:
                return np.tile(known[0], times)
        self._met.bind(name, *known)
        return None

    def _side_by_side(
        self, tensors: Sequence[tf.Tensor], axis: Any, output: tf.Tensor, name: str
    ) -> Channels | None:
        widths = [self.width(tensor) for tensor in tensors]
        known = [width for width in widths if width is not None]
        if axis is None or int(axis) % output.shape.rank != output.shape.rank - 1:
            return self._passed_on(known, tensors, output, name)
        if len(known) < len(widths):
            self._met.bind(name, *known)
            return None
        return np.concatenate(known)

    def _costs(self, macs: dict[str, dict[str, int]]) -> Iterable[Cost]:
        for name, macs_of_layer in macs.items():
            (layer,) = {id(c.layer): c.layer for c in self._whole.calls if c.name == name}.values()
            if not layer.weights and not sum(macs_of_layer.values()):
                continue
            yield Cost(
                layer=name,
                inputs=self._met.segments(self._inputs.get(name)),
                outputs=self._made_of(name),
                params=params_by_scaling(layer),
                macs=macs_of_layer,
            )

    def _made_of(self, name: str) -> Segments:
        return next(self.segments(c.output) for c in self._whole.calls if c.name == name)

    def _made_of_inside(self, tensor: tf.Tensor) -> Segments:
        """What a tensor is made of, also one inside of a call: the call's inputs or output."""
        known, call = self.width(tensor), self._whole.around(tensor.op)
        if known is not None or call is None or not tensor.shape.rank:
            return self._met.segments(known)
        channels = tensor.shape[-1]
        ends = [call.output, *call.inputs]
        if tensor.op.type == "DepthwiseConv2dNative":
            # the first half of a separable convolution, which may be as wide as the second
            ends.reverse()
        widths = [self.width(one) for one in ends]
        for width in widths:
            if width is not None and len(width) == channels:
                return self._met.segments(width)
        for width in widths:
            # between the halves of a separable convolution
            if width is not None and channels and not channels % len(width):
                return self._met.segments(np.repeat(width, channels // len(width)))
        return ()

    def _layer_macs(self, by_layer: dict[str, dict[str, int]]) -> dict[str, int]:
        """Also of the layers that others are inside of."""
        totals = {name: sum(costs.values()) for name, costs in by_layer.items()}
        return {
            call.name: sum(
                macs
                for name, macs in totals.items()
                if name == call.name or name.startswith(f"{call.name}/")
            )
            for call in self._all_calls
        }

    def _rank_limits(self) -> dict[str, int]:
        limits = {}
        for call in self._whole.calls:
            limit = fan_in(call.layer)
            channels = _channels(call.output)
            if limit is not None and channels is not None and limit < channels:
                limits[call.name] = limit
        return limits


def _channels(output: tf.Tensor) -> int | None:
    """The length of the last axis, if it is not the batch's and is known."""
    rank = output.shape.rank
    return output.shape[-1] if rank is not None and rank >= 2 else None


def _across_channels(call: Call, effect: Effect | None) -> bool:
    """Whether a call takes another axis than the last to be that of channels, all of it or a part:
    one that mixes says so itself.
    """
    if effect in (None, "repeats") and has_channels_first(call.layer):
        return True
    axes, rank = getattr(call.layer, "axis", -1), call.output.shape.rank
    if effect != "keeps" or not call.layer.weights or rank is None:
        return False
    return all(axis % rank != rank - 1 for axis in (axes if isinstance(axes, list) else [axes]))


def _binding(call: Call) -> str:
    """What a call that binds widths is called, with its reason where that is the layer's own."""
    why = bound_because(call.layer)
    return f"{call.name} ({why})" if why else call.name


def _ties_channels(layer: keras.Layer) -> bool:
    """Whether a layer without weights suits the channels that it is given today only."""
    if isinstance(layer, keras.layers.Rescaling):
        return max(np.size(layer.scale), np.size(layer.offset)) > 1
    return isinstance(layer, keras.layers.Softmax | keras.layers.UnitNormalization)


_RESHAPING = (keras.layers.Flatten, keras.layers.Reshape)


def _has_channels(tensor: tf.Tensor) -> bool:
    return bool(tensor.dtype.is_floating and tensor.shape.rank)

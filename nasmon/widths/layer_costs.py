"""What a layer costs, by what it grows with."""

from collections.abc import Mapping
from math import prod
from typing import Any

import keras

from nasmon.widths.layer_rules import SCALINGS, axes_of, effect_of, mixing_of


def params_by_scaling(layer: keras.Layer) -> dict[str, int]:
    """A layer's parameters, by SCALINGS; those of weights that its rule does not name are fixed."""
    params = dict.fromkeys(SCALINGS, 0)
    for weight in layer.weights:
        params[axes_of(layer, weight).scaling] += prod(weight.shape)
    return params


def macs_of_steps(layer: keras.Layer, sequences: Any) -> dict[str, int] | None:
    """Multiply-adds of a layer that recurs, of all samples, by those of SCALINGS that it has; None
    if their length is not known.

    Args:
        layer: of effect "recurs".
        sequences: [B, steps, channels], what it is called on; both known.
    """
    samples, steps, *_ = sequences.shape
    if samples is None or steps is None:
        return None
    return {
        scaling: samples * steps * prod(mixing_of(layer, recurrent).weight.shape)
        for scaling, recurrent in (("in_out", False), ("out_out", True))
    }


def macs_by_scaling(layer: keras.Layer, macs: Mapping[str, int], samples: int) -> dict[str, int]:
    """A call's multiply-adds for one input, by SCALINGS.

    Args:
        layer: that was called.
        macs: of all samples by type of operation, or as from ``macs_of_steps``.
        samples: how many inputs went in.
    """
    by_effect = {"mixes": "in_out", "groups": "in_out", "repeats": "in"}
    scaling = by_effect.get(effect_of(layer) or "", "fixed")
    scalings = dict.fromkeys(SCALINGS, 0)
    if effect_of(layer) == "recurs":
        return scalings | {scaling: count // samples for scaling, count in macs.items()}
    for operation, count in macs.items():
        # the first half of a separable convolution keeps channels apart
        apart = operation.startswith("DepthwiseConv")
        scalings["in" if apart else scaling] += count // samples
    return scalings

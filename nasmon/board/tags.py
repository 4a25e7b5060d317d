"""What a run's values are called in TensorBoard.

Its pages make a group of what stands before the first slash: a group is one question. What follows
may hold slashes of its own, as a layer's path does.
"""

from collections.abc import Mapping
from typing import NamedTuple

from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES
from nasmon.record.files import COST_COLUMNS

RUN_SCALARS = (*(metric.name for metric in AGGREGATED), *COST_COLUMNS)
"""Of the whole network, in the order of a reading's aggregates and costs."""

HISTOGRAMS = ("eigenvalues", "correlations")
"""Of a layer: of log10 of l / trace, and of R_ij, i < j."""

FACTS_TAG, FINDINGS_TAG, ADVICE_TAG = "nas_text/run", "nas_text/findings", "nas_text/advice"

BUDGET = "overhead_budget"
"""What a reading's overhead is held against, as it stands among a run's choices."""


class Bounds(NamedTuple):
    """The thresholds that a value of the whole network is held against; "" for none."""

    low: str
    high: str


BOUNDS: Mapping[str, Bounds] = {
    "redundancy_score": Bounds("low_redundancy", "high_redundancy"),
    "correlation_mean": Bounds("low_correlation", "high_correlation"),
    "condition_number": Bounds("", "poor_conditioning"),
    "overhead": Bounds("", BUDGET),
}


def run_tag(name: str) -> str:
    """Of a value of the whole network."""
    return f"nas/{name}"


def layer_tag(name: str, layer: str) -> str:
    """Of a layer's metric or histogram.

    Example:
        >>> layer_tag("saturation", "encoder/conv1")
        'nas_saturation/encoder/conv1'
    """
    return f"nas_{name}/{layer}"


def threshold_tag(name: str) -> str:
    """Of a threshold, which is written with each reading, as a chart draws it beside a value."""
    return f"nas_thresholds/{name}"


def size_tag(name: str) -> str:
    """Of what the model takes, "params" or "macs"."""
    return f"nas_size/{name}"


def task_tag(name: str) -> str:
    """Of what the training is for: its loss and metrics, as Keras's logs call them."""
    return f"task/{name}"


def picture_tag(name: str) -> str:
    """Of a picture of all layers."""
    return f"nas_images/{name}"


def scalar_tags(layers: tuple[str, ...]) -> list[str]:
    """Of all scalars of a reading: the network's, then layer by layer.

    Args:
        layers: their names, in the reading's order.
    """
    of_layers = (layer_tag(name, layer) for layer in layers for name in METRIC_NAMES)
    return [*map(run_tag, RUN_SCALARS), *of_layers]


def histogram_tags(layers: tuple[str, ...]) -> list[str]:
    """Of all histograms of a reading, layer by layer.

    Args:
        layers: their names, in the reading's order.
    """
    return [layer_tag(kind, layer) for layer in layers for kind in HISTOGRAMS]

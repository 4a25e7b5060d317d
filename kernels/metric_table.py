"""What nasmon measures: the one table of metrics, as plain data.

The callback, the CSV columns, the documentation, the plots and the tests iterate ``METRICS``. The
functions live in ``nasmon.kernels.metrics``; this file imports no TensorFlow, so that programs that
only read recorded files start at once.
"""

from typing import Literal, NamedTuple

DEAD_VARIANCE = 1e-10
"""A channel is dead when its variance is below this share of the layer's largest variance."""

RESOLUTION = 1e-8
"""Eigenvalues below this share of the largest are noise of a float32 product: docs/limits.md."""

RANK_SHARE = 0.99
"""The share of the trace that ``rank_99`` counts leading eigenvalues for."""

Aggregate = Literal["mean", "sum", "max", "none"]


class Metric(NamedTuple):
    """One measured quantity of a layer with C channels and eigenvalues l1 >= ... >= lC >= 0."""

    name: str  # column name and, with "nas/" or "nas_" in front, TensorBoard tag or its group
    definition: str  # formula in words
    unit: str  # "share", "channels", "rows", "ratio" or "activation squared"
    range: str  # the values it can take
    aggregate: Aggregate  # over layers: "mean" weighs by channels; "none" has no aggregate
    target: str  # what to hope for; "-" where no value is better than another
    meaning: str  # how to read it
    reference: str = ""  # the source of the definition; "" for a textbook quantity


METRICS: tuple[Metric, ...] = (
    Metric(
        name="redundancy_score",
        definition="l1 / trace",
        unit="share",
        range="[1/C, 1]",
        aggregate="mean",
        target="< 0.5",
        meaning="the share of all variance that one direction holds; high values mean wasted width",
    ),
    Metric(
        name="correlation_mean",
        definition="mean of abs(R_ij), i < j, over live channels",
        unit="share",
        range="[0, 1]",
        aggregate="mean",
        target="< 0.3",
        meaning="how alike two channels are on average; high values mean features learned twice",
    ),
    Metric(
        name="correlation_std",
        definition="standard deviation of abs(R_ij), i < j, over live channels",
        unit="share",
        range="[0, 0.5]",
        aggregate="mean",
        target="-",
        meaning="how uneven the likeness is; high values mean a few groups of near copies",
    ),
    Metric(
        name="trace",
        definition="sum of the eigenvalues",
        unit="activation squared",
        range=">= 0",
        aggregate="sum",
        target="-",
        meaning="the total variance of the activations; 0 means that the layer's output is "
        "constant",
    ),
    Metric(
        name="condition_number",
        definition="l1 / max(lC, 1e-8 l1)",
        unit="ratio",
        range="[1, 1e8]",
        aggregate="max",
        target="< 1e6",
        meaning="how far apart the largest and the smallest variance are; it saturates at 1e8",
    ),
    Metric(
        name="effective_rank",
        definition="exp(entropy of l / trace)",
        unit="channels",
        range="[1, C]",
        aggregate="none",
        target="near C",
        meaning="how many directions the variance is spread over, smoothly counted",
        reference="Roy and Vetterli, The effective rank, EUSIPCO 2007",
    ),
    Metric(
        name="rank_99",
        definition="fewest leading eigenvalues that hold 99 % of the trace",
        unit="channels",
        range="1..C",
        aggregate="none",
        target="near C",
        meaning="how many channels would hold nearly all of the variance",
    ),
    Metric(
        name="saturation",
        definition="rank_99 / C",
        unit="share",
        range="(0, 1]",
        aggregate="mean",
        target="near 1",
        meaning="the used share of the width; low values mean that the layer can be narrowed",
        reference="Richter et al., Feature space saturation during training, arXiv 2006.08679",
    ),
    Metric(
        name="dead_channels",
        definition="channels with variance below 1e-10 of the layer's largest",
        unit="channels",
        range="0..C",
        aggregate="sum",
        target="0",
        meaning="channels that never change and can go outright",
    ),
    Metric(
        name="rows",
        definition="rows that entered the estimate",
        unit="rows",
        range="> 0",
        aggregate="none",
        target=">= 10 C",
        meaning="samples times positions, without padding; with fewer than about 10 C the spectrum "
        "is a weak estimate",
    ),
)

METRIC_NAMES: tuple[str, ...] = tuple(metric.name for metric in METRICS)
AGGREGATED: tuple[Metric, ...] = tuple(m for m in METRICS if m.aggregate != "none")

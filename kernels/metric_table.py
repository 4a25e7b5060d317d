"""What nasmon measures: the one table of metrics, as plain data.

The callback, the CSV columns, the README, the plots and the tests iterate ``METRICS``. The
functions live in ``nasmon.kernels.metrics``; this file imports no TensorFlow, so that programs that
only read recorded files start at once.
"""

from typing import Literal, NamedTuple

DEAD_VARIANCE = 1e-10
"""A channel is dead when its variance is below this share of the layer's largest variance."""

RESOLUTION = 1e-8
"""Eigenvalues below this share of the largest one are noise of a float32 product (see README)."""

RANK_SHARE = 0.99
"""The share of the trace that ``rank_99`` counts leading eigenvalues for."""

DEFAULT_THRESHOLDS: dict[str, float] = {
    "high_redundancy": 0.7,
    "moderate_redundancy": 0.5,
    "low_redundancy": 0.3,
    "high_correlation": 0.6,
    "low_correlation": 0.3,
    "poor_conditioning": 1e6,
    "near_duplicate": 0.98,  # abs(R_ij) from which two channels are near copies
    "steady_redundancy": 0.02,  # a change over the run up to which the redundancy is stable
    "settled_rank": 0.1,  # the share of C that rank_99 may still move by in settled readings
    "rows_per_channel": 10.0,  # with fewer rows the spectrum is a weak estimate
}
"""Where a reading becomes worth a remark; a user's ``thresholds`` override them one by one."""

Aggregate = Literal["mean", "sum", "max", "none"]


class Metric(NamedTuple):
    """One measured quantity of a layer with C channels and eigenvalues l1 >= ... >= lC >= 0."""

    name: str  # column name and, with "nas/" in front, TensorBoard tag
    definition: str  # formula in words
    unit: str  # "share", "channels", "rows", "ratio" or "activation squared"
    range: str  # the values it can take
    aggregate: Aggregate  # over layers: "mean" weighs by channels; "none" has no aggregate
    target: str  # what to hope for; "-" where no value is better than another
    meaning: str  # how to read it
    reference: str  # the source of the definition; "" for a textbook quantity


METRICS: tuple[Metric, ...] = (
    Metric(
        "redundancy_score",
        "l1 / trace",
        "share",
        "[1/C, 1]",
        "mean",
        "< 0.5",
        "the share of all variance that one direction holds; high values mean wasted width",
        "",
    ),
    Metric(
        "correlation_mean",
        "mean of abs(R_ij), i < j, over live channels",
        "share",
        "[0, 1]",
        "mean",
        "< 0.3",
        "how alike two channels are on average; high values mean features learned twice",
        "",
    ),
    Metric(
        "correlation_std",
        "standard deviation of abs(R_ij), i < j, over live channels",
        "share",
        "[0, 0.5]",
        "mean",
        "-",
        "how uneven the likeness is; high values mean a few groups of near copies",
        "",
    ),
    Metric(
        "trace",
        "sum of the eigenvalues",
        "activation squared",
        ">= 0",
        "sum",
        "-",
        "the total variance of the activations; 0 means that the layer's output is constant",
        "",
    ),
    Metric(
        "condition_number",
        "l1 / max(lC, 1e-8 l1)",
        "ratio",
        "[1, 1e8]",
        "max",
        "< 1e6",
        "how far apart the largest and the smallest variance are; it saturates at 1e8",
        "",
    ),
    Metric(
        "effective_rank",
        "exp(entropy of l / trace)",
        "channels",
        "[1, C]",
        "none",
        "near C",
        "how many directions the variance is spread over, smoothly counted",
        "Roy and Vetterli, The effective rank, EUSIPCO 2007",
    ),
    Metric(
        "rank_99",
        "fewest leading eigenvalues that hold 99 % of the trace",
        "channels",
        "1..C",
        "none",
        "near C",
        "how many channels would hold nearly all of the variance",
        "",
    ),
    Metric(
        "saturation",
        "rank_99 / C",
        "share",
        "(0, 1]",
        "mean",
        "near 1",
        "the used share of the width; low values mean that the layer can be narrowed",
        "Richter et al., Feature space saturation during training, arXiv 2006.08679",
    ),
    Metric(
        "dead_channels",
        "channels with variance below 1e-10 of the layer's largest",
        "channels",
        "0..C",
        "sum",
        "0",
        "channels that never change and can go outright",
        "",
    ),
    Metric(
        "rows",
        "rows that entered the estimate",
        "rows",
        "> 0",
        "none",
        ">= 10 C",
        "samples times positions; with fewer than about 10 C the spectrum is a weak estimate",
        "",
    ),
)

METRIC_NAMES: tuple[str, ...] = tuple(metric.name for metric in METRICS)
AGGREGATED: tuple[Metric, ...] = tuple(m for m in METRICS if m.aggregate != "none")

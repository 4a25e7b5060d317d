"""The section "Peers" of bench/RESULTS.md."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from bench.peers.costs import TARGET, Comparison, Cost
from bench.peers.schedule import BATCH, EPOCH, STEPS, cores
from bench.results import write_section

_HEADINGS = (
    *("monitor", "observes", "layers", "samples", "rows of a layer and sample", "ms a bare step"),
    *("extra ms a step", "quartiles", "% of a step", "µs a layer and sample"),
)


def write(costs: Sequence[Cost], compared: Sequence[Comparison], rounds: int, path: Path) -> None:
    """Replaces the section, or adds it."""
    write_section(
        "Peers",
        "make bench-peers",
        [
            f"`nano_u` at batch {BATCH} on {cores()} cores, a process for each framework, of which "
            f"one works at a time, in {rounds} rounds. A round is, for each row, {STEPS} training "
            "steps without the monitor and as many with it, one right after the other; the extra "
            "time is the median over the rounds of their difference. A turn begins with a block "
            "that is not timed. Before any timing the PyTorch twin was given Keras's weights and "
            "put out the same, and all three monitors found the same eigenvalues of all rows "
            "(Delve's, which divides by n, times n / (n - 1)).",
            "What is divided by what. Extra ms a step: all that the monitor adds to a training, "
            "spread over its steps at the frequency that the row names (an epoch is "
            f"{EPOCH} steps). % of a step: that over a step without it, each in its own framework. "
            "µs a layer and sample: that over the monitored layers and the samples that it "
            "observes in a step on average. Delve observes the training batches as they pass, so "
            "that it needs no forward pass of its own; nasmon and NumPy pay for theirs, on a few "
            "validation samples. Delve's saturations (`add_saturations`) are computed once an "
            "epoch, and spread over it. nasmon's budget is switched off: nothing is postponed or "
            "thinned by it. It takes a part of the rows (positions) of a sample by default, "
            "the others all; the row with all rows is for comparison. NumPy reads as often as "
            "nasmon and the same samples. nasmon writes TensorBoard and CSV files, Delve a CSV "
            "file, NumPy nothing.",
            f"Target: at least {TARGET} times cheaper than Delve's default and than NumPy.",
            "\n".join(f"- {comparison}" for comparison in compared),
            f"PyTorch {version('torch')}, Delve {version('delve')}.",
        ],
        _HEADINGS,
        [_cells(cost) for cost in costs],
        path,
    )


def _cells(cost: Cost) -> Sequence[object]:
    variant = cost.variant
    low, high = cost.quartiles
    return (
        *(variant.monitor, variant.when, variant.layers, variant.samples, f"{variant.rows:.0f}"),
        *(f"{1e3 * cost.step:.1f}", f"{1e3 * cost.extra:.3f}"),
        f"{1e3 * low:.3f} to {1e3 * high:.3f}",
        *(f"{100 * cost.share:.2f}", f"{1e6 * cost.layer_and_sample:.1f}"),
    )

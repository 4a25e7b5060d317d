"""The words of bench/GPU.md, and how its figures are written."""

from collections.abc import Iterable, Sequence


def table(*headings: str, rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def number(value: float) -> str:
    """Three digits and a prefix: 12.6 M."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{_digits(value / size)} {prefix}"
    return _digits(value)


def seconds(value: float) -> str:
    """Three digits and a unit: 4.19 us."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{_digits(value / size)} {unit}"
    return f"{_digits(1e9 * value)} ns"


def percent(value: float) -> str:
    """Two digits: 0.21, 110."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def count(value: float) -> str:
    """A number of things, rounded up."""
    return f"{-(-value // 1):.0f}"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


PAGE = """# On paper, for a GPU

This is an estimate that nobody has measured. No GPU was at hand: the programs were compiled for a
CPU (TensorFlow {tensorflow}, Keras {keras}), their text was counted, and the counts were divided by
the rates of an H100. What XLA fuses differs on a GPU, caches are left out, and what is said of
launches, convolutions and cuSOLVER rests on the assumptions named below.
`python -m bench.gpu` writes this page again.

## How it is counted

From the text that `experimental_get_compiler_ir` gives (stage `optimized_hlo`): bytes are what each
kernel reads and writes, as if nothing stayed in a cache between two kernels; operations are those
of products, sums and elementwise arithmetic; a launch is an instruction outside fusions, and those
of a loop's body count at every trip.

Rates, H100 SXM: {bandwidth} TB/s; {float32} TFLOP/s in float32 and {float64} in float64 without
tensor cores; {tf32} in TF32 with them and without sparsity (NVIDIA, "H100 Tensor Core GPU
Datasheet"; float64 products could use tensor cores, at twice the rate, which is not counted on).
Assumed: {launches} us from one small kernel to the next. "Implied" is the larger of memory and
arithmetic; where launching takes longer, launching is what a user would wait for.

What the text shows of `absorb`, and `tests/test_programs.py` checks: the products read each
activation once, beside a sample of 64 rows for the provisional mean; products are float32 at the
highest precision, so never TF32; no product over rows is in double precision; nothing is copied to
the host, and every loop has a known number of trips, without which XLA would fetch the loop's
condition from the GPU at every trip (`WhileThunk` in XLA). TensorFlow also lowers the program for a
GPU that is not there (`platform_name="GPU"`, stage `hlo`): the same products at the same precision.
Compiling it for one needs one.

What the text also shows: the rows are shifted, with a column of ones beside them, into a buffer of
a slab or up to two before they are multiplied. It is written once and read by the product, so more
is moved than the activations. A slab fits the H100's L2 cache (50 MB), where this costs little;
here it is counted in full. "Activations once" is the least that any program could take. (Of a layer
with fewer rows than channels in a whole reading the rows themselves are kept, so copied by design.)

## Absorb: one chunk into the statistics, a layer each

{absorb}

## Measure: eigenvalues and metrics, a layer each

Layers of more than {widest} channels are left to TensorFlow's ordinary kernel. On a GPU that is
cuSOLVER, one matrix after another (`SelfAdjointEigV2OpGpu` in TensorFlow), and its kernels are in
no text: taken are 4/3 C^3 operations, 8/3 C^3 bytes, and {solver_launches} launches a column.

{measure}

Launching dominates. The eigenvalue loop runs its body's kernels at every trip, each of them a few
numbers wide, however many layers share the batch ({narrow} channels):

{batches}

So on a GPU the number of batches counts, not the number of layers in them. That layers wider than
{widest} go to an ordinary kernel was decided by measurement on a CPU; on a GPU, where cuSOLVER
takes matrices one by one and a batch in XLA costs what one matrix costs, the best limit may be
another. cuSOLVER's status is copied to the host before TensorFlow calls the kernel done, so with
wide layers `launch` may wait for the GPU there: an int a matrix, but the host waits.

## A reading of ResNet-50, and what it adds to the training

`keras.applications.ResNet50`, 224 x 224, {layers} monitored layers ({wide} of them wider than
{widest}), {samples} samples in {chunks} chunks of {chunk}, `max_rows={max_rows}`. A forward pass
is {gmacs} GMAC an image. Of {all_rows} rows {kept} are kept, {kept_bytes} bytes. Convolutions are
taken to reach {share} % of the TF32 rate, and each operation of the forward pass to be one launch.

{parts}

Together {spent} a reading, if no two parts overlap and every part takes the longest of its
memory, arithmetic and launches. {solver_share} % of that is cuSOLVER as assumed above: the least
certain figure of this page decides.

A training step of batch {batch}, taken as three forward passes at {share} % of the TF32 rate and
nothing else, is {step} ({images_a_second} images a second: more than a real one reaches, which also
has to move its activations, so the overhead below is rather too high than too low).

{overheads}

The default budget of {budget} %, which keeps {aftermath} % of a reading's time free for the steps
after it, has room for a reading every {apart} steps; what is asked for more
often is postponed. Ten rows a channel, or as near as all rows come, need {fewest} of the {chunks}
chunks, so a reading is thinned to no fewer.
"""

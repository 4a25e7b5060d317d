"""What the compiled text of ``absorb`` says of the activations; and that the check would notice.

The text is that of the program for this device. What it must show: each activation is read once by
the products, and besides that only a sample for the provisional mean; between reading and product
there is a shifted copy of at most two slabs; products are float32 at the highest precision; nothing
goes to the host.
"""

from collections.abc import Callable, Sequence

import pytest
import tensorflow as tf

from bench.hlo.flow import Copy, flow
from bench.hlo.programs import Program, parse
from bench.hlo.traffic import counts, dots, host_copies
from nasmon.kernels import products
from nasmon.kernels.compiled import CompiledKernels
from nasmon.kernels.devices import CPU, GPU, Device
from nasmon.kernels.products import SHIFT_ROWS, dot
from nasmon.kernels.spectrum import eigenvalues

Shape = tuple[int, int]

SHAPES: tuple[Shape, ...] = (
    *((307200, 4), (76800, 8), (19200, 16), (49152, 64)),
    *((6144, 256), (1536, 512), (4096, 1024)),
)
# however many kinds of slabs there are
LARGEST_SLAB = max(value for name, value in vars(products).items() if name.startswith("SLAB"))


def compiled(function: Callable, *arguments: object, stage: str = "optimized_hlo") -> Program:
    program = tf.function(function, jit_compile=True, autograph=False)
    return parse(program.experimental_get_compiler_ir(*arguments)(stage=stage))


def absorbing(shapes: Sequence[Shape], dtype: tf.DType = tf.float32) -> Program:
    kernels = CompiledKernels([channels for _, channels in shapes])
    rows = tuple((tf.zeros(shape, dtype),) for shape in shapes)
    return compiled(kernels._absorb_all, kernels.empty(), rows)


def faults(program: Program, shapes: Sequence[Shape]) -> set[str]:
    """What is wrong with how a program treats its last parameters, rows of these shapes."""
    found = set()
    first = len(program.entry.parameters) - len(shapes)
    for parameter, (rows, channels) in enumerate(shapes, first):
        reads, copies = flow(program, [parameter])
        numbers = sum(read.numbers * read.times for read in reads)
        # a stride that does not divide the rows finds less than twice the sample
        if not rows * channels <= numbers <= (rows + 2 * SHIFT_ROWS) * channels:
            found.add("not read once")
        if max((copy.array.numbers for copy in copies), default=0) > most_at_once(rows, channels):
            found.add("copied whole")
        # the samples of layers of like width are averaged together
        samples = len(shapes) * SHIFT_ROWS * max(width for _, width in shapes)
        if written(copies) > rows * (channels + 1) + samples:
            found.add("copied more than once")
    for product in dots(program):
        if {array.dtype for array in (product.result, *product.operands)} != {"f32"}:
            found.add("not float32")
        if product.precision != "highest,highest":
            found.add("not highest precision")
    return found | ({"host"} if host_copies(program) else set())


def most_at_once(rows: int, channels: int) -> int:
    """Numbers of shifted rows, each with a one beside it, that may be in memory at once."""
    return min(rows, 2 * LARGEST_SLAB // channels) * (channels + 1)


def written(copies: Sequence[Copy]) -> int:
    return sum(copy.array.numbers * copy.times for copy in copies)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_activations_are_read_once(shape: Shape) -> None:
    assert faults(absorbing([shape]), [shape]) == set()


def test_so_are_those_of_several_layers() -> None:
    assert faults(absorbing(SHAPES), SHAPES) == set()


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16, tf.float64], ids=lambda d: d.name)
@pytest.mark.parametrize("shape", [(6144, 64), (49152, 64), (6144, 512)], ids=str)
def test_so_are_those_of_other_dtypes(shape: Shape, dtype: tf.DType) -> None:
    assert faults(absorbing([shape], dtype), [shape]) == set()


def test_shifted_rows_are_written_once_and_in_slabs() -> None:
    rows, channels = 49152, 64
    program = absorbing([(rows, channels)])
    _, copies = flow(program, [len(program.entry.parameters) - 1])
    sample, shifted = sorted(copies, key=lambda copy: copy.times)
    assert sample.array.shape == (SHIFT_ROWS, channels)
    assert shifted.array.shape == (products.SLAB // channels, channels + 1)
    assert shifted.array.numbers * shifted.times == rows * (channels + 1)


def twice(rows: tf.Tensor) -> tf.Tensor:
    centred = rows - tf.reduce_mean(rows, axis=0)
    return dot(centred, centred)


def cast_whole(rows: tf.Tensor) -> tf.Tensor:
    whole = tf.cast(rows, tf.float64)
    return tf.matmul(whole, whole, transpose_a=True)


def transposed(rows: tf.Tensor) -> tf.Tensor:
    other = tf.reshape(tf.transpose(rows), rows.shape)
    return dot(other, other)


def coarse(rows: tf.Tensor) -> tf.Tensor:
    return tf.matmul(rows, rows, transpose_a=True)


def until_small(rows: tf.Tensor) -> tf.Tensor:
    (last,) = tf.while_loop(lambda r: tf.reduce_max(r) > 1, lambda r: (r / 2,), (rows,))
    return dot(last, last)


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (twice, "not read once"),
        (twice, "copied whole"),
        (cast_whole, "copied whole"),
        (cast_whole, "not float32"),
        (transposed, "copied whole"),
        (coarse, "not highest precision"),
        (until_small, "host"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_check_finds_faults(function: Callable, fault: str) -> None:
    shape = (3 * LARGEST_SLAB // 64, 64)
    assert fault in faults(compiled(function, tf.zeros(shape)), [shape])


def test_a_gpu_is_asked_for_the_same() -> None:
    kernels = CompiledKernels([64])
    rows = ((tf.zeros([49152, 64]),),)
    text = kernels._absorb.experimental_get_compiler_ir(kernels.empty(), rows)
    try:
        program = parse(text(stage="hlo", platform_name="GPU"))
    except ValueError as error:
        pytest.skip(f"this TensorFlow lowers nothing for a GPU that is not there: {error}")
    assert {(d.result.dtype, d.precision) for d in dots(program)} == {("f32", "highest,highest")}
    assert not host_copies(program)


def test_products_kernels_and_trips_are_counted() -> None:
    def five_times(x: tf.Tensor) -> tf.Tensor:
        step = lambda i, total: (i + 1, total + dot(x + total[0, 0], x))  # noqa: E731
        return tf.while_loop(lambda i, _: i < 5, step, (0, tf.zeros([8, 8])))[1]

    for stage in ("hlo", "optimized_hlo"):
        program = compiled(five_times, tf.zeros([100, 8]), stage=stage)
        (product,) = dots(program)
        assert product.operations == 2 * 100 * 8 * 8
        counted = counts(program)
        # the product, the shift of x and the sum of the products
        least = 5 * (product.operations + 100 * 8 + 8 * 8)
        assert least <= counted.float32 <= 1.01 * least
        assert counted.launches >= 5 * 3


@pytest.mark.parametrize("device", [CPU, GPU], ids=lambda device: device.name)
def test_the_eigenvalues_loops_need_no_host(device: Device) -> None:
    matrices = tf.eye(24, batch_shape=[2], dtype=tf.float64)
    assert not host_copies(compiled(lambda m: eigenvalues(m, device), matrices))

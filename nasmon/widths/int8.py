"""What a model takes on a small device, as a LiteRT file of 8-bit integers: flash and memory.

The interpreter runs one operation after the other. Its weights stay in flash; what an operation
reads and writes is in memory until nothing later reads it. Both follow from the widths, by what
each tensor grows with. It needs no TensorFlow.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import NamedTuple

from nasmon.widths.segments import Segments, total_width

ALIGNMENT = 16
"""Bytes that tensors in memory begin at multiples of, as TensorFlow Lite Micro has it."""


class Block(NamedTuple):
    """Bytes that grow with the product of some widths; with no widths they stay."""

    size: int  # today
    widths: tuple[Segments, ...] = ()


class Step(NamedTuple):
    """An operation of the interpreter, with the numbers of the tensors that it reads and writes."""

    layer: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]


class Peak(NamedTuple):
    """Where a model needs the most memory."""

    size: int  # bytes of all tensors that are needed at once
    layer: str
    tensors: tuple[int, ...]  # their numbers


class Int8Program(NamedTuple):
    """A model as the interpreter runs it."""

    tensors: tuple[Block, ...]  # that are made anew for each input; the inputs among them
    steps: tuple[Step, ...]  # in the order in which they run
    outputs: tuple[int, ...]  # the tensors that the model puts out
    constants: tuple[Block, ...]  # weights, biases, and the scales of their channels
    overhead: int  # bytes of the file besides, whatever the widths

    def flash(self, today: Mapping[str, int], widths: Mapping[str, int]) -> int:
        """Bytes of the file.

        Args:
            today: widths by owner.
            widths: those that are to be; of all owners.

        Example:
            >>> kernel = Block(32, ((("a", 1),), (("b", 1),)))
            >>> program = Int8Program((), (), (), (kernel,), overhead=100)
            >>> program.flash({"a": 4, "b": 8}, {"a": 2, "b": 4})
            108
        """
        sizes = (_size(block, today, widths) for block in self.constants)
        return self.overhead + sum(sizes)

    def ram(self, today: Mapping[str, int], widths: Mapping[str, int]) -> int:
        """Bytes of the tensors that are needed at once, where these are most; as for ``flash``."""
        return self.peak(today, widths).size

    def peak(self, today: Mapping[str, int], widths: Mapping[str, int]) -> Peak:
        """Where the most memory is needed; as for ``flash``."""
        sizes = [self._aligned(number, today, widths) for number in range(len(self.tensors))]
        return peak_of(sizes, self.steps, self.outputs)

    def together(
        self, tensors: Sequence[int], today: Mapping[str, int], widths: Mapping[str, int]
    ) -> int:
        """Bytes in memory of some tensors; as for ``flash``."""
        return sum(self._aligned(number, today, widths) for number in tensors)

    def owners_of(self, tensors: Sequence[int]) -> set[str]:
        """The owners of widths that some tensors grow with."""
        widths = (segments for number in tensors for segments in self.tensors[number].widths)
        return {owner for segments in widths for owner, _ in segments}

    def _aligned(self, number: int, today: Mapping[str, int], widths: Mapping[str, int]) -> int:
        return in_memory(_size(self.tensors[number], today, widths))


def check_program(program: Int8Program, today: Mapping[str, int]) -> None:
    """Checks a program that was read from a file.

    Args:
        program: of any contents.
        today: widths by owner.

    Raises:
        ValueError: it is none.

    Example:
        >>> check_program(Int8Program((), (), (0,), (), 450), {})
        Traceback (most recent call last):
        ValueError: an int8 program that names a tensor 0
    """
    blocks = (*program.tensors, *program.constants)
    numbers = [block.size for block in blocks] + [program.overhead]
    numbers += [times for block in blocks for made_of in block.widths for _, times in made_of]
    named = [*program.outputs, *(n for step in program.steps for n in (*step.reads, *step.writes))]
    for number in (*numbers, *named):
        if not isinstance(number, int) or number < 0:
            raise ValueError(f"an int8 program that holds {number!r}")
    for number in named:
        if number >= len(program.tensors):
            raise ValueError(f"an int8 program that names a tensor {number}")
    if any(not total_width(made_of, today) for block in blocks for made_of in block.widths):
        raise ValueError("an int8 program of tensors without channels")


def peak_of(sizes: Sequence[int], steps: Sequence[Step], outputs: Sequence[int]) -> Peak:
    """Where steps need the most memory.

    A tensor is there from the step that writes it to the last that reads it; what no step writes
    from the beginning, and the outputs to the end.

    Args:
        sizes: of the tensors, by number.
        steps: in order.
        outputs: numbers of tensors.

    Example:
        >>> steps = [Step("conv", (0,), (1,)), Step("pool", (1,), (2,))]
        >>> peak_of([10, 40, 20], steps, (2,))
        Peak(size=60, layer='pool', tensors=(1, 2))
    """
    first, last = _lives(len(sizes), steps, outputs)
    begins, ends = Counter[int](), Counter[int]()
    for size, begin, end in zip(sizes, first, last, strict=True):
        if begin <= end:
            begins[begin] += size
            ends[end] += size
    best = now = most = 0
    for position in range(len(steps)):
        now += begins[position]
        if now > most:
            best, most = position, now
        now -= ends[position]
    alive = (number for number in range(len(sizes)) if first[number] <= best <= last[number])
    return Peak(most, steps[best].layer if steps else "", tuple(alive))


def _lives(
    tensors: int, steps: Sequence[Step], outputs: Sequence[int]
) -> tuple[list[int], list[int]]:
    """By tensor the first and the last step that it is there for."""
    first, last = [0] * tensors, [-1] * tensors
    for position, step in enumerate(steps):
        for number in step.writes:
            first[number] = last[number] = position
        for number in step.reads:
            last[number] = position
    for number in outputs:
        last[number] = len(steps)
    return first, last


def in_memory(size: int) -> int:
    """What a tensor of some bytes takes in memory.

    Example:
        >>> in_memory(1), in_memory(32)
        (16, 32)
    """
    return -(-size // ALIGNMENT) * ALIGNMENT


def _size(block: Block, today: Mapping[str, int], widths: Mapping[str, int]) -> int:
    after = prod(total_width(segments, widths) for segments in block.widths)
    before = prod(total_width(segments, today) for segments in block.widths)
    return -(-block.size * after // before)

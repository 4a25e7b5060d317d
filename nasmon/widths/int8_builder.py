"""A program of 8-bit integers as it grows, step by step."""

from collections.abc import Sequence

from nasmon.widths.int8 import Block, Int8Program, Step
from nasmon.widths.segments import Segments

SCALE = 12
"""Bytes of a scale with its zero point (float32 and int64): of each tensor that is computed, and of
each channel of weights and biases."""

MODEL, TENSOR, OPERATION = 450, 91, 32
"""Bytes of the file for itself, for each tensor and for each operation, besides what they hold:
fitted to fifteen converted networks without names."""

Shape = tuple[int, ...]


class Int8Builder:
    """The tensors, steps and constants of a program so far.

    Attributes:
        shapes: of the tensors, by number.
        numbers: axes, sizes and shapes that steps are given, by what they are of: equal ones are
            one in the file.
    """

    def __init__(self) -> None:
        self.shapes: list[Shape] = []
        self.numbers: dict[object, Shape] = {}
        self._tensors: list[Block] = []
        self._steps: list[Step] = []
        self._constants: list[Block] = []
        self._reshaped: dict[tuple[int, Shape], int] = {}

    def tensor(self, block: Block, shape: Shape) -> int:
        """A new tensor; returns its number."""
        self._tensors.append(block)
        self.shapes.append(shape)
        return len(self._tensors) - 1

    def block(self, number: int) -> Block:
        """The bytes of a tensor."""
        return self._tensors[number]

    def constant(self, size: int, *widths: Segments) -> None:
        """Bytes in the file, and the widths that they grow with."""
        self._constants.append(grows(size, *widths))

    def step(self, layer: str, reads: Sequence[int], writes: Sequence[int]) -> Step:
        """A new step; returns it."""
        self._steps.append(Step(layer, tuple(reads), tuple(writes)))
        return self._steps[-1]

    def reshaped(self, number: int, shape: Shape, layer: str) -> int:
        """The number of a tensor in another shape, which is made once."""
        if (number, shape) not in self._reshaped:
            made = self.tensor(self._tensors[number], shape)
            self._reshaped[number, shape] = made
            self.numbers[self.step(layer, [number], [made])] = shape
        return self._reshaped[number, shape]

    def program(self, outputs: Sequence[int]) -> Int8Program:
        """The whole, with the numbers of the tensors that it puts out."""
        numbers = set(self.numbers.values())
        tensors = len(self._tensors) + len(self._constants) + len(numbers)
        held = SCALE * len(self._tensors) + sum(4 * len(one) for one in numbers)
        return Int8Program(
            tensors=tuple(self._tensors),
            steps=tuple(self._steps),
            outputs=tuple(outputs),
            constants=tuple(self._constants),
            overhead=MODEL + TENSOR * tensors + OPERATION * len(self._steps) + held,
        )


def grows(size: int, *widths: Segments) -> Block:
    """Bytes that grow with some widths, of which those that are not known are left out."""
    return Block(size, tuple(filter(None, widths)))

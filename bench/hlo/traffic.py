"""What a compiled program reads and computes: numbers, operations, kernels, copies to the host.

Counted from the text alone (``programs.parse``).
"""

import re
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from bench.hlo.programs import TAKING_PART, Array, Computation, Instruction, Program

FREE = (
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "call"),
    *("reshape", "opt-barrier", "after-all"),
)
"""What runs no kernel of its own: names, and loops, whose bodies are counted."""

HOST = ("infeed", "outfeed", "send", "recv", "copy-start", "async-start", "custom-call")
"""What copies to or from the host, or may."""

ARITHMETIC = (
    *("add", "subtract", "multiply", "divide", "maximum", "minimum", "compare", "select", "abs"),
    *("negate", "sqrt", "rsqrt", "exponential", "log", "power", "sign", "clamp"),
)
"""Operations on each number, counted as one each."""


class Dot(NamedTuple):
    """A product of matrices."""

    result: Array
    operands: tuple[Array, ...]
    summed: int  # numbers summed over for each of the result
    precision: str  # "highest,highest"; "" for the device's default

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.result.numbers * self.summed


class Counts(NamedTuple):
    """What one run of a program takes."""

    float32: int  # operations, those in narrower types among them
    float64: int
    launches: int  # kernels, those of a loop times its trips


def counts(program: Program) -> Counts:
    """Operations and kernels of one run."""
    float32 = float64 = launches = 0
    for instruction, computation, times in program.executed():
        if instruction.opcode in FREE:
            continue
        narrow, wide = _operations(program, instruction, computation)
        float32 += narrow * times
        float64 += wide * times
        launches += times
    return Counts(float32, float64, launches)


def dots(program: Program) -> list[Dot]:
    """Every product of the text, once."""
    return [_dot(i, c) for i, c in program.everything() if i.opcode == "dot"]


def host_copies(program: Program) -> list[str]:
    """What stops for the host or may: copies, foreign code, loops of unknown length.

    On an NVIDIA GPU, XLA copies the condition of a loop to the host at every trip, unless it knows
    how many there are.
    """
    found = []
    for instruction, _ in program.everything():
        loop = instruction.opcode == "while" and program.trips(instruction) is None
        if loop or instruction.opcode.startswith(HOST):
            found.append(f"{instruction.opcode} {instruction.name}")
    return found


def numbers_read(program: Program, kernel: Instruction, inside: Computation) -> dict[str, int]:
    """How many numbers a kernel reads of each operand."""
    reads: dict[str, int] = {}
    if kernel.opcode == "fusion":
        fused = program.computations[kernel.called("calls")]
        needed = _needed(fused)
        numbers = [needed[parameter.name] for parameter in fused.parameters]
    else:
        numbers = [i.numbers for i in inside.inputs(kernel)]
        if kernel.opcode in TAKING_PART:
            numbers[0] = kernel.numbers
    for operand, read in zip(kernel.operands, numbers, strict=True):
        own = inside.instructions[operand].numbers
        reads[operand] = min(own, reads.get(operand, 0) + read) if own != read else own
    return reads


def _needed(fused: Computation) -> dict[str, int]:
    """Of each instruction in a fusion, how many of its numbers are computed."""
    needed = dict.fromkeys(fused.instructions, 0)
    needed[fused.root] = fused.instructions[fused.root].numbers
    for instruction in reversed(fused.instructions.values()):
        own = needed[instruction.name]
        for position, operand in enumerate(fused.inputs(instruction)):
            share = own / max(1, instruction.numbers)
            takes_part = instruction.opcode in TAKING_PART and position == 0
            numbers = own if takes_part else round(share * operand.numbers)
            needed[operand.name] = min(operand.numbers, needed[operand.name] + numbers)
    return needed


def _operations(program: Program, kernel: Instruction, inside: Computation) -> tuple[int, int]:
    """Operations in float32 or narrower, and in float64, of one run of a kernel."""
    if kernel.opcode == "fusion":
        inside = program.computations[kernel.called("calls")]
        needed = _needed(inside)
        parts = [(i, needed[i.name]) for i in inside.instructions.values()]
    else:
        parts = [(kernel, kernel.numbers)]
    float32 = float64 = 0
    for instruction, numbers in parts:
        for dtype, operations in _of_one(instruction, inside, numbers):
            float64 += operations if dtype == "f64" else 0
            float32 += operations if dtype in ("f32", "bf16", "f16") else 0
    return float32, float64


def _of_one(
    instruction: Instruction, inside: Computation, numbers: int
) -> Iterator[tuple[str, int]]:
    inputs = inside.inputs(instruction)
    if instruction.opcode == "dot":
        dot = _dot(instruction, inside)
        yield dot.result.dtype, dot.operations
    elif instruction.opcode == "reduce":
        yield instruction.arrays[0].dtype, inputs[0].numbers
    elif instruction.opcode == "reduce-window":
        window = re.search(r"size=([\dx]+)", instruction.attributes)
        assert window is not None
        size = prod(int(n) for n in window[1].split("x"))
        yield instruction.arrays[0].dtype, numbers * size
    elif instruction.opcode in ARITHMETIC:
        # of a comparison the operands' dtype tells, not the result's
        yield inputs[-1].arrays[0].dtype, numbers


def _dot(instruction: Instruction, inside: Computation) -> Dot:
    left, right = (i.arrays[0] for i in inside.inputs(instruction))
    axes = re.search(r"lhs_contracting_dims=\{([\d,]*)\}", instruction.attributes)
    precision = re.search(r"operand_precision=\{([\w,]+)\}", instruction.attributes)
    summed = prod(left.shape[int(axis)] for axis in re.findall(r"\d+", axes[1] if axes else ""))
    return Dot(instruction.arrays[0], (left, right), summed, precision[1] if precision else "")

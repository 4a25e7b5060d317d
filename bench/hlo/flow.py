"""Where the inputs of a compiled program go: which kernels read them, which buffers copy them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from bench.hlo.programs import Array, Computation, Instruction, Program
from bench.hlo.traffic import FREE, numbers_read

REDUCING = ("dot", "reduce", "reduce-window", "convolution")
"""What sums over rows: its result is no copy of them."""


class Read(NamedTuple):
    """A kernel that reads an input of the program."""

    parameter: int
    kernel: str
    numbers: int  # in one run of the kernel
    times: int


class Copy(NamedTuple):
    """A buffer that holds an input, or a part of it, in another form: cast, shifted, transposed."""

    parameter: int
    kernel: str
    array: Array
    times: int


class Flow(NamedTuple):
    """Where inputs of a program go, up to the products and sums over them."""

    reads: list[Read]
    copies: list[Copy]


def flow(program: Program, parameters: Sequence[int]) -> Flow:
    """Which kernels read the given inputs, and which buffers are copies of them."""
    flow = Flow([], [])
    given = {(p.name, 0): (int(p.given), False) for p in program.entry.parameters}
    known = {place: value for place, value in given.items() if value[0] in parameters}
    _follow(program, program.entry, known, 1, flow)
    return flow


_Known = dict[tuple[str, int], tuple[int, bool]]
"""By an instruction's name and the place in its tuple: which input, and whether a copy of it."""


def _follow(program: Program, inside: Computation, known: _Known, times: int, found: Flow) -> None:
    for instruction in inside.instructions.values():
        name, opcode, operands = instruction.name, instruction.opcode, instruction.operands
        if opcode == "get-tuple-element":
            index = re.search(r"index=(\d+)", instruction.attributes)
            assert index is not None
            _pass(known, (operands[0], int(index[1])), (name, 0))
        elif opcode == "tuple":
            for place, operand in enumerate(operands):
                _pass(known, (operand, 0), (name, place))
        elif opcode in ("while", "call", "opt-barrier", "bitcast", "reshape"):
            for place in range(len(instruction.arrays)):
                _pass(known, (operands[0], place), (name, place))
            if opcode in ("while", "call"):
                _follow_inside(program, instruction, known, times, found)
        elif opcode not in FREE:
            _note(program, instruction, inside, known, times, found)


def _follow_inside(
    program: Program, caller: Instruction, known: _Known, times: int, found: Flow
) -> None:
    loop = caller.opcode == "while"
    inside = program.computations[caller.called("body" if loop else "to_apply")]
    within: _Known = {}
    if loop:
        (parameter,) = inside.parameters
        for place in range(len(parameter.arrays)):
            if (caller.operands[0], place) in known:
                within[parameter.name, place] = known[caller.operands[0], place]
    else:
        for parameter, operand in zip(inside.parameters, caller.operands, strict=True):
            if (operand, 0) in known:
                within[parameter.name, 0] = known[operand, 0]
    trips = (program.trips(caller) or 1) if loop else 1
    _follow(program, inside, within, times * trips, found)


def _pass(known: _Known, giver: tuple[str, int], taker: tuple[str, int]) -> None:
    if giver in known:
        known[taker] = known[giver]


def _note(
    program: Program,
    kernel: Instruction,
    inside: Computation,
    known: _Known,
    times: int,
    found: Flow,
) -> None:
    for operand, numbers in numbers_read(program, kernel, inside).items():
        if (operand, 0) not in known:
            continue
        parameter, copied = known[operand, 0]
        if not copied:
            found.reads.append(Read(parameter, kernel.name, numbers, times))
        if not _sums(program, kernel):
            found.copies.append(Copy(parameter, kernel.name, kernel.arrays[0], times))
            known[kernel.name, 0] = (parameter, True)


def _sums(program: Program, kernel: Instruction) -> bool:
    """Whether a kernel sums over what it reads."""
    if kernel.opcode != "fusion":
        return kernel.opcode in REDUCING
    fused = program.computations[kernel.called("calls")]
    return any(i.opcode in REDUCING for i in fused.instructions.values())

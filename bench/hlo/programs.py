"""XLA's text of a compiled program, as data: computations, instructions, loops.

The text comes from ``tf.function(..., jit_compile=True).experimental_get_compiler_ir(...)``: as
traced (stage "hlo"), or as compiled for this device ("optimized_hlo"), where each instruction
outside a fusion is a kernel that writes a buffer of its own.
"""

import re
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

TAKING_PART = ("slice", "dynamic-slice", "gather")
"""Instructions that read only as much of their first operand as they put out."""


class Array(NamedTuple):
    """An array that an instruction puts out."""

    dtype: str  # XLA's name, such as "f32"
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


class Instruction(NamedTuple):
    """One line of a computation."""

    name: str
    opcode: str
    arrays: tuple[Array, ...]  # several if it puts out a tuple
    operands: tuple[str, ...]  # names of instructions of the same computation
    given: str  # what stands in the parentheses: a parameter's number, a constant's value
    attributes: str  # what follows them

    @property
    def numbers(self) -> int:
        """How many numbers it puts out."""
        return sum(array.numbers for array in self.arrays)

    def called(self, attribute: str) -> str:
        """The computation that an attribute such as ``calls`` or ``body`` names."""
        found = re.search(rf"\b{attribute}=%?([\w.\-]+)", self.attributes)
        if found is None:
            raise ValueError(f"{self.opcode} {self.name} has no {attribute}=")
        return found[1]


class Computation(NamedTuple):
    """A function of the program: its entry, a loop's body, or the inside of a fusion."""

    name: str
    instructions: dict[str, Instruction]  # in an order in which they can be evaluated
    root: str

    @property
    def parameters(self) -> list[Instruction]:
        """In the order in which they are passed."""
        found = [i for i in self.instructions.values() if i.opcode == "parameter"]
        return sorted(found, key=lambda parameter: int(parameter.given))

    def inputs(self, instruction: Instruction) -> list[Instruction]:
        """The instructions whose results it takes."""
        return [self.instructions[name] for name in instruction.operands]


class Executed(NamedTuple):
    """An instruction outside fusions, and how often it runs."""

    instruction: Instruction
    computation: Computation
    times: int


class Program(NamedTuple):
    """A parsed program."""

    computations: dict[str, Computation]
    entry: Computation

    def executed(self) -> Iterator[Executed]:
        """Every instruction outside fusions and reductions, those of loops times their trips."""
        return self._executed(self.entry, 1)

    def trips(self, loop: Instruction) -> int | None:
        """How often the body of a ``while`` runs; None if the text does not tell."""
        known = re.search(r'"known_trip_count":\{"n":"(\d+)"', loop.attributes)
        if known:
            return int(known[1])
        limits = self._constants(self.computations[loop.called("condition")])
        # our loops count from 0 in steps of 1 to a constant, which stands alone in the condition
        return limits[0] if len(limits) == 1 else None

    def everything(self) -> Iterator[tuple[Instruction, Computation]]:
        """All instructions of the text, once."""
        for computation in self.computations.values():
            for instruction in computation.instructions.values():
                yield instruction, computation

    def _executed(self, computation: Computation, times: int) -> Iterator[Executed]:
        for instruction in computation.instructions.values():
            yield Executed(instruction, computation, times)
            if instruction.opcode == "while":
                trips = self.trips(instruction)
                if trips is None:
                    raise ValueError(f"how often the loop {instruction.name} runs is not known")
                body = self.computations[instruction.called("body")]
                yield from self._executed(body, times * trips)
            elif instruction.opcode == "call":
                called = self.computations[instruction.called("to_apply")]
                yield from self._executed(called, times)

    def _constants(self, computation: Computation) -> list[int]:
        found = []
        for instruction in computation.instructions.values():
            if instruction.opcode == "constant" and instruction.arrays[0].dtype == "s32":
                found.append(int(instruction.given))
            elif instruction.opcode in ("call", "fusion"):
                attribute = "to_apply" if instruction.opcode == "call" else "calls"
                found += self._constants(self.computations[instruction.called(attribute)])
        return found


def parse(text: str) -> Program:
    """A program from its text.

    Raises:
        ValueError: the text has no entry, or a line that looks like no instruction.
    """
    computations: dict[str, Computation] = {}
    entry = None
    lines: list[str] = []
    for line in _without_remarks(text).splitlines():
        header = re.match(r"(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$", line)
        if header:
            name, lines = header[2], []
            entry = name if header[1] else entry
        elif line == "}":
            computations[name] = _computation(name, lines)
        elif line.strip():
            lines.append(line)
    if entry is None:
        raise ValueError("the text has no ENTRY: pass what stage='hlo' or 'optimized_hlo' gives")
    return Program(computations, computations[entry])


def _without_remarks(text: str) -> str:
    return re.sub(r"/\*.*?\*/|, metadata=\{[^}]*\}", "", text)


def _computation(name: str, lines: list[str]) -> Computation:
    parsed = [_instruction(line) for line in lines]
    roots = [i.name for i, line in zip(parsed, lines, strict=True) if "ROOT " in line]
    return Computation(name, {i.name: i for i in parsed}, roots[0] if roots else parsed[-1].name)


def _instruction(line: str) -> Instruction:
    found = re.match(r"\s*(?:ROOT )?%?(\S+) = (.*)", line)
    if found is None:
        raise ValueError(f"not an instruction: {line}")
    name, rest = found.groups()
    shapes, rest = _in_parentheses(rest) if rest.startswith("(") else rest.split(" ", 1)
    opcode, bracket, rest = rest.strip().partition("(")
    given, attributes = _in_parentheses(bracket + rest)
    given = given[1:-1]
    operands = re.findall(r"%([\w.\-]+)", given)
    arrays = [
        Array(dtype, tuple(int(n) for n in re.findall(r"\d+", shape)))
        for dtype, shape in re.findall(r"(\w+)\[([^\]]*)\]", shapes)
    ]
    return Instruction(name, opcode, tuple(arrays), tuple(operands), given, attributes)


def _in_parentheses(text: str) -> tuple[str, str]:
    """What ``text`` begins with, up to the parenthesis that closes its first; and the rest."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[: position + 1], text[position + 1 :]
    raise ValueError(f"a parenthesis is not closed: {text}")

"""``python -m bench.gpu.export FOLDER`` writes the programs of readings as lowered for a GPU.

They are ``absorb`` and ``measure`` as nasmon gives them to a GPU, the tapped forward pass of the
network, and the eigenvalues alone of a few batches; with each what TensorFlow puts out for the same
inputs here.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import tensorflow as tf

from bench.gpu.agreement import thin
from bench.gpu.command_line import Parser, WrongUseError, run_command
from bench.gpu.folder import Program, fingerprint, write_list, write_program
from bench.gpu.inputs import Input, draw
from bench.gpu.networks import CHUNKS, NETWORKS, forward_of
from nasmon.kernels.compiled import CompiledKernels
from nasmon.kernels.devices import GPU
from nasmon.kernels.spectrum import eigenvalues

BATCHES = ("16x64", "8x128", "16x256", "11x512", "7x1024", "4x1568")
"""Layers x channels whose eigenvalues are measured alone: those of ResNet-50, and narrower ones."""

ROWS = 4096
"""Rows behind a drawn covariance."""

SUMS = 1e-5
"""Of sums over up to 8,000 rows in float32, in another order: eps times the root of their number;
of measures, eps times the condition number of the drawn covariances, and some."""

SPECTRA = 1e-11
"""Of eigenvalues in float64, of the largest: the 1,000 to 2,000 roundings of each."""


class Writer:
    """Writes programs into a folder one by one, and the list of them.

    Args:
        folder: made if it is not there.
        checked: whether to run each program here, to have something to compare with. It takes
            minutes for wide networks, and a folder that is only counted does not need it.
    """

    def __init__(self, folder: Path, checked: bool = True) -> None:
        self._folder, self._checked = folder, checked
        self._programs: list[Program] = []
        folder.mkdir(parents=True, exist_ok=True)

    def write(
        self,
        of: str,
        part: str,
        function: Any,
        structure: Sequence[Any],
        inputs: Sequence[Input],
        tolerance: float | None,
        scale: str = "largest",
    ) -> None:
        """Writes ``function(*structure)``, whose flat arguments are ``inputs``."""
        tolerance = tolerance if self._checked else None
        if tolerance is None:
            flat = [tf.zeros(each.shape, each.dtype) for each in inputs]
        else:
            flat = [tf.constant(draw(each)) for each in inputs]
        arguments = tf.nest.pack_sequence_as(list(structure), flat)
        lowered = function.experimental_get_compiler_ir(*arguments)
        module = lowered(stage="hlo_serialized", platform_name="GPU")
        mark = fingerprint(lowered(stage="hlo", platform_name="GPU"))
        program = Program(of, part, mark, tuple(inputs), tolerance, scale)
        outputs = [] if tolerance is None else tf.nest.flatten(function(*arguments))
        write_program(self._folder, program, module, [thin(each.numpy()) for each in outputs])
        self._programs.append(program)
        write_list(self._folder, self._programs)
        print(f"{program.name}: {len(module) / 1024:.0f} kB, {len(inputs)} inputs", flush=True)


def export_network(writer: Writer, name: str, model: keras.Model) -> None:
    """All programs of a reading of a model.

    The forward pass is the model's own, and convolutions on a GPU are coarser than on a CPU: it is
    only timed.
    """
    forward = forward_of(model)
    weights = [_input("weights", spec, seed) for seed, spec in enumerate(forward.arguments)]
    weights[0] = weights[0]._replace(kind="rows")  # the inputs of the network
    writer.write(name, "forward", forward.function, forward.arguments, weights, None)

    channels, rows = [c for _, c in forward.rows], [n * CHUNKS for n, _ in forward.rows]
    kernels = CompiledKernels(channels, rows, device=GPU)
    states = kernels.empty()
    zeros = [_input("constant", leaf)._replace(value=0) for leaf in tf.nest.flatten(states)]
    chunk = tuple((tf.TensorSpec(shape),) for shape in forward.rows)
    drawn = [_input("rows", spec, seed) for seed, spec in enumerate(tf.nest.flatten(chunk))]
    writer.write(name, "absorb", kernels._absorb, (states, chunk), [*zeros, *drawn], SUMS)

    filled = [each for state in states for each in _filled(state)]
    writer.write(name, "measure", kernels._measure, (states,), filled, SUMS, scale="each")


def export_eigenvalues(writer: Writer, batch: str) -> None:
    """The eigenvalues alone of a batch such as "16x64"."""
    layers, channels = map(int, batch.split("x"))
    solve = tf.function(lambda m: eigenvalues(m, GPU), jit_compile=True, autograph=False)
    matrices = tf.TensorSpec((layers, channels, channels), tf.float64)
    writer.write(
        batch, "eigenvalues", solve, (matrices,), [_input("covariances", matrices)], SPECTRA
    )


def _input(kind: str, tensor: Any, seed: int = 0) -> Input:
    """An argument like a tensor or a specification."""
    dtype = np.dtype(tensor.dtype.as_numpy_dtype).name
    return Input(kind, tuple(tensor.shape.as_list()), dtype, seed)


def _filled(state: Any) -> list[Input]:
    """What the state of a batch of layers may hold after a reading, told by shapes and dtypes."""
    leaves = tf.nest.flatten(state)
    squares = [leaf.shape.rank == 3 and leaf.shape[-1] == leaf.shape[-2] for leaf in leaves]
    # where rows themselves are kept there are no more than have room
    rooms = [leaf.shape[-2] for leaf in leaves if leaf.shape.rank == 3]
    rows = ROWS if any(squares) else rooms[0]
    inputs = []
    for seed, (leaf, square) in enumerate(zip(leaves, squares, strict=True)):
        if leaf.dtype.is_integer:
            inputs.append(_input("constant", leaf)._replace(value=rows))
        elif square:
            inputs.append(_input("covariances", leaf, seed)._replace(value=rows - 1))
        else:
            inputs.append(_input("rows", leaf, seed))
    return inputs


def build_parser() -> Parser:
    """The command line."""
    parser = Parser("export", __doc__)
    parser.add_folder("where to write; made if it is not there")
    parser.add_argument(
        "--network",
        nargs="*",
        metavar="NAME",
        default=list(NETWORKS),
        help=f"networks whose readings to write (default: {' '.join(NETWORKS)})",
    )
    parser.add_argument(
        "--batch",
        nargs="*",
        metavar="LAYERSxCHANNELS",
        default=list(BATCHES),
        help=f"batches of which to write the eigenvalues alone (default: {' '.join(BATCHES)})",
    )
    parser.add_argument(
        "--only-to-count",
        action="store_true",
        help="run nothing here: there will be nothing to compare with",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and ends the process: 0 when done, 2 for wrong use."""
    run_command(build_parser(), _export, arguments)


def _export(given: argparse.Namespace) -> int:
    for name in given.network:
        if name not in NETWORKS:
            raise WrongUseError(f"--network is {name!r}; use some of {', '.join(NETWORKS)}")
    for batch in given.batch:
        if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", batch):
            raise WrongUseError(f"--batch is {batch!r}; write layers x channels, as in 16x64")
    if not given.network and not given.batch:
        raise WrongUseError("there is nothing to write; name a --network or a --batch")
    try:
        writer = Writer(given.folder, checked=not given.only_to_count)
    except OSError as error:
        raise WrongUseError(f"{given.folder} cannot be made a folder ({error.strerror})") from None
    for name in given.network:
        export_network(writer, name, NETWORKS[name]())
    for batch in given.batch:
        export_eigenvalues(writer, batch)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``python -m bench.gpu.page`` writes bench/GPU.md from bench/gpu.csv and bench/gpu_counts.csv."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from bench.gpu.command_line import Parser, run_command
from bench.gpu.cost import BY_THE_HOST, IN_GRAPHS
from bench.gpu.page_tables import (
    MEASURED_READINGS,
    cards,
    counts_table,
    eigenvalues_table,
    measured_table,
    readings_table,
    standing,
    table,
)
from bench.gpu.tables import COUNTED, MEASURED, Counted, Measured, read

PAGE = Path(__file__).parent.with_name("GPU.md")


def page(measured: Sequence[Measured], counted: Sequence[Counted]) -> str:
    """The text of GPU.md."""
    rows: dict[str, list[Measured]] = {kind: [] for kind in (*MEASURED_READINGS, "earlier", "")}
    for row in measured:
        rows[standing(row, counted)].append(row)
    others = [row for row in rows[""] if row.part != "eigenvalues"]
    return TEXT.format(
        least=IN_GRAPHS[0],
        most=IN_GRAPHS[1],
        host=BY_THE_HOST,
        compilers=", ".join(sorted({row.compiler for row in counted})) or "nothing yet",
        days=", ".join(sorted({row.date for row in counted})),
        counts=counts_table(counted),
        readings=readings_table(measured, counted),
        now=measured_table(rows["now"], counted) if rows["now"] else NOTHING,
        earlier=measured_table(_of_readings(rows["earlier"])),
        prototype=measured_table(_of_readings(rows["prototype"])),
        eigenvalues=eigenvalues_table(measured, counted),
        others=table(
            *("of", "what", "", "ms", "runner", "note"),
            rows=[(r.of, r.part, r.variant, r.milliseconds, r.runner, r.note) for r in others],
        ),
        cards=cards(measured),
    )


def _of_readings(rows: Sequence[Measured]) -> list[Measured]:
    return [row for row in rows if row.part != "eigenvalues"]


NOTHING = """None of it yet, and so no prediction was checked: no row of `gpu.csv` has the
fingerprint of a program that was counted."""

TEXT = """# On a GPU

TensorFlow itself has not been run on a GPU with nasmon. What has: TensorFlow lowered nasmon's
programs for a GPU (`platform_name="GPU"`), and JAX, which has the same XLA inside though not the
same build of it, compiled and ran them on a real one, with inputs drawn from seeds. Their results
were compared with TensorFlow's on a CPU, and agreed.

Measured on: {cards}.

This page says which figures are measured and which are predicted, and of which program: the one as
it is now, an earlier one, or a prototype that is no part of nasmon. A measured row is of the
program as it is now where its fingerprint is that of the program that was counted.

## Counted, and predicted: the program as it is now

What one run of each program launches, as compiled for an H100 that is not there ({compilers};
{days}). Library calls are convolutions, mostly. The host hands over a CUDA graph as one, so
submissions are what it has to do.

The predictions are of launching alone: {least} to {most} us a launch, or {host} us in a program
that XLA puts nothing of into CUDA graphs, as measured on an H100 with programs of many small
kernels. They are the least that a reading can take. Arithmetic and memory take longer in `forward`
and `absorb`, and in spectra of 512 channels and more, so that readings of MobileNetV2 and ResNet-50
will take well more than this.

{counts}

A whole reading in ms, two chunks of 16 samples: predicted, but for the forward passes, which are
the network's own and were measured; and measured as a whole, where all its parts were.

{readings}

## Measured: the program as it is now

{now}

## Measured: earlier programs

What nasmon gave a GPU before: "spectra" and "metrics" were programs of their own, and the spectra
of layers wider than 128 channels, which are not in these figures, were left to cuSOLVER, one after
the other. Predicted is by the launches that the profiler saw.

{earlier}

## Measured: the prototype

It showed what nasmon might do on a GPU, and is no part of it.

{prototype}

What is counted without a GPU is what the profiler saw on one: 525 launches (nano_u's `measure`,
prototype), 604 (ResNet-50's `absorb`), 1,662 and 3,901 (spectra of nano_u and MobileNetV2), 28,155
(MobileNetV2's `measure`, prototype); of nano_u's `absorb` 69 were counted and 71 seen.

## Eigenvalues alone, float64

In ms. "before" is nasmon's kernel as it was; cuSOLVER one by one is what TensorFlow's own kernel
does. An empty cell was not measured.

{eigenvalues}

## Beside a reading

{others}

## Again

```bash
make bench-gpu
```

exports the programs, counts them with JAX's compiler, which needs no GPU but an environment of its
own (`.venv-gpu`, which make fills with `jax[cuda13]`, some GB), and writes this page.

To measure, export with expected results where nasmon is installed; it takes minutes:

```bash
python -m bench.gpu.export build/gpu
```

Then, on a machine with an NVIDIA GPU, in an environment of `pip install 'jax[cuda13]'` and a folder
that holds `bench/gpu` and what was exported:

```bash
python -m bench.gpu.run build/gpu
```

It adds to `bench/gpu.csv`; `python -m bench.gpu.page` writes this page from it. Without a GPU,
`run` checks the programs on JAX's CPU backend (`pip install '.[gpu-bench]'`, beside nasmon).
"""


def build_parser() -> Parser:
    """The command line."""
    return Parser("page", __doc__)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and ends the process: 0 when done, 2 for a table that is none."""
    run_command(build_parser(), _write, arguments)


def _write(given: argparse.Namespace) -> int:
    PAGE.write_text(page(read(MEASURED, Measured), read(COUNTED, Counted)), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

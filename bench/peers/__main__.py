"""``python -m bench.peers``: measures, writes the section, and fails if the target is missed."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.peers import contenders
from bench.peers.costs import TARGET, Cost, compare, cost_of
from bench.peers.schedule import Pair
from bench.peers.section import write
from bench.peers.turns import Worker, quiet_environment
from bench.results import RESULTS

ROUNDS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures all contenders.

    Returns:
        0, or 1 if the target is missed.
    """
    given = build_parser().parse_args(arguments)
    quiet_environment()
    costs = measure(given.rounds)
    compared = compare(costs)
    write(costs, compared, given.rounds, given.results)
    for comparison in compared:
        print(comparison)
    missed = sum(not comparison.met for comparison in compared)
    if missed:
        print(
            f"the target of {TARGET} times is not met in {missed} of {len(compared)} comparisons",
            file=sys.stderr,
        )
    return 1 if missed else 0


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--rounds", type=_rounds, default=ROUNDS, help="default: %(default)s")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="file whose section is replaced"
    )
    return parser


def measure(rounds: int) -> list[Cost]:
    """The costs of all variants of all contenders, which take turns."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        # in this order: nasmon leaves the reference, and says how many samples it takes
        nasmon = stack.enter_context(Worker(contenders.nasmon, folder))
        frequent, epoch, *_ = nasmon.variants
        numpy = stack.enter_context(Worker(contenders.numpy, (frequent.samples, epoch.samples)))
        delve = stack.enter_context(Worker(contenders.delve, folder))
        workers = (nasmon, delve, numpy)
        taken: list[list[Pair]] = []
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            taken.append([pair for worker in workers for pair in worker.round(number)])
    variants = [variant for worker in workers for variant in worker.variants]
    return [cost_of(v, p) for v, p in zip(variants, zip(*taken, strict=True), strict=True)]


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < 2:
        raise argparse.ArgumentTypeError(f"{rounds} rounds tell no spread; give at least 2")
    return rounds


if __name__ == "__main__":
    sys.exit(main())

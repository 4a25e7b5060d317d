"""The options of a command by which an advice is asked for."""

import argparse

from nasmon.analysis.command_line import Parser, counting_number
from nasmon.analysis.recommend.advice import ROUND_TO
from nasmon.analysis.recommend.planned import Asked
from nasmon.narrowing.budgets import budget_of
from nasmon.widths.objectives import OBJECTIVES


def add_asked(parser: Parser) -> None:
    """Adds the options."""
    for objective in OBJECTIVES:
        parser.add_argument(
            f"--{objective.name}",
            metavar="N",
            help=f"widths for at most so many {objective.unit}, a number or a share of today's",
        )
    parser.add_argument(
        "--keep", nargs="+", default=[], metavar="NAME", help="layers whose widths stay"
    )
    parser.add_argument("--min-width", default="1", metavar="N", help="the least width")
    parser.add_argument(
        "--round-to",
        metavar="N",
        help="round suggested widths to multiples of N (default: 1; where the run does not tell "
        f"what fewer channels would lose {ROUND_TO}, but for layers of at most twice as many)",
    )


def asked_for(parsed: argparse.Namespace) -> Asked:
    """What is asked for.

    Raises:
        UsageError: a value that cannot be.
    """
    given = {one.name: getattr(parsed, one.name) for one in OBJECTIVES}
    return Asked(
        budgets={
            name: budget_of(name, text, f"--{name}")
            for name, text in given.items()
            if text is not None
        },
        keep=tuple(parsed.keep),
        min_width=counting_number("--min-width", parsed.min_width),
        round_to=counting_number("--round-to", parsed.round_to) if parsed.round_to else None,
    )

"""The command line of ``python -m analysis.plot``."""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from nasmon.analysis.command_line import Parser, run_command, run_numbers, say_notes
from nasmon.analysis.newest import run_of
from nasmon.analysis.plot.files import (
    Picture,
    check_paths,
    drawable,
    file_type_of,
    kinds_drawn,
    pictures_in,
    write,
)
from nasmon.analysis.plot.kinds import FILE_TYPES, KINDS, Options
from nasmon.analysis.run import Run
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.terminal import printable, printed

FOLDER = "plots"
"""Where pictures go if no place is given."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command and ends the process: 0 when drawn, 2 for input it cannot use.

    Args:
        arguments: the command line without the program's name; None for the process's own.
    """
    parser = build_parser()
    run_command(parser, lambda parsed: _plot(parser, parsed), arguments)


def build_parser() -> Parser:
    """The options of the command."""
    parser = Parser("plot", "Draw what a recorded run tells, or several runs side by side.")
    parser.epilog = "plot types: " + "; ".join(f"{k.name}: {k.shows}" for k in KINDS.values())
    which = parser.add_mutually_exclusive_group()
    parser.add_run(which)
    which.add_argument(
        "--compare", nargs="+", metavar="PATH", help="CSVs of two runs or more: draw a comparison"
    )
    parser.add_argument(
        "--output", metavar="FILE", help="the picture's file, ending in .png, .svg or .pdf"
    )
    parser.add_argument(
        "--output-dir", metavar="DIR", help=f"folder of the pictures (default: {FOLDER})"
    )
    parser.add_argument("--all", action="store_true", help="draw all types that the run allows")
    parser.add_argument(
        "--plot-type",
        metavar=f"{{{','.join(KINDS)}}}",
        help="what to draw (default: dashboard, or comparison with --compare)",
    )
    parser.add_argument(
        "--model-name", nargs="+", metavar="NAME", help="name in the titles, one for each CSV"
    )
    parser.add_argument(
        "--recommendations",
        action="store_true",
        help="print the recommendations too; only them, if nothing to draw is asked for",
    )
    parser.add_argument(
        "--metric", metavar="NAME", help="what plot type layers shows (default: saturation)"
    )
    parser.add_argument(
        "--layers",
        nargs="+",
        metavar="PATTERN",
        help="only these layers in plot types layers, spectrum and widths, such as 'encoder/*'",
    )
    parser.add_config()
    parser.add_argument(
        "--file-type",
        metavar=f"{{{','.join(FILE_TYPES)}}}",
        help=f"of pictures in --output-dir (default: {FILE_TYPES[0]})",
    )
    return parser


def _plot(parser: Parser, parsed: argparse.Namespace) -> None:
    _check_values(parsed)
    _check_together(parsed)
    kinds = _kinds(parsed)
    say_notes(parser, _idle_flags(parsed, kinds))
    runs = _runs(parsed)
    thresholds = runs[0].thresholds(parsed.config)
    pictures, left_out = drawable(_pictures(parsed, runs, kinds), leave_out=parsed.all)
    check_paths(pictures, runs, "--output" if parsed.output else "--output-dir")
    say_notes(parser, left_out)
    for picture in pictures:
        write(picture, thresholds)
        printed(printable(str(picture.path)))
    if parsed.recommendations:
        _recommend(runs, parsed.config)
    say_notes(parser, [note for run in runs for note in run.notes])


def _check_values(parsed: argparse.Namespace) -> None:
    for flag, value, allowed in (
        ("--plot-type", parsed.plot_type, tuple(KINDS)),
        ("--metric", parsed.metric, METRIC_NAMES),
        ("--file-type", parsed.file_type, FILE_TYPES),
    ):
        if value is not None and value not in allowed:
            raise UsageError(f"{flag} is {value!r}; use one of {', '.join(allowed)}")
    if parsed.output is not None:
        file_type_of(Path(parsed.output))


def _check_together(parsed: argparse.Namespace) -> None:
    """Checks what no option can alone, before any file is read."""
    compared = parsed.compare or []
    if parsed.all and parsed.plot_type:
        raise UsageError("--all draws every type; leave out --plot-type, or --all")
    if parsed.all and parsed.output:
        raise UsageError("--all writes several files; pass --output-dir instead of --output")
    if parsed.output and parsed.output_dir:
        raise UsageError("--output names the file and --output-dir a folder; pass one of them")
    if parsed.plot_type == "comparison" and not compared:
        raise UsageError("--plot-type comparison needs two runs; pass --compare PATH PATH")
    if parsed.plot_type not in (None, "comparison") and compared:
        raise UsageError(
            f"--compare draws a comparison, not {parsed.plot_type}; pass --csv PATH for that, or "
            "--all for everything"
        )
    if len(compared) == 1:
        raise UsageError(f"--compare has only {compared[0]}; give two runs or more")
    numbers = run_numbers(parsed.run, max(1, len(compared)))
    paths = (Path(path).resolve() for path in compared)
    twice = Counter(zip(paths, numbers, strict=False)).most_common(1)
    if twice and twice[0][1] > 1:
        raise UsageError(
            f"--compare has {twice[0][0][0].name} twice; give different runs, "
            "or two of one file with --run"
        )
    names, runs = len(parsed.model_name or ()), max(1, len(compared))
    if names not in (0, runs):
        raise UsageError(f"--model-name has {names} names for {runs} CSV; give one for each")


def _kinds(parsed: argparse.Namespace) -> list[str]:
    asked = (parsed.plot_type, parsed.output, parsed.output_dir, parsed.all, parsed.compare)
    if parsed.recommendations and not any(asked):
        return []
    return kinds_drawn(parsed.plot_type, parsed.all, bool(parsed.compare))


def _idle_flags(parsed: argparse.Namespace, kinds: Sequence[str]) -> list[str]:
    """Options without effect: better said than wondered about."""
    idle = []
    if parsed.metric and "layers" not in kinds:
        idle.append("--metric has no effect without --plot-type layers")
    if parsed.layers and not {"layers", "spectrum", "widths"} & set(kinds):
        idle.append("--layers has no effect without --plot-type layers, spectrum or widths")
    if parsed.file_type and (parsed.output or not kinds):
        idle.append("--file-type has no effect without --output-dir")
    return idle


def _runs(parsed: argparse.Namespace) -> list[Run]:
    paths = parsed.compare or [parsed.csv]
    names = parsed.model_name or [None] * len(paths)
    numbers = run_numbers(parsed.run, len(paths))
    return [run_of(*which) for which in zip(paths, names, numbers, strict=True)]


def _pictures(
    parsed: argparse.Namespace, runs: Sequence[Run], kinds: Sequence[str]
) -> list[Picture]:
    chosen = Options(
        metric=parsed.metric or Options().metric,
        layers=tuple(parsed.layers or ()),
        others=tuple(runs[1:]),
    )
    if parsed.output:
        return [Picture(kind, runs[0], chosen, Path(parsed.output)) for kind in kinds]
    folder = Path(parsed.output_dir or FOLDER)
    return pictures_in(folder, runs, kinds, chosen, parsed.file_type or FILE_TYPES[0])


def _recommend(runs: Sequence[Run], config: Path | None) -> None:
    # not needed to draw
    from nasmon.analysis.recommend.command import advice_text

    for run in runs:
        printed(advice_text(run, config))

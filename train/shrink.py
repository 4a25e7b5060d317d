"""``python -m train.shrink``: a trained model and a budget to a smaller model, fine-tuned."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from nasmon.acceptance import main_metric
from nasmon.command_parser import OneLineParser
from nasmon.errors import UsageError
from nasmon.record.rebuild import typed_module, typed_python
from nasmon.rich_print import print_parts
from nasmon.terminal import printable, say
from nasmon.text_table import aligned
from nasmon.train.options import all_options
from nasmon.train.outputs import TrainingInterrupted
from nasmon.train.process import EXIT_CODE, exit_on_interrupt, load_tensorflow
from nasmon.train.shrink_job import OWN_FLAGS, Job, job_of
from nasmon.widths.objectives import OBJECTIVES

if TYPE_CHECKING:
    from nasmon.narrowing.plan import WidthPlan
    from nasmon.record.shrunk import ShrunkRecord
    from nasmon.train.outputs import Outputs
    from nasmon.train.shrinking import Made


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process.

    Exit code 0 when done, accepted or not; 2 when the user's input cannot be used; 130 after
    Ctrl-C.

    Args:
        arguments: The command line without the program's name; None for the process's own.
    """
    exit_on_interrupt("shrink")
    parsed = build_parser().parse_args(arguments)
    try:
        made = _shrink(job_of(parsed))
    except UsageError as error:
        say("shrink", f"error: {error}")
        sys.exit(2)
    except TrainingInterrupted as stop:
        saved = ", ".join(str(path) for path in stop.run.outputs.files if path.exists())
        sys.stderr.write(f"\nshrink: interrupted; what there is, is saved: {saved}\n")
        sys.exit(EXIT_CODE)
    except KeyboardInterrupt:
        sys.stderr.write("\nshrink: interrupted\n")
        sys.exit(EXIT_CODE)
    if len(made) > 1:
        print(f"\n{_front(made)}")
    print("next:")
    for one in made:
        for module, flag, path in (
            ("nasmon.analysis.report", "--csv", one.outputs.metrics),
            ("nasmon.train.export", "--model", one.outputs.model),
        ):
            command = [typed_python(), "-m", typed_module(module), flag, str(path)]
            print(f"  {printable(shlex.join(command))}")
    sys.exit(0)


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = OneLineParser(
        "shrink",
        "nasmon.train.shrink",
        description="Make a trained segmentation model smaller: narrow it to a budget, carry its "
        "weights over, fine-tune it under the monitor, and say whether it does as well.",
        epilog="A budget is a number, or a share of today's: --params 7500, --params 0.25. Several "
        "give a model each. The model's own file is never changed.",
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="the model, a .keras file")
    for objective in OBJECTIVES:
        parser.add_argument(
            f"--{objective.name}", nargs="+", metavar="N", help=f"the most {objective.unit}"
        )
    parser.add_argument(
        "--spare", action="store_true", help="take out what is spare, which costs next to nothing"
    )
    flags = {key: option.flag for key, option in all_options()}
    for key, help_ in OWN_FLAGS.items():
        metavar = flags[key].rpartition("-")[2].upper()
        parser.add_argument(flags[key], dest=key, metavar=metavar, help=help_)
    parser.add_argument(
        "--accept",
        metavar="RULE",
        help="how much a metric may change, such as 'miou >= -0.01' (the default)",
    )
    parser.add_argument(
        "--accept-on",
        choices=("float32", "int8"),
        default="float32",
        help="judge the models as they are, or both as 8-bit integers (default: float32)",
    )
    parser.add_argument(
        "--seeds",
        default="1",
        metavar="N",
        help="train each smaller model so many times, and judge the mean (default: 1)",
    )
    parser.add_argument(
        "--prove",
        action="store_true",
        help="also train what a sceptic would have: the same widths from scratch, for as long",
    )
    parser.add_argument(
        "--search",
        default="0",
        metavar="N",
        help="widths to try beside those of all layers scaled alike, an epoch each (default: 0)",
    )
    parser.add_argument(
        "--keep", nargs="+", default=[], metavar="NAME", help="layers whose widths stay"
    )
    parser.add_argument("--round-to", default="1", metavar="N", help="widths are multiples of it")
    parser.add_argument("--min-width", default="1", metavar="N", help="the least width")
    parser.add_argument("--csv", metavar="FILE", help="the CSV of the model's run under nasmon")
    parser.add_argument("--config", metavar="FILE", help="YAML file, as for python -m train")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the files of an earlier run"
    )
    return parser


def _shrink(job: Job) -> list[Made]:
    load_tensorflow()
    from nasmon.train.shrinking import shrink_and_save

    return shrink_and_save(job, _announce, _say, _say_rivals)


def _announce(outputs: Outputs, plan: WidthPlan) -> None:
    """What is made next, before it is trained."""
    print(f"\n{outputs.model}")
    print_parts(plan.parts())
    print(flush=True)


def _say(made: Made, job: Job) -> None:
    """What came of one budget."""
    record = made.record
    print()
    if record.searched is not None:
        print(f"search: {record.searched}\n{record.plan}\n")
    print("\n".join(aligned(_metrics_table(record))))
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in record.seconds.items() if value)
    print(f"took: {seconds}")
    word = {True: "accepted", False: "reverted", None: "not judged"}[record.accepted]
    advice = f"stay with {job.model}; the smaller one is {made.outputs.model}"
    if record.accepted:
        advice = f"use {made.outputs.model}"
    print(f"{word}: {record.decided_by}\n{advice}", flush=True)


def _say_rivals(made: Made) -> None:
    """What came of other ways to a model as small."""
    for rival in made.record.rivals:
        print(f"{rival.name}: {rival.words}", flush=True)


def _metrics_table(record: ShrunkRecord) -> list[list[str]]:
    """A metric a row."""
    found = [record.before, record.carried, record.after]
    head = ["", "before", "carried over", "after"]
    if record.int8 is not None:
        found += [record.int8.before, record.int8.after]
        head += ["int8 before", "int8 after"]
    rows = [[name, *(f"{metrics[name]:.4g}" for metrics in found)] for name in record.before]
    if record.int8 is not None:
        in_bytes = [one for one in OBJECTIVES if one.in_bytes]
        rows += [
            [one.unit, "", "", "", "", f"{getattr(record.int8, one.name):,}"] for one in in_bytes
        ]
    return [head, *rows]


def _front(made: Sequence[Made]) -> str:
    """All budgets in a table."""
    record = made[0].record
    metric, most = main_metric(record.before), record.plan.before.params or 1
    rows = [["model", "parameters", "of before", metric, "accepted"]]
    rows.append(["before", str(most), "100.0 %", f"{record.before[metric]:.4g}", ""])
    for one in made:
        share = f"{100 * one.record.params / most:.1f} %"
        accepted = "yes" if one.record.accepted else "no"
        after = f"{one.record.after[metric]:.4g}"
        rows.append([str(one.outputs.model), str(one.record.params), share, after, accepted])
    return "\n".join(aligned(rows))


if __name__ == "__main__":
    main()

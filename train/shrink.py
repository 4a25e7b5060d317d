"""``python -m train.shrink``: a trained model and a budget to a smaller model, fine-tuned."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from nasmon.errors import UsageError
from nasmon.record.files import metrics_path, record_path
from nasmon.record.rebuild import typed_program
from nasmon.record.run import Record, read_record
from nasmon.record.shrunk import ShrunkRecord, metrics_table
from nasmon.text_table import aligned
from nasmon.train.cli import build_parser as training_parser
from nasmon.train.cli import given_options
from nasmon.train.config import resolve_settings
from nasmon.train.data.image_folder import check_image_folder
from nasmon.train.options import Settings, all_options
from nasmon.train.outputs import TrainingInterrupted
from nasmon.train.process import EXIT_CODE, exit_on_interrupt, quiet_start
from nasmon.values import not_text, whole
from nasmon.widths.objectives import OBJECTIVES

if TYPE_CHECKING:
    from nasmon.train.shrinking import Made

SHARE_OF_EPOCHS = 4
"""Fine-tuning takes a quarter of the epochs of the training, if nothing else is said."""


class Job(NamedTuple):
    """All that is to be done, checked, before TensorFlow is loaded."""

    model: Path
    csv: Path | None  # of the model's run, if its record was found
    settings: Settings  # of the fine-tuning
    config: str | None
    budgets: tuple[dict[str, float], ...]
    keep: tuple[str, ...]
    round_to: int
    min_width: int
    search: int
    accept: str | None
    overwrite: bool

    @property
    def stem(self) -> str:
        """What the files of the model are named after."""
        return self.model.stem


_OWN_FLAGS = {
    "training.epochs": "epochs of fine-tuning (default: a quarter of the training's)",
    "training.lr": "learning rate at its start (default: the training's)",
    "training.batch_size": "images per step (default: the training's)",
    "training.seed": "of shuffling and of what is tried (default: the training's)",
    "training.data_dir": "your images (default: the training's)",
    "training.output_dir": "folder for the smaller models (default: the model's)",
}
"""Options of a training that are flags here, too."""


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
        job = _job(parsed)
        made = _shrink(job)
    except UsageError as error:
        sys.stderr.write(f"shrink: error: {error}\n")
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
    sys.exit(0)


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"shrink: error: {message}; see {self.prog} --help\n")


def build_parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = _Parser(
        prog=typed_program("nasmon.train.shrink"),
        description="Make a trained segmentation model smaller: narrow it to a budget, carry its "
        "weights over, fine-tune it under the monitor, and say whether it does as well.",
        epilog="A budget is a number, or a share of today's: --params 7500, --params 0.25. Several "
        "give a model each. The model's own file is never changed.",
        allow_abbrev=False,
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="the model, a .keras file")
    for objective in OBJECTIVES:
        parser.add_argument(
            f"--{objective.name}", nargs="+", metavar="N", help=f"the most {objective.unit}"
        )
    flags = {key: option.flag for key, option in all_options()}
    for key, help_ in _OWN_FLAGS.items():
        metavar = flags[key].rpartition("-")[2].upper()
        parser.add_argument(flags[key], dest=key, metavar=metavar, help=help_)
    parser.add_argument(
        "--accept",
        metavar="RULE",
        help="how much a metric may change, such as 'miou >= -0.01' (the default)",
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


def _job(parsed: argparse.Namespace) -> Job:
    model = Path(parsed.model)
    if not model.is_file() or model.suffix != ".keras":
        there = "is no .keras file" if model.exists() else "does not exist"
        raise UsageError(f"--model is {model}, which {there}; give a model that was trained")
    csv, record = _recorded(model, parsed.csv)
    settings, config = _settings(parsed, model, csv, record)
    if settings.training.data_dir is not None:
        check_image_folder(settings.training.data_dir)
    if record is None:
        data = settings.training.data_dir or "the embedded terrain"
        print(
            f"shrink: note: no record of a run of {model} was found, so its data are taken to be "
            f"{data}; pass --csv or --data-dir otherwise",
            file=sys.stderr,
        )
    return Job(
        model=model,
        csv=csv,
        settings=settings,
        config=config,
        budgets=_budgets(parsed),
        keep=tuple(parsed.keep),
        round_to=_whole("--round-to", parsed.round_to, 1),
        min_width=_whole("--min-width", parsed.min_width, 1),
        search=_whole("--search", parsed.search, 0),
        accept=parsed.accept,
        overwrite=parsed.overwrite,
    )


def _recorded(model: Path, given: str | None) -> tuple[Path | None, Record | None]:
    """The CSV of the run that made a model, and its record; None where there is none."""
    csv = Path(given) if given else metrics_path(model.parent / "nas", model.stem)
    if not record_path(csv).exists():
        if given:
            raise UsageError(
                f"--csv is {csv}, beside which there is no {record_path(csv).name}; give the CSV "
                "of a run under nasmon"
            )
        return None, None
    return csv, read_record(record_path(csv))


def _settings(
    parsed: argparse.Namespace, model: Path, csv: Path | None, record: Record | None
) -> tuple[Settings, str | None]:
    """Those of the model's own training, and what is given over them."""
    given: dict[str, Any] = {}
    config = parsed.config
    if record is not None and record.rebuild is not None and parsed.config is None:
        trained = training_parser().parse_args(list(record.rebuild.command[3:]))
        given, config = given_options(trained), trained.config
    epochs = resolve_settings(config, given).training.epochs
    given["training.epochs"] = max(1, round(epochs / SHARE_OF_EPOCHS))
    given["training.output_dir"] = str(model.parent)
    given |= {key: value for key in _OWN_FLAGS if (value := getattr(parsed, key)) is not None}
    folder = Path(given["training.output_dir"])
    beside = csv.parent if csv is not None and folder == model.parent else folder / "nas"
    given |= {"nas.enabled": True, "nas.log_dir": str(beside)}
    names = {key: option.flag for key, option in all_options() if key in _OWN_FLAGS}
    return resolve_settings(config, given, names), config


def _budgets(parsed: argparse.Namespace) -> tuple[dict[str, float], ...]:
    given = {
        objective.name: [_budget(f"--{objective.name}", text) for text in values]
        for objective in OBJECTIVES
        if (values := getattr(parsed, objective.name))
    }
    if not given:
        flags = " or ".join(f"--{objective.name}" for objective in OBJECTIVES)
        raise UsageError(f"there is no budget; give {flags}, such as --params 0.25")
    count = max(map(len, given.values()))
    for name, values in given.items():
        if len(values) not in (1, count):
            raise UsageError(f"--{name} has {len(values)} values; give one, or {count}")
    return tuple(
        {name: values[index % len(values)] for name, values in given.items()}
        for index in range(count)
    )


def _budget(flag: str, text: str) -> float:
    """A whole number as an int, a share as a float."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{flag} is {text!r}; use a number, or a share such as 0.25") from None


def _whole(flag: str, text: str, least: int) -> int:
    try:
        return int(not_text(whole(least))(int(text)))
    except ValueError:
        raise UsageError(f"{flag} is {text!r}; use a whole number of at least {least}") from None


def _shrink(job: Job) -> list[Made]:
    with quiet_start():
        import tensorflow as tf

        tf.config.list_logical_devices()
    from nasmon.train.shrinking import shrink_and_save

    return shrink_and_save(job, _say)


def _say(made: Made, before: Path) -> None:
    """What came of one budget."""
    record = made.record
    print(f"\n{record.plan}\n")
    if record.searched is not None:
        print(f"search: {record.searched}")
    print("\n".join(aligned(metrics_table(record))))
    seconds = ", ".join(f"{name} {value:.0f} s" for name, value in record.seconds.items() if value)
    print(f"took: {seconds}")
    model = made.outputs.model
    word = {True: "accepted", False: "reverted", None: "not judged"}[record.accepted]
    advice = f"use {model}" if record.accepted else f"stay with {before}; the smaller is {model}"
    print(f"{word}: {record.decided_by}; {advice}")


def _front(made: Sequence[Made]) -> str:
    """All budgets in a table."""
    metric = next(iter(made[0].record.before), "")
    rows = [["model", "parameters", "of before", metric, "accepted"]]
    first: ShrunkRecord = made[0].record
    whole_ = first.plan.before.params or 1
    rows.append(["before", str(whole_), "100.0 %", _metric(first.before, metric), ""])
    for one in made:
        params = one.record.params
        share = f"{100 * params / whole_:.1f} %"
        yes = {True: "yes", False: "no", None: "-"}[one.record.accepted]
        after = _metric(one.record.after, metric)
        rows.append([str(one.outputs.model), str(params), share, after, yes])
    return "\n".join(aligned(rows))


def _metric(metrics: dict[str, float], name: str) -> str:
    return f"{metrics[name]:.4g}" if name in metrics else "-"


if __name__ == "__main__":
    main()

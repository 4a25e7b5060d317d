"""The command line of ``python -m train``."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from nasmon.command_parser import OneLineParser
from nasmon.errors import UsageError
from nasmon.record.rebuild import typed_module, typed_python
from nasmon.terminal import printable, say
from nasmon.train.config import resolve_settings
from nasmon.train.listing import listing
from nasmon.train.options import Settings, all_options
from nasmon.train.outputs import Outputs, TrainingInterrupted
from nasmon.train.process import EXIT_CODE, exit_on_interrupt, load_tensorflow

if TYPE_CHECKING:
    from nasmon.train.outputs import TrainingRun

_FLAGS = {key: option for key, option in all_options() if option.flag}
_SWITCH = "nas.enabled"


def main(arguments: Sequence[str] | None = None, always_monitor: bool = False) -> NoReturn:
    """Run the command and end the process.

    Exit code 0 when done, 2 when the user's input cannot be used, 130 after Ctrl-C.

    Args:
        arguments: The command line without the program's name; None for the process's own.
        always_monitor: Whether the monitor is on whatever the arguments say.
    """
    exit_on_interrupt()
    parser = build_parser(always_monitor)
    parsed = parser.parse_args(arguments)
    if parsed.list:
        print(listing())
        sys.exit(0)
    try:
        settings = _settings(parsed, always_monitor)
        _note_idle_flags(parsed, settings)
        run = _train(settings, parsed.overwrite, parsed.config)
    except UsageError as error:
        _fail(error)
    except TrainingInterrupted as stop:
        _say_interrupted(stop.run)
        sys.exit(EXIT_CODE)
    except KeyboardInterrupt:
        sys.stderr.write("\ntrain: interrupted\n")
        sys.exit(EXIT_CODE)
    _say_done(run, parsed.config)
    sys.exit(0)


def build_parser(always_monitor: bool = False) -> argparse.ArgumentParser:
    """One flag for each option that has one, and three that are no option of the config."""
    parser = OneLineParser(
        "train",
        f"nasmon.train{'.with_nas' if always_monitor else ''}",
        description="Train a segmentation model, and watch its layers' spectra while it trains.",
        epilog="Defaults stand in train/defaults.yaml. Without --data-dir the model learns to find "
        "paths in scenes composed from photographs of grass, gravel and brick.",
    )
    for key, option in _FLAGS.items():
        if key == _SWITCH:
            parser.add_argument(option.flag, dest=key, action="store_true", help=option.help)
        elif key == "training.widths":
            parser.add_argument(option.flag, dest=key, nargs="+", metavar="N", help=option.help)
        else:
            metavar = option.choices or option.flag.rpartition("-")[2].upper()
            parser.add_argument(option.flag, dest=key, metavar=metavar, help=option.help)
    parser.add_argument("--config", metavar="FILE", help="YAML file that overrides the defaults")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the files of an earlier run"
    )
    parser.add_argument(
        "--list", action="store_true", help="say what models, data and options there are"
    )
    return parser


def given_options(parsed: argparse.Namespace) -> dict[str, Any]:
    """The options that a command line gives, by key."""
    given: dict[str, Any] = {
        key: value for key in _FLAGS if (value := getattr(parsed, key)) not in (None, False)
    }
    if "training.widths" in given:
        given["training.widths"] = " ".join(given["training.widths"])
    return given


def _settings(parsed: argparse.Namespace, always_monitor: bool) -> Settings:
    given = given_options(parsed)
    if always_monitor:
        given[_SWITCH] = True
    return resolve_settings(parsed.config, given, {key: o.flag for key, o in _FLAGS.items()})


def _note_idle_flags(parsed: argparse.Namespace, settings: Settings) -> None:
    """Say which flags have no effect, for a run is too long to find out afterwards."""
    idle = {key for key in _FLAGS if key.startswith("nas.") and getattr(parsed, key)}
    if settings.nas.enabled:
        idle &= {"nas.monitor_batch_freq"} if settings.nas.log_freq == "epoch" else set()
    remedy = "--nas-log-freq batch" if settings.nas.enabled else "--enable-nas"
    for key in sorted(idle):
        say("train", f"note: {_FLAGS[key].flag} has no effect without {remedy}")


def _train(settings: Settings, overwrite: bool, config: str | None) -> TrainingRun:
    """Prepare, load TensorFlow without its messages, and train."""
    from nasmon.train.prepare import prepare
    from nasmon.train.run import execute

    prepared = prepare(settings, overwrite, config)
    print(f"data: {printable(prepared.images.source)}", flush=True)
    print(f"device: {', '.join(load_tensorflow())}", flush=True)
    return execute(prepared)


def _fail(error: UsageError) -> NoReturn:
    say("train", f"error: {error}")
    sys.exit(2)


def _say_interrupted(run: TrainingRun) -> None:
    done, epochs = len(run.history.get("loss", ())), run.settings.training.epochs
    sys.stdout.flush()
    sys.stderr.write(
        f"\ntrain: interrupted after {done} of {epochs} epochs; the model as it is, and all that "
        f"was recorded, are saved: {', '.join(_saved(run.outputs))}\n"
    )


def _say_done(run: TrainingRun, config: str | None) -> None:
    if run.callback is not None:
        from nasmon.rich_print import print_parts

        print()
        print_parts(run.callback.summary_parts())
    print(f"\nsaved: {', '.join(_saved(run.outputs))}\nnext:")
    for command in _next_commands(run, config):
        print(f"  {printable(command)}")


def _saved(outputs: Outputs) -> list[str]:
    return [printable(str(one)) for one in outputs if one is not None and one.exists()]


def _next_commands(run: TrainingRun, config: str | None) -> list[str]:
    """Commands that work as they stand: look at this run, or train again under the monitor."""
    training, nas, metrics = run.settings.training, run.settings.nas, run.outputs.metrics
    if metrics is None:
        same = [] if config is None else ["--config", config]
        same += [] if training.data_dir is None else ["--data-dir", training.data_dir]
        apart = ["--output-dir", f"{training.output_dir}/watched"]
        command = [typed_python(), "-m", typed_module("nasmon.train"), "--enable-nas", *same]
        return [shlex.join([*command, "--model", training.model, *apart])]
    tensorboard = shlex.join(["tensorboard", "--logdir", nas.log_dir])
    default = resolve_settings().nas.log_dir
    read = [
        shlex.join([typed_python(), "-m", typed_module(module), "--csv", str(metrics)])
        for module in ("nasmon.analysis.recommend", "nasmon.analysis.report")
    ]
    return [*read, "make tensorboard" if nas.log_dir == default else tensorboard]

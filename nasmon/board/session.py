"""The HParams page: what runs were chosen to differ in, and what came of them."""

import time
from collections.abc import Collection, Mapping
from datetime import datetime

from tensorboard.plugins.hparams import api_pb2, summary, summary_v2

from nasmon.board.tags import run_tag, size_tag, task_tag
from nasmon.sinks.run_record import ChosenValue

OUTCOMES = (
    *(size_tag("params"), run_tag("redundancy_score"), run_tag("saturation")),
    *(size_tag("macs"), run_tag("overhead")),
)
"""What came of any run; of one whose training tells them its loss and metrics, too."""

SHOWN_FIRST = frozenset({"model", "widths", "learning_rate", "epochs", "batch_size"})
"""TensorBoard shows five choices unless it is asked for more: those that differ, then by name. Of
what came of the runs it shows the first five."""


def session_pb(choices: Mapping[str, ChosenValue]) -> bytes:
    """What was chosen for a run, as a serialized ``Summary``, to be written when it begins."""
    begun = time.time()
    # a run is a row of its own, though another one chose the same
    name = f"{choices.get('model', 'run')} {datetime.fromtimestamp(begun):%Y-%m-%d %H:%M:%S.%f}"
    chosen: bytes = summary_v2.hparams_pb(dict(choices), name, begun).SerializeToString()
    return chosen


def columns_pb(choices: Mapping[str, ChosenValue], task: Collection[str]) -> bytes:
    """The columns of the table of runs, as a serialized ``Summary``; without them all scalars are.

    TensorBoard takes those of one run for all.

    Args:
        choices: of this run.
        task: what the training's logs hold, such as "val_loss".
    """
    of_validation = [task_tag(name) for name in task if name.startswith("val_")]
    others = [task_tag(name) for name in task if not name.startswith("val_")]
    table = summary.experiment_pb(
        hparam_infos=[
            api_pb2.HParamInfo(name=name, type=_type_of(value), differs=name in SHOWN_FIRST)
            for name, value in choices.items()
        ],
        metric_infos=[
            api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag), display_name=_heading(tag))
            for tag in (*of_validation, *OUTCOMES, *others)
        ],
    )
    columns: bytes = table.SerializeToString()
    return columns


def ended_pb(status: str) -> bytes:
    """How a run ended ("ended", "interrupted" or "failed"), as a serialized ``Summary``."""
    success = api_pb2.STATUS_SUCCESS if status == "ended" else api_pb2.STATUS_FAILURE
    ended: bytes = summary.session_end_pb(success).SerializeToString()
    return ended


def _heading(tag: str) -> str:
    return tag.rpartition("/")[2]


def _type_of(value: ChosenValue) -> int:
    # a bool is an int, too
    if isinstance(value, bool):
        return api_pb2.DATA_TYPE_BOOL
    return api_pb2.DATA_TYPE_STRING if isinstance(value, str) else api_pb2.DATA_TYPE_FLOAT64

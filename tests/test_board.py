"""What a run leaves for TensorBoard besides its numbers, as TensorBoard's own code reads it."""

import io
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from tensorboard import plugin_util
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams import metadata as hparams_metadata
from tensorboard.util.tensor_util import make_ndarray

from nasmon import Monitor, Origin, Sink
from nasmon.board.charts import charts_pb
from nasmon.board.heat_map import COLOUR_MAP, GREY, Scale, heat_map
from nasmon.board.pictures import MOST_DRAWN, OverReadings
from nasmon.board.session import OUTCOMES
from nasmon.board.tags import BOUNDS
from nasmon.board.texts import facts_text, findings_text
from nasmon.kernels.metric_table import AGGREGATED, METRIC_NAMES
from nasmon.reading import LayerInfo, Reading, Spectra
from nasmon.sinks import tensorboard
from nasmon.sinks.run_record import Watched
from nasmon.sinks.tensorboard import DRAWN_EVERY, FIRST_DRAWN, TensorBoardSink
from nasmon.thresholds import DEFAULT_THRESHOLDS
from tests.networks import compiled, functional, images, tiny, unlimited
from tests.test_csv_tables import written
from tests.test_reading import reading

WATCHED = Watched(
    "model", 8, DEFAULT_THRESHOLDS, (), 10, 20, None, choices={"overhead_budget": 0.05, "lr": 0.1}
)


def layout_of(log_dir: Path) -> dict[str, Any]:
    """The charts of the Custom Scalars page by category and title, as the page takes them."""
    events = EventAccumulator(str(log_dir), size_guidance={"tensors": 0}).Reload()
    (*_, last) = events.Tensors("custom_scalars__config__")
    layout = Layout.FromString(make_ndarray(last.tensor_proto).item())
    return {
        category.title: {chart.title: chart for chart in category.chart}
        for category in layout.category
    }


def hparams_of(log_dir: Path, tag: str) -> Any:
    """What the HParams page finds under one of its tags."""
    events = EventAccumulator(str(log_dir), size_guidance={"tensors": 0}).Reload()
    return events.SummaryMetadata(tag).plugin_data.content


def begun(log_dir: Path, **settings: Any) -> TensorBoardSink:
    """A sink of a run that has begun."""
    sink = TensorBoardSink(log_dir, **settings)
    sink.begin(WATCHED)
    return sink


def tags_of(charts: dict[str, Any], found: set[str]) -> dict[str, set[str]]:
    """What each chart of lines shows."""
    patterns = {title: chart.multiline.tag for title, chart in charts.items()}
    return {
        title: {tag for tag in found if any(re.match(one, tag) for one in several)}
        for title, several in patterns.items()
    }


def test_every_metric_has_a_chart_of_all_layers_and_the_network_its_thresholds(
    tmp_path: Path,
) -> None:
    sink = begun(tmp_path)
    sink.write(reading(1))
    layout, found = layout_of(tmp_path), set(written(tmp_path))
    layers = tags_of(layout["Every layer"], found)
    assert layers == {name: {f"nas_{name}/{layer}" for layer in "ab"} for name in METRIC_NAMES}
    against = layout["The network against thresholds"]
    assert list(against) == list(BOUNDS)
    for name in ("redundancy_score", "correlation_mean"):
        (series,) = against[name].margin.series
        assert series.value == f"nas/{name}"
        assert {series.value, series.lower, series.upper} <= found
    lines = tags_of(against, found)
    assert lines["condition_number"] == {
        "nas/condition_number",
        "nas_thresholds/poor_conditioning",
    }
    assert lines["overhead"] == {"nas/overhead", "nas_thresholds/overhead_budget"}
    rest = tags_of(layout["The network"], found)
    assert set(rest) == {metric.name for metric in AGGREGATED} - set(BOUNDS)
    assert all(tags == {f"nas/{name}"} for name, tags in rest.items())
    values = written(tmp_path)
    assert values["nas_thresholds/high_redundancy"] == {1: pytest.approx(0.7)}
    assert values["nas_thresholds/overhead_budget"] == {1: pytest.approx(0.05)}


def test_the_tasks_charts_come_with_its_first_values(tmp_path: Path) -> None:
    sink = begun(tmp_path)
    sink.write(reading(1))
    (title,) = layout_of(tmp_path)["The task and the widths"]
    assert title == "redundancy_score, saturation"
    sink.keep_logs({"miou": 0.5, "loss": 0.3, "val_loss": 0.4, "val_miou": 0.6}, 1)
    sink.keep_logs({"loss": 0.2, "val_loss": 0.3, "out_1_loss": 0.1}, 2)
    layout, values = layout_of(tmp_path), written(tmp_path)
    assert tags_of(layout["The task and the widths"], set(values)) == {
        "loss": {"task/loss", "task/val_loss"},
        "out_1_loss": {"task/out_1_loss"},
        "miou": {"task/miou", "task/val_miou"},
        "redundancy_score, saturation": {"nas/redundancy_score", "nas/saturation"},
    }
    assert values["task/loss"] == {1: pytest.approx(0.3), 2: pytest.approx(0.2)}


def test_layouts_of_several_runs_have_the_same_charts() -> None:
    """TensorBoard puts them together: what differs would be there once for each run."""
    layouts = {charts_pb(DEFAULT_THRESHOLDS, ("loss", "val_loss"), False) for _ in range(2)}
    assert len(layouts) == 1


def test_runs_are_told_apart_by_what_was_chosen_and_what_came_of_it(tmp_path: Path) -> None:
    sink = begun(tmp_path)
    sink.write(reading(3))
    sink.keep_logs({"loss": 0.3, "val_loss": 0.4}, 3)
    sink.close("ended")
    started = hparams_metadata.parse_session_start_info_plugin_data(
        hparams_of(tmp_path, hparams_metadata.SESSION_START_INFO_TAG)
    )
    assert {n: v.number_value for n, v in started.hparams.items()} == WATCHED.choices
    experiment = hparams_metadata.parse_experiment_plugin_data(
        hparams_of(tmp_path, hparams_metadata.EXPERIMENT_TAG)
    )
    assert [info.name for info in experiment.hparam_infos] == list(WATCHED.choices)
    outcomes = [info.name.tag for info in experiment.metric_infos]
    assert outcomes == ["task/val_loss", *OUTCOMES, "task/loss"]
    assert set(outcomes) <= set(written(tmp_path))
    ended = hparams_metadata.parse_session_end_info_plugin_data(
        hparams_of(tmp_path, hparams_metadata.SESSION_END_INFO_TAG)
    )
    assert ended.status == 1  # success
    assert written(tmp_path)["nas_size/params"] == {0: 10}


def test_without_a_loss_the_table_has_what_any_run_has(tmp_path: Path) -> None:
    sink = begun(tmp_path)
    sink.write(reading(3))
    sink.close("failed", "an error")
    experiment = hparams_metadata.parse_experiment_plugin_data(
        hparams_of(tmp_path, hparams_metadata.EXPERIMENT_TAG)
    )
    assert [info.name.tag for info in experiment.metric_infos] == list(OUTCOMES)


def test_names_stand_in_the_texts_as_they_are() -> None:
    names = ("a|b", "_c_", "<d>", "e`f", "g\nh", "encoder/conv1")
    infos = tuple(LayerInfo(name, "Dense", 2, False) for name in names)
    values = np.full((len(names), len(METRIC_NAMES)), 0.5)
    values[:, METRIC_NAMES.index("dead_channels")] = 0
    values[0, METRIC_NAMES.index("redundancy_score")] = 0.9
    values[1, :] = np.nan
    text = findings_text(Reading(0, 7, infos, values, 8, 0, 0.01), WATCHED, "failed", "no | disk")
    html = plugin_util.markdown_to_safe_html(text)
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"(?s)<tr>(.*?)</tr>", html)]
    assert [row[0] for row in rows if len(row) == len(rows[1])] == [
        *("<code>a|b</code>", "<code>_c_</code>", "<code>&lt;d&gt;</code>", "<code>e`f</code>"),
        *("<code>g h</code>", "<code>encoder/conv1</code>", "<strong>all layers</strong>"),
    ]
    assert "<h1>1 of 6 layers stand out</h1>" in html
    assert rows[1][-1] == "redundant"
    assert set(rows[2][2:]) == {""}
    assert "The run failed (<code>no | disk</code>). Its latest reading is of step 7" in html


def test_the_facts_tell_choices_thresholds_and_layers(tmp_path: Path) -> None:
    model, x = tiny()
    monitor = Monitor(model, x, log_dir=tmp_path, origin=Origin(seed=4, choices={"mixup": True}))
    monitor.read(1)
    monitor.close()
    texts = written(tmp_path)
    html = plugin_util.markdown_to_safe_html(texts["nas_text/run"][0].item().decode())
    for cell in ("mixup", "True", "seed", "4", "samples", "32", "high_redundancy", "dense"):
        assert f"<td><code>{cell}</code></td>" in html
    assert "stand out" in texts["nas_text/findings"][1].item().decode()
    assert facts_text(WATCHED).startswith("# `model`")


def picture(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_a_heat_maps_colours_are_its_values() -> None:
    values = np.array([[0.0, 1.0], [np.nan, 0.5], [2.0, -1.0]])
    png, width, height = heat_map(["a", "b", "c"], values, "title", Scale(0, 1, "x", "l", "r"))
    pixels = picture(png)
    assert pixels.shape == (height, width, 3)

    def rows_of(colour: np.ndarray) -> set[int]:
        """In which layers' rows a colour fills half a row."""
        counts = (pixels == colour).all(-1)[36 : 36 + 48].reshape(3, 16, width).sum((1, 2))
        return set(np.flatnonzero(counts >= 16 * 210).tolist())

    assert rows_of(COLOUR_MAP[0]) == {0, 2}
    assert rows_of(COLOUR_MAP[-1]) == {0, 2}
    assert rows_of(GREY[0]) == {1}
    assert rows_of(COLOUR_MAP[127]) == {1}


def test_a_heat_map_of_many_layers_is_not_endless() -> None:
    names = [f"block{index}/a_very_long_name_of_a_layer_{index:070}" for index in range(1500)]
    _, width, height = heat_map(names, np.zeros((1500, 3)), "t", Scale(0, 1, "x", "l", "r"))
    assert height < 1700
    assert width < 1000


def pictures_of(log_dir: Path) -> dict[str, dict[int, np.ndarray]]:
    """By tag and step; the size that is told must be the picture's."""
    found: dict[str, dict[int, np.ndarray]] = {}
    for tag, values in written(log_dir).items():
        for step, (width, height, png) in values.items() if "nas_images" in tag else ():
            found.setdefault(tag, {})[step] = picture(png)
            assert found[tag][step].shape == (int(height), int(width), 3)
    return found


def test_spectra_are_drawn_every_tenth_reading_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorboard, "SHARE", 1e9)
    sink = begun(tmp_path)
    for step in range(1, 2 * DRAWN_EVERY + 4):
        sink.write(reading(step))
        sink.draw()
    assert list(pictures_of(tmp_path)["nas_images/spectrum"]) == [10, 20]
    sink.close("ended")
    found = pictures_of(tmp_path)
    assert list(found["nas_images/spectrum"]) == [10, 20, 23]
    assert list(found["nas_images/saturation"]) == list(found["nas_images/redundancy_score"])
    assert list(found["nas_images/saturation"]) == [23]
    before = set(written(tmp_path))
    sink.close("ended")
    assert set(written(tmp_path)) == before


def test_spectra_are_not_drawn_where_that_would_take_too_much_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the readings follow one another at once: of a first picture there is no time, nor of a second
    for first, drawn in ((FIRST_DRAWN, []), (0.0, [DRAWN_EVERY])):
        monkeypatch.setattr(tensorboard, "FIRST_DRAWN", first)
        folder = tmp_path / str(first)
        sink = begun(folder)
        for step in range(1, 3 * DRAWN_EVERY + 1):
            sink.write(reading(step))
            sink.draw()
        assert list(pictures_of(folder).get("nas_images/spectrum", [])) == drawn


def test_a_run_without_spectra_has_pictures_all_the_same(tmp_path: Path) -> None:
    sink = begun(tmp_path)
    sink.write(reading(1).without_spectra())
    sink.close("ended")
    assert set(pictures_of(tmp_path)) == {"nas_images/saturation", "nas_images/redundancy_score"}
    nothing = Spectra((np.full(4, np.nan), np.zeros(12)), (np.eye(4), np.eye(12)))
    other = begun(tmp_path / "other")
    undefined = np.full((2, len(METRIC_NAMES)), np.nan)
    other.write(Reading(0, 1, reading().layers, undefined, 1, 0, 0, spectra=nothing))
    other.close("ended")
    assert (pictures_of(tmp_path / "other")["nas_images/spectrum"][1] == GREY[0]).all(-1).sum() > (
        2 * 16 * 400
    )


def test_what_is_kept_for_pictures_does_not_grow_for_ever() -> None:
    progress = OverReadings()
    for step in range(10 * MOST_DRAWN + 3):
        progress.add(reading(step))
    assert len(progress._steps) <= 2 * MOST_DRAWN
    assert progress._steps[0] == 0
    assert len(set(np.diff(progress._steps))) == 1
    assert progress.pictures()


def test_a_folder_that_was_removed_is_not_made_again(tmp_path: Path) -> None:
    sink = begun(tmp_path / "events")
    sink.write(reading(1))
    for file in (tmp_path / "events").iterdir():
        file.unlink()
    (tmp_path / "events").rmdir()
    sink.close("ended")
    assert not (tmp_path / "events").exists()


def test_fits_own_loss_stands_beside_the_readings(tmp_path: Path) -> None:
    model = compiled(functional())
    data = images(32)
    callback = unlimited(
        data, log_dir=tmp_path / "nas", on_error="raise", origin=Origin(choices={"mixup": 0.2})
    )
    boards = keras.callbacks.TensorBoard(tmp_path / "keras")
    history = model.fit(
        *data,
        validation_data=data,
        epochs=2,
        batch_size=8,
        verbose=0,
        callbacks=[callback, boards],
    )
    values = written(tmp_path / "nas")
    for name in ("loss", "val_loss"):
        assert values[f"task/{name}"] == dict(
            zip((4, 8), (pytest.approx(one) for one in history.history[name]), strict=True)
        )
    assert not [tag for tag in values if tag.startswith("task/nas_")]
    by_epoch = layout_of(tmp_path / "nas")["By epoch (Keras's callback)"]
    keras_tags = set(written(tmp_path / "keras" / "train"))
    assert tags_of(by_epoch, keras_tags)["epoch_loss"] == {"epoch_loss"}
    # what Keras's callback has of ours is not shown twice
    assert "epoch_nas_saturation" in keras_tags
    shown = tags_of(by_epoch, keras_tags)["epoch metrics"]
    assert not [tag for tag in shown if "nas_" in tag or "loss" in tag or "rate" in tag]
    started = hparams_metadata.parse_session_start_info_plugin_data(
        hparams_of(tmp_path / "nas", hparams_metadata.SESSION_START_INFO_TAG)
    )
    chosen = started.hparams
    assert chosen["learning_rate"].number_value == pytest.approx(
        float(model.optimizer.get_config()["learning_rate"])
    )
    assert (chosen["model"].string_value, chosen["widths"].string_value) == (
        *("functional", "8 16 1"),
    )
    assert (chosen["epochs"].number_value, chosen["mixup"].number_value) == (2, 0.2)
    assert (chosen["log_freq"].string_value, chosen["layers"].string_value) == ("epoch", "auto")
    assert chosen["overhead_budget"].string_value == "none"


def test_a_loops_own_loss_is_logged(tmp_path: Path) -> None:
    model, x = tiny()
    monitor = Monitor(model, x, log_dir=tmp_path)
    monitor.read(1)
    monitor.log({"loss": np.float32(0.5), "note": "warm-up", "confusion": np.eye(2)}, np.int64(1))
    values = written(tmp_path)
    assert {tag: v for tag, v in values.items() if tag.startswith("task/")} == {
        "task/loss": {1: 0.5}
    }


class Slow(Sink):
    """A place for readings that takes its time to draw."""

    def __init__(self, monitor_of: list[Monitor]) -> None:
        self.monitor_of = monitor_of
        self.expected: list[float] = []

    def write(self, one: Reading) -> None:
        pass

    def draw(self) -> None:
        budget = self.monitor_of[0].budget
        self.expected.append(budget.expected(1))
        # as if ten seconds had passed
        budget.add(10.0)


def test_drawing_is_counted_and_is_no_part_of_what_a_reading_is_expected_to_take() -> None:
    model, x = tiny()
    monitors: list[Monitor] = []
    slow = Slow(monitors)
    monitors.append(Monitor(model, x, sinks=[slow]))
    monitors[0].read(1)
    monitors[0].read(2)
    assert monitors[0].budget.probe_seconds > 20
    assert len(slow.expected) == 2
    assert monitors[0].budget.expected(1) < 10


class Counting(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that notes how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, step: Any) -> Any:
        self.asked += 1
        return 0.01

    def get_config(self) -> dict[str, Any]:
        return {"initial_learning_rate": 0.01}


def test_a_schedule_is_not_asked_for_the_learning_rate(tmp_path: Path) -> None:
    model, x = tiny()
    schedule = Counting()
    model.compile(keras.optimizers.SGD(schedule), "mse")
    asked = schedule.asked
    Monitor(model, x, log_dir=tmp_path)
    assert schedule.asked == asked
    chosen = hparams_metadata.parse_session_start_info_plugin_data(
        hparams_of(tmp_path, hparams_metadata.SESSION_START_INFO_TAG)
    ).hparams
    assert chosen["learning_rate"].number_value == 0.01
    assert chosen["optimizer"].string_value == "SGD"


def test_choices_that_are_no_dictionary_are_refused() -> None:
    model, x = tiny()
    with pytest.raises(ValueError, match=r"origin is .*; give its choices as a dictionary such as"):
        Monitor(model, x, origin=Origin(choices=[("a", 1)]))  # type: ignore[arg-type]

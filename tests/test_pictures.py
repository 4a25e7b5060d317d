"""Pictures, held against the artists that were drawn: values, bands, labels, and their places."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.colors import LogNorm, to_hex
from matplotlib.text import Text

from nasmon.analysis.plot.alternative_text import alternative_text
from nasmon.analysis.plot.bands import bands_of
from nasmon.analysis.plot.kinds import FILE_TYPES, KINDS, MOST_RUNS, Options, missing
from nasmon.analysis.plot.panels import MOST_PANELS
from nasmon.analysis.plot.picture import draw, render, svg
from nasmon.analysis.plot.style import MARKED, publication
from nasmon.analysis.run import load_run
from nasmon.errors import UsageError
from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.files import layers_path, spectra_path, widths_path
from nasmon.thresholds import DEFAULT_THRESHOLDS
from tests.recorded import chain, metrics, write_run

WIDTHS = (16, 32, 64, 16, 1)
LONG = "efficient_backbone/stage_{}/block_{:02}_separable_convolution/pointwise"


def named(widths, name="chain", layer="conv{}"):
    record = chain(widths)
    record["model_name"] = name
    for index, one in enumerate(record["layers"]):
        one["name"] = layer.format(index // 8, index % 8) if layer == LONG else layer.format(index)
    return record


def recorded(path, readings=24, widths=WIDTHS, **names):
    record = named(widths, **names)
    return load_run(write_run(path / "run.csv", record, readings=readings, evidence=True))


def with_values(path, values, widths=WIDTHS):
    return load_run(write_run(path / "run.csv", chain(widths), values))


def figure_of(kind, run, thresholds=None, **options):
    with publication("test"):
        return draw(kind, run, {**DEFAULT_THRESHOLDS, **(thresholds or {})}, Options(**options))


class Noting(RendererAgg):
    """Notes which texts are really drawn: ticks outside of the view are not."""

    def __init__(self, figure, dpi=100):
        width, height = figure.get_size_inches() * dpi
        super().__init__(width, height, dpi)
        figure.set_dpi(dpi)
        self.drawn = set()
        with publication("test"):
            # the first time makes the ticks and lays everything out
            figure.draw(self)
            self.texts = figure.findobj(Text)
            for number, text in enumerate(self.texts):
                text.set_gid(str(number))
            figure.draw(self)

    def open_group(self, s, gid=None):
        if s == "text" and gid is not None:
            self.drawn.add(int(gid))

    def boxes(self):
        texts = [self.texts[number] for number in sorted(self.drawn)]
        return [(text.get_text(), text.get_window_extent(self)) for text in texts]


def assert_legible(figure):
    renderer = Noting(figure)
    boxes = renderer.boxes()
    assert boxes
    left, bottom, right, top = np.array([box.extents for _, box in boxes]).T
    wide = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    high = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom)
    # half a pixel is rounding
    overlaps = np.argwhere(np.triu((wide > 0.5) & (high > 0.5), 1))
    assert [(boxes[a][0], boxes[b][0]) for a, b in overlaps] == []
    for text, box in boxes:
        assert box.x0 > -0.5, text
        assert box.y0 > -0.5, text
        assert box.x1 < renderer.width + 0.5, text
        assert box.y1 < renderer.height + 0.5, text


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def dots(axes):
    return [line for line in axes.lines if line.get_marker() not in ("none", "None", None)]


@pytest.mark.parametrize("readings", [1, 2, 24])
@pytest.mark.parametrize("kind", KINDS)
def test_no_label_overlaps_another_or_leaves_the_picture(tmp_path, kind, readings):
    run = recorded(tmp_path / "a", readings)
    others = (recorded(tmp_path / "b", 12, name="other"),) if kind == "comparison" else ()
    assert_legible(figure_of(kind, run, others=others))


@pytest.mark.parametrize(
    ("kind", "layers"), [("layers", 60), ("layers", 130), ("spectrum", 60), ("widths", 60)]
)
def test_no_label_overlaps_with_many_layers_of_long_names(tmp_path, kind, layers):
    run = recorded(tmp_path, 3, [16] * layers, layer=LONG, name="m" * 200)
    assert_legible(figure_of(kind, run))


@pytest.mark.parametrize("metric", ["condition_number", "trace", "rows"])
def test_no_label_overlaps_for_any_scale(tmp_path, metric):
    assert_legible(figure_of("layers", recorded(tmp_path), metric=metric))


@pytest.mark.parametrize("kind", ["redundancy", "correlation", "dashboard"])
def test_no_label_overlaps_with_narrow_bands_long_names_and_large_steps(tmp_path, kind):
    path = write_run(tmp_path / "r.csv", named(WIDTHS, name="m" * 200), steps_an_epoch=10_000_000)
    run = load_run(path)
    run.readings["epoch"] = -1
    narrow = {"low_redundancy": 0.98, "moderate_redundancy": 0.985, "high_redundancy": 0.99}
    narrow |= {"low_correlation": 0.01, "high_correlation": 0.015}
    assert_legible(figure_of(kind, run, narrow))


def test_no_label_overlaps_in_a_comparison_of_as_many_as_there_may_be(tmp_path):
    runs = [recorded(tmp_path / str(i), name=LONG + str(i)) for i in range(MOST_RUNS)]
    assert_legible(figure_of("comparison", runs[0], others=tuple(runs[1:])))


def test_redundancy_is_drawn_as_recorded_on_its_bands(tmp_path):
    run = recorded(tmp_path)
    (axes,) = figure_of("redundancy", run).axes
    (line,) = dots(axes)
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 25))
    np.testing.assert_array_equal(line.get_ydata(), run.readings["redundancy_score"])
    spans = [
        (p.get_y(), p.get_y() + p.get_height(), to_hex(p.get_facecolor())) for p in axes.patches
    ]
    expected = [(b.low, b.high, b.colour) for b in bands_of("redundancy_score", DEFAULT_THRESHOLDS)]
    for span, band in zip(spans, expected, strict=True):
        assert span == (pytest.approx(band[0]), pytest.approx(band[1]), band[2])
    assert [band[:2] for band in expected] == [(0, 0.3), (0.3, 0.5), (0.5, 0.7), (0.7, 1)]
    assert axes.get_ylim() == pytest.approx((0, 1), abs=0.02)
    assert axes.get_xlabel() == "Epoch"


def test_the_bands_are_named_in_words_beside_them(tmp_path):
    shown = words(figure_of("redundancy", recorded(tmp_path)))
    for label in (
        "Excellent\nbelow 0.3",
        "Good\n0.3 to 0.5",
        "Moderate\n0.5 to 0.7",
        "High\nabove 0.7",
    ):
        assert label in shown


def test_thresholds_move_the_bands(tmp_path):
    (axes,) = figure_of("redundancy", recorded(tmp_path), {"high_redundancy": 0.9}).axes
    assert axes.patches[-1].get_y() == 0.9
    assert "High\nabove 0.9" in words(axes.figure)


def test_correlation_has_its_spread_within_0_and_1(tmp_path):
    values = metrics(5, 24, WIDTHS)
    values[:, :, METRIC_NAMES.index("correlation_std")] = 0.5
    run = with_values(tmp_path, values)
    (axes,) = figure_of("correlation", run).axes
    mean = run.readings["correlation_mean"].to_numpy()
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == 0
    assert band.max() == pytest.approx(min(1, mean.max() + 0.5))
    np.testing.assert_array_equal(dots(axes)[0].get_ydata(), mean)


@pytest.mark.parametrize(("readings", "marked"), [(MARKED, True), (MARKED + 1, False)])
def test_few_readings_are_marked_one_by_one(tmp_path, readings, marked):
    (axes,) = figure_of("redundancy", recorded(tmp_path, readings)).axes
    assert bool(dots(axes)) is marked


@pytest.mark.parametrize("kind", ["redundancy", "correlation"])
def test_a_single_reading_is_a_point_with_one_tick(tmp_path, kind):
    (axes,) = figure_of(kind, recorded(tmp_path, 1)).axes
    (line,) = dots(axes)
    assert len(line.get_xdata()) == 1
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1"]


def test_what_is_not_defined_is_a_gap_and_a_reading_alone_is_a_point(tmp_path):
    values = metrics(5, 60, WIDTHS)
    values[10:20], values[21:40] = np.nan, np.nan
    (axes,) = figure_of("redundancy", with_values(tmp_path, values)).axes
    line = max(axes.lines, key=lambda one: len(one.get_xdata()))
    assert np.isnan(line.get_ydata()).sum() == 29
    (point,) = dots(axes)
    assert point.get_xdata().tolist() == [21]


@pytest.mark.parametrize("kind", ["redundancy", "correlation", "dashboard", "comparison", "layers"])
def test_a_run_without_defined_readings_says_so(tmp_path, kind):
    run = with_values(tmp_path, np.full((12, 5, len(METRIC_NAMES)), np.nan))
    others = (run,) if kind == "comparison" else ()
    figure = figure_of(kind, run, others=others)
    assert "no defined readings" in words(figure)
    assert_legible(figure)


def test_readings_within_an_epoch_are_shown_by_step(tmp_path):
    run = recorded(tmp_path)
    run.readings["epoch"] //= 2
    (axes,) = figure_of("redundancy", run).axes
    assert axes.get_xlabel() == "Training step"
    assert dots(axes)[0].get_xdata().tolist() == run.readings["step"].tolist()


def test_ten_thousand_readings_are_few_points_and_keep_their_extremes(tmp_path):
    run = load_run(write_run(tmp_path / "r.csv", chain((4,)), metrics(1, 10_000, (4,))))
    run.readings.loc[5_003, "redundancy_score"] = 0.999
    run.readings.loc[7_001, "redundancy_score"] = 0.001
    (axes,) = figure_of("redundancy", run).axes
    line = max(axes.lines, key=lambda one: len(one.get_xdata()))
    assert len(line.get_xdata()) < 4_100
    assert not dots(axes)
    drawn = dict(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))
    assert (drawn[5_004], drawn[7_002]) == (0.999, 0.001)


def test_the_dashboard_s_histogram_counts_each_reading_once(tmp_path):
    run = recorded(tmp_path)
    panels = figure_of("dashboard", run).axes
    for axes, metric in ((panels[2], "redundancy_score"), (panels[3], "correlation_mean")):
        # the bars; the bands behind are as high as the plot
        bars = [p for p in axes.patches if p.get_width() == pytest.approx(0.02)]
        assert sum(bar.get_height() for bar in bars) == 24
        highest = max(bars, key=lambda bar: bar.get_height())
        counts, edges = np.histogram(run.readings[metric], np.linspace(0, 1, 51))
        assert highest.get_x() == pytest.approx(edges[counts.argmax()])


def test_the_dashboard_s_table_holds_the_statistics(tmp_path):
    run = recorded(tmp_path)
    (table,) = figure_of("dashboard", run).axes[5].tables
    cells = {place: cell.get_text().get_text() for place, cell in table.get_celld().items()}
    assert [cells[0, column] for column in range(5)] == [
        "first",
        "last",
        "mean",
        "min",
        "max",
    ]
    assert cells[1, -1] == "redundancy_score"
    values = run.readings["redundancy_score"]
    expected = [values.iloc[0], values.iloc[-1], values.mean(), values.min(), values.max()]
    assert [float(cells[1, column]) for column in range(5)] == pytest.approx(expected, abs=5e-4)


def test_a_comparison_shows_curves_and_final_values_of_all_runs(tmp_path):
    one = recorded(tmp_path / "a", name="small")
    other = recorded(tmp_path / "b", 12, (8, 8, 1), name="_large")
    figure = figure_of("comparison", one, others=(other,))
    for axes, metric in zip(figure.axes[:2], ("redundancy_score", "correlation_mean"), strict=True):
        first, second = dots(axes)
        np.testing.assert_array_equal(first.get_ydata(), one.readings[metric])
        np.testing.assert_array_equal(second.get_ydata(), other.readings[metric])
        assert first.get_color() != second.get_color()
        assert first.get_linestyle() != second.get_linestyle()
        assert first.get_marker() != second.get_marker()
    bars = [bar.get_width() for bar in figure.axes[5].patches]
    assert bars == [one.record.params, other.record.params]
    # matplotlib passes over labels that begin with an underscore
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["small", "_large"]


def test_runs_by_epoch_and_by_step_share_the_steps(tmp_path):
    one, other = recorded(tmp_path / "a"), recorded(tmp_path / "b")
    other.readings["epoch"] = -1
    axes = figure_of("comparison", one, others=(other,)).axes[0]
    assert axes.get_xlabel() == "Training step"
    assert dots(axes)[0].get_xdata().tolist() == one.readings["step"].tolist()


def test_parameters_that_were_not_recorded_are_said_to_be_so(tmp_path):
    path = write_run(tmp_path / "a.csv")
    alone = tmp_path / "alone.csv"
    alone.write_bytes(path.read_bytes())
    shown = words(figure_of("comparison", load_run(path), others=(load_run(alone),)))
    assert "not recorded" in shown


def test_the_heat_map_holds_layers_down_and_readings_across(tmp_path):
    run = recorded(tmp_path)
    axes = figure_of("layers", run).axes[0]
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), run.layer_history("saturation").values)
    assert (image.norm.vmin, image.norm.vmax) == (0, 1)
    assert [t.get_text() for t in axes.get_yticklabels()] == [f"conv{i}" for i in range(5)]
    # the first row is at the top
    assert axes.get_ylim() == (4.5, -0.5)


@pytest.mark.parametrize(
    ("metric", "limits"),
    [
        ("redundancy_score", (0, 1)),
        ("correlation_std", (0, 0.5)),
        ("condition_number", (1, 1e8)),
        ("trace", (1, 10)),
        ("saturation", (0, 1)),
        ("rank_99", (1, 50)),
    ],
)
def test_a_metric_has_the_scale_of_its_range(tmp_path, metric, limits):
    figure = figure_of("layers", recorded(tmp_path), metric=metric)
    norm = figure.axes[0].images[0].norm
    assert isinstance(norm, LogNorm) == (metric in ("condition_number", "trace"))
    values = recorded(tmp_path).layer_history(metric).values
    most = values.max() if metric == "rank_99" else limits[1]
    assert (norm.vmin, norm.vmax) == (limits[0], pytest.approx(most))
    assert figure.axes[1].get_ylabel().startswith(f"{metric} (")


def test_in_the_heat_map_what_is_not_defined_is_hatched_and_explained(tmp_path):
    values = metrics(5, 24, WIDTHS)
    values[3:6, 2] = np.nan
    figure = figure_of("layers", with_values(tmp_path, values))
    axes = figure.axes[0]
    assert np.ma.getmaskarray(axes.images[0].get_array()).sum() == 3
    assert axes.patch.get_hatch()
    assert "not defined" in words(figure)
    assert "not defined" not in words(figure_of("layers", recorded(tmp_path / "whole")))


def test_a_variance_of_0_is_the_least_and_not_undefined(tmp_path):
    values = metrics(5, 24, WIDTHS)
    values[:, 2, METRIC_NAMES.index("trace")] = 0
    image = figure_of("layers", with_values(tmp_path, values), metric="trace").axes[0].images[0]
    assert not np.ma.getmaskarray(image.get_array()).any()
    assert (image.get_array()[2] == image.norm.vmin).all()


def test_many_layers_are_named_one_in_k_and_it_says_so(tmp_path):
    few = figure_of("layers", recorded(tmp_path / "a", 2, [4] * 100)).axes[0]
    assert len(few.get_yticks()) == 100
    many = figure_of("layers", recorded(tmp_path / "b", 2, [4] * 101)).axes[0]
    assert len(many.get_yticks()) == 51
    assert many.get_ylabel() == "Layers in the model's order, one in 2 named"


def test_many_readings_are_put_together_and_it_says_so(tmp_path):
    run = recorded(tmp_path, 2_500, (4, 4))
    axes = figure_of("layers", run).axes[0]
    drawn = axes.images[0].get_array()
    assert drawn.shape == (2, 834)
    values = run.layer_history("saturation").values
    np.testing.assert_allclose(drawn[:, 0], values[:, :3].mean(axis=1))
    assert axes.get_xlabel() == "Epoch (a column is the mean of 3 readings)"


def test_ticks_of_the_heat_map_are_at_their_readings(tmp_path):
    axes = figure_of("layers", recorded(tmp_path, 40)).axes[0]
    labels = [int(text.get_text()) for text in axes.get_xticklabels()]
    assert labels == [5, 10, 15, 20, 25, 30, 35, 40]
    assert axes.get_xticks().tolist() == [label - 1 for label in labels]


@pytest.mark.parametrize("kind", ["layers", "spectrum"])
def test_layers_are_chosen_by_pattern(tmp_path, kind):
    figure = figure_of(kind, recorded(tmp_path), layers=("conv[13]", "*0"))
    shown = words(figure)
    assert [f"conv{i}" in shown for i in range(5)] == [True, True, False, True, False]
    with pytest.raises(UsageError, match="no layer matches 'dense'; the layers are conv0, conv1"):
        figure_of(kind, recorded(tmp_path), layers=("conv0", "dense"))


def write_spectra(run, first, latest):
    """Replaces the first layer's eigenvalues."""
    path = spectra_path(run.path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays |= {"first/eigenvalues/0": np.array(first), "latest/eigenvalues/0": np.array(latest)}
    np.savez(path, **arrays)


def test_the_spectrum_shows_both_readings_and_where_99_percent_are_reached(tmp_path):
    run = recorded(tmp_path, widths=(4, 2, 1))
    write_spectra(run, [4.0, 3.0, 2.0, 1.0], [197.0, 1.5, 1.5, 0.0])
    axes = figure_of("spectrum", run).axes[0]
    first, latest, mark = axes.lines
    np.testing.assert_allclose(first.get_ydata(), [0.4, 0.3, 0.2, 0.1])
    floor = axes.get_ylim()[0]
    np.testing.assert_allclose(latest.get_ydata(), [0.985, 0.0075, 0.0075, floor])
    assert latest.get_xdata().tolist() == [1, 2, 3, 4]
    assert mark.get_xdata()[0] == 2
    together = axes.collections[0].get_paths()[0].vertices
    assert together[:, 1].max() == pytest.approx(1)
    shown = words(axes.figure)
    assert "99 % in 2 of 4 channels" in shown
    assert "eigenvalues at epoch 24, log scale at the left" in shown
    assert "eigenvalues at epoch 1" in shown


def test_a_spectrum_that_is_not_defined_says_so(tmp_path):
    run = recorded(tmp_path, widths=(4, 2, 1))
    write_spectra(run, [np.nan] * 4, [0.0] * 4)
    shown = words(figure_of("spectrum", run))
    assert "not defined, or no variance" in shown
    assert "4 channels, not defined" in shown


def test_of_one_reading_the_spectrum_is_drawn_once(tmp_path):
    figure = figure_of("spectrum", recorded(tmp_path, 1))
    assert len(figure.axes[0].lines) == 2  # the eigenvalues and the mark
    assert len(figure.legends[0].get_texts()) == 3


def test_more_layers_than_one_picture_holds_are_left_out_and_it_says_so(tmp_path):
    figure = figure_of("spectrum", recorded(tmp_path, 2, [2] * (MOST_PANELS + 1)))
    assert len(figure.axes) == MOST_PANELS
    assert f"Spectra of chain, {MOST_PANELS + 1} layers, the first {MOST_PANELS} of them" in words(
        figure
    )


def test_the_file_types_are_what_they_say(tmp_path):
    run = recorded(tmp_path)
    beginnings = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml ", "pdf": b"%PDF-"}
    assert tuple(beginnings) == FILE_TYPES
    for file_type, beginning in beginnings.items():
        content = render("redundancy", run, DEFAULT_THRESHOLDS, file_type)
        assert content.startswith(beginning)
    with pytest.raises(UsageError, match="file type is 'gif'; use one of png, svg, pdf"):
        render("redundancy", run, DEFAULT_THRESHOLDS, "gif")


@pytest.mark.parametrize(
    ("kind", "file_type"),
    [(k, "svg") for k in ("dashboard", "layers", "spectrum")]
    + [("layers", "png"), ("layers", "pdf")],
)
def test_the_same_run_gives_the_same_bytes(tmp_path, kind, file_type):
    once, again = (
        render(kind, recorded(tmp_path), DEFAULT_THRESHOLDS, file_type) for _ in range(2)
    )
    assert once == again


def all_svgs(run, other):
    made = {
        kind: svg(kind, run, DEFAULT_THRESHOLDS, others=(other,) if kind == "comparison" else ())
        for kind in KINDS
    }
    return made | {"trace": svg("layers", run, DEFAULT_THRESHOLDS, metric="trace")}


def test_pictures_for_a_page_stand_beside_each_other(tmp_path):
    elements = all_svgs(recorded(tmp_path / "a"), recorded(tmp_path / "b", name="other"))
    seen: set[str | None] = set()
    for kind, element in elements.items():
        assert element.startswith("<svg "), kind
        root = ElementTree.fromstring(element)
        assert root.get("role") == "img"
        ids = [one.get("id") for one in root.iter() if one.get("id")]
        assert len(ids) == len(set(ids))
        assert not seen & set(ids)
        seen |= set(ids)
        used = set(re.findall(r'(?:url\(|href=")#([^")]+)', element))
        assert used <= set(ids)
        assert set(str(root.get("aria-labelledby")).split()) <= set(ids)
        # its rules would hold for the whole page
        assert "<style" not in element
        assert "http" not in element.replace("http://www.w3.org/2000/svg", "")
        assert len(element) < 100_000


def test_text_in_a_page_is_text(tmp_path):
    element = svg("layers", recorded(tmp_path), DEFAULT_THRESHOLDS)
    texts = [one.text for one in ElementTree.fromstring(element).iter() if one.tag.endswith("text")]
    assert {"conv0", "conv4", "saturation by layer, chain", "Epoch"} <= set(texts)


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$\\frac{1}{2}$ and $x",
    "_hidden",
    ' id="x" d="1.23456" href="#y" url(#z)',
    "new\nline\ttab\x07bell",
    "]]> &amp; <!--",
    "层 слой 🙂",
)


def escaped(name):
    return name.replace("\n", "\\n").replace("\t", "\\t").replace("\x07", "\\x07")


def texts_of(element):
    """All its texts, if its tags are those of a picture and nothing else."""
    root = ElementTree.fromstring(element)
    assert {one.tag.rpartition("}")[2] for one in root.iter()} <= {
        *("svg", "title", "desc", "g", "defs", "path", "use", "clipPath", "rect", "text"),
        *("image", "pattern"),
    }
    return [one.text for one in root.iter() if one.text]


@pytest.mark.parametrize("kind", ["layers", "spectrum"])
def test_layers_names_are_shown_as_they_are_and_do_no_harm(tmp_path, kind):
    record = named((4,) * len(HOSTILE))
    for layer, name in zip(record["layers"], HOSTILE, strict=True):
        layer["name"] = name
    run = load_run(write_run(tmp_path / "a.csv", record, readings=3))
    texts = texts_of(svg(kind, run, DEFAULT_THRESHOLDS))
    for name in HOSTILE:
        assert any(escaped(name)[:10].strip() in text for text in texts), name
    for file_type in ("png", "pdf"):
        assert render(kind, run, DEFAULT_THRESHOLDS, file_type)


@pytest.mark.parametrize("name", HOSTILE)
def test_models_names_are_shown_as_they_are_and_do_no_harm(tmp_path, name):
    run, other = recorded(tmp_path / "a", name=name), recorded(tmp_path / "b", name="other")
    texts = texts_of(svg("redundancy", run, DEFAULT_THRESHOLDS))
    assert f"Redundancy of {escaped(name)}" in texts
    assert f"Redundancy over time: {escaped(name)}" in texts
    compared = texts_of(svg("comparison", run, DEFAULT_THRESHOLDS, others=(other,)))
    assert any(escaped(name)[:10].strip() in text for text in compared)


def test_a_user_s_own_matplotlib_settings_change_nothing(tmp_path):
    import matplotlib

    run = recorded(tmp_path)
    plain = render("redundancy", run, DEFAULT_THRESHOLDS, "png")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 20}):
        assert render("redundancy", run, DEFAULT_THRESHOLDS, "png") == plain
        assert matplotlib.rcParams["font.size"] == 30


def test_what_a_run_lacks_is_named_with_the_remedy(tmp_path):
    run = recorded(tmp_path)
    assert [missing(kind, run) for kind in KINDS if kind != "comparison"] == [None] * 7
    layers_path(run.path).unlink()
    spectra_path(run.path).unlink()
    widths_path(run.path).unlink()
    alone = load_run(run.path)
    for kind, file in (
        ("layers", "run_layers.csv"),
        ("spectrum", "run_spectra.npz"),
        ("widths", "run_widths.npz"),
        ("front", "run_widths.npz"),
    ):
        message = f"{file} is not there; copy it beside run.csv"
        assert str(missing(kind, alone)).endswith(message)
        for function in (svg, alternative_text):
            thresholds = (DEFAULT_THRESHOLDS,) if function is svg else ()
            with pytest.raises(UsageError, match=re.escape(message)):
                function(kind, alone, *thresholds)
    with pytest.raises(UsageError, match="plot type is 'pie'; use one of redundancy, correlation"):
        missing("pie", run)


@pytest.mark.parametrize(("runs", "possible"), [(1, False), (2, True), (8, True), (9, False)])
def test_a_comparison_takes_two_to_eight_runs(tmp_path, runs, possible):
    run = recorded(tmp_path)
    options = Options(others=(run,) * (runs - 1))
    assert (missing("comparison", run, options) is None) is possible


def test_an_unknown_metric_is_named(tmp_path):
    run = recorded(tmp_path)
    for call in (
        lambda: svg("layers", run, DEFAULT_THRESHOLDS, metric="rank"),
        lambda: alternative_text("layers", run, metric="rank"),
    ):
        with pytest.raises(UsageError, match="metric is 'rank'; use one of redundancy_score"):
            call()


def test_a_csv_of_an_older_kind_without_saturation_can_be_compared(tmp_path):
    path = write_run(tmp_path / "a.csv")
    table = pd.read_csv(path).drop(columns=["saturation", "dead_channels"])
    old = tmp_path / "old.csv"
    table.to_csv(old, index=False)
    figure = figure_of("comparison", load_run(path), others=(load_run(old),))
    assert "not defined" in words(figure)
    assert_legible(figure_of("dashboard", load_run(old)))

"""The models: parameter counts, layer names, and widths in both forms."""

import numpy as np
import pytest

from nasmon.errors import UsageError
from nasmon.train.models import BLOCK_NAMES, MODELS, build_model, expand_widths


@pytest.mark.parametrize(("widths", "parameters"), [((4, 8, 16, 16), 4212), (None, 37848)])
def test_nano_u_has_the_published_parameter_counts(widths, parameters):
    assert build_model("nano_u", widths).count_params() == parameters


def test_bu_net_has_about_180_000_parameters():
    assert build_model("bu_net").count_params() == pytest.approx(180_000, rel=0.01)


def test_nano_u_is_strictly_sequential():
    model = build_model("nano_u", (1, 1, 1, 1))
    for before, layer in zip(model.layers[:-1], model.layers[1:], strict=True):
        assert layer.input is before.output


def test_bu_net_hands_each_stage_across_to_its_counterpart():
    model = build_model("bu_net", (2, 3, 5, 7))
    last = "block2_pointwise_relu"
    for number, below in ((1, "bottleneck"), (2, "up1"), (3, "up2")):
        skip = model.get_layer(f"up{number}_skip")
        kept = model.get_layer(f"down{4 - number}_{last}").output
        assert skip.input[1] is kept
        assert skip.input[0].shape[-1] == model.get_layer(f"{below}_{last}").output.shape[-1]


@pytest.mark.parametrize("name", MODELS)
def test_logits_have_the_input_s_resolution(name):
    model = build_model(name, (2, 2, 2, 2))
    images = np.zeros((3, *MODELS[name].input_shape), np.float32)
    assert model(images).shape == (3, 60, 80, 1)
    assert model.layers[-1].name == "head"
    assert model.layers[-1].activation.__name__ == "linear"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("changed", range(len(BLOCK_NAMES)))
def test_any_width_can_be_changed_alone(name, changed):
    widths = [2] * len(BLOCK_NAMES)
    widths[changed] = 3
    model = build_model(name, widths)
    for block, width in zip(BLOCK_NAMES, widths, strict=True):
        assert model.get_layer(f"{block}_pointwise").filters == width


def test_the_short_form_mirrors_the_way_down():
    assert expand_widths([1, 2, 3, 4]) == (1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 2, 2, 1, 1)
    assert expand_widths(range(1, 15)) == tuple(range(1, 15))


@pytest.mark.parametrize("count", [0, 1, 3, 5, 13, 15])
def test_a_wrong_number_of_widths_names_both_counts(count):
    with pytest.raises(UsageError, match=rf"{count} numbers; give 4 .* or 14"):
        expand_widths([4] * count)


def test_a_width_below_one_is_refused():
    with pytest.raises(UsageError, match=r"holds 0; every width"):
        expand_widths([4, 0, 4, 4])


def test_an_unknown_model_names_the_known_ones():
    with pytest.raises(UsageError, match=r"'unet' is not known; use one of nano_u, bu_net"):
        build_model("unet")


@pytest.mark.parametrize("shape", [(61, 80, 3), (60, 81, 3), (60, 80), (0, 80, 3)])
def test_an_input_shape_that_cannot_be_pooled_is_refused(shape):
    with pytest.raises(UsageError, match=r"multiple of 12 .* multiple of 8"):
        build_model("nano_u", None, shape)


def test_another_input_shape_is_taken():
    assert build_model("nano_u", (1, 1, 1, 1), (24, 16, 1)).output_shape == (None, 24, 16, 1)

"""Networks that people use, at half their parameters: exact to the parameter, saved and trained."""

from pathlib import Path

import keras
import numpy as np
import pytest

import nasmon
from bench.trainings import network
from nasmon.narrowing.traced import follow_model

# which operations or layers need widths as they are, beside the model's output
FIXED_BY: dict[str, set[str]] = {
    "MobileNetV2": set(),
    "MobileNetV3Small": set(),
    "EfficientNetB0": {"normalization"},
    "ResNet50": set(),
    "DenseNet121": set(),
    # its scales are layers of its own
    "ConvNeXtTiny": {"layer_scale"},
    "VGG16": set(),
    # it adds what is concatenated to what is not
    "NASNetMobile": {"add"},
}


@pytest.mark.parametrize("name", FIXED_BY)
def test_a_network_of_half_the_parameters(name: str, tmp_path: Path) -> None:
    halved(name, FIXED_BY[name], tmp_path)


def halved(name: str, fixed_by: set[str], folder: Path) -> None:
    """Narrows a network for small images, saves it and trains it on."""
    model = network(name)
    plan = nasmon.plan_widths(model, params=0.5)
    reasons = {group.reason for group in plan.groups} - {"", "the model's output"}
    for reason in reasons:
        assert any(word in reason for word in fixed_by), reason
    small = nasmon.narrow(model, plan)
    assert small.count_params() == plan.after.params
    assert 0.45 < small.count_params() / model.count_params() <= 0.5
    assert follow_model(small).macs == plan.after.macs
    small.save(folder / "small.keras")
    loaded = keras.models.load_model(folder / "small.keras")
    x = np.random.default_rng(0).random((2, *model.input_shape[1:]), np.float32)
    np.testing.assert_allclose(loaded(x), small(x), rtol=1e-5, atol=1e-6)
    loaded.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    assert np.isfinite(loaded.train_on_batch(x, np.zeros(2)))

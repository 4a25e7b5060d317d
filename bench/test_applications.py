"""Networks of keras.applications that take too long for the tests, narrowed as those are there.

``python -m pytest bench/test_applications.py``; TensorFlow's time, not nasmon's, is most of it.
"""

from pathlib import Path

import pytest

from tests.test_narrowing_applications import halved

SIZES = {
    "MobileNet": 32,
    "MobileNetV3Large": 32,
    "EfficientNetV2B0": 32,
    "ResNet50V2": 32,
    "VGG19": 32,
    "Xception": 71,
    "InceptionV3": 75,
    "InceptionResNetV2": 75,
}
"""Networks, and pixels a side of the smallest images that they take."""


@pytest.mark.parametrize("name", SIZES)
def test_a_larger_network_of_half_the_parameters(name: str, tmp_path: Path) -> None:
    fixed = {"normalization"} if name == "EfficientNetV2B0" else set[str]()
    halved(name, SIZES[name], fixed, tmp_path)

"""Statistics of batch normalizations are those of the data, whatever they were."""

import keras
import numpy as np

from nasmon.narrowing.recalibrate import recalibrate
from nasmon.probe_set import probe_set


def test_statistics_are_those_of_the_data_and_the_layer_is_left_as_it_was() -> None:
    norm = keras.layers.BatchNormalization(momentum=0.9)
    frozen = keras.layers.BatchNormalization(trainable=False)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), norm, frozen])
    norm.moving_mean.assign([7.0] * 4)
    x = np.random.default_rng(0).normal(3, 2, (256, 4)).astype(np.float32)
    before = np.array(frozen.moving_variance)
    recalibrate(model, probe_set(x, 256, 64))
    np.testing.assert_allclose(norm.moving_mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, x.var(0), rtol=0.05)
    np.testing.assert_array_equal(np.array(frozen.moving_variance), before)
    assert norm.momentum == 0.9
    assert "call" not in vars(norm)

"""A pretrained backbone with a head of your own: how much of it do your data use?

    python backbone.py

The backbone stays frozen, so its reading tells at once what your images use of the features that it
has. Where few directions are used, a narrower backbone, or one cut off earlier, will do.
"""

import keras
import numpy as np
from keras import layers

from nasmon import NASMonitorCallback

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)

# discs and squares of any colour on any ground, [count, 64, 64, 3], 0 to 255
rows, columns = np.mgrid[:64, :64]
y = random.integers(0, 2, 256)
x = np.empty((256, 64, 64, 3), np.float32)
for image, square in zip(x, y, strict=True):
    across, down = np.abs(columns - random.integers(20, 44)), np.abs(rows - random.integers(20, 44))
    shape = np.maximum(across, down) < 12 if square else np.hypot(across, down) < 13.5
    image[:] = np.where(shape[..., None], *random.uniform(0, 255, (2, 3)))

backbone = keras.applications.MobileNetV2(
    (64, 64, 3),
    alpha=0.35,
    include_top=False,
    pooling="avg",
    weights=None,  # no download here; weights="imagenet" for the trained ones
)
backbone.trainable = False
model = keras.Sequential(
    [
        keras.Input((64, 64, 3)),
        layers.Rescaling(1 / 127.5, offset=-1),
        backbone,
        layers.Dense(2, name="head"),
    ]
)
model.compile(
    keras.optimizers.Adam(0.01),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)

monitor = NASMonitorCallback(
    log_dir="logs/backbone",
    layers=["block_*_project", "Conv_1"],  # where each block of the backbone ends
    width_evidence=False,  # what narrower layers would lose: for a backbone that is trained, too
)
model.fit(x[:192], y[:192], validation_data=(x[192:], y[192:]), epochs=2, callbacks=[monitor])

table = monitor.readings[-1].layers
print("block                        channels  rank_99  saturation")
for layer in table:
    values = monitor.readings[-1][layer.name]
    name, rank, share = layer.name, values["rank_99"], values["saturation"]
    print(f"{name:28} {layer.channels:8} {rank:8.0f} {share:11.2f}")

"""From sounds to a keyword spotter in 8-bit integers.

    pip install 'nasmon[mcu]'
    python keyword_spotting.py

The words are made here, of tones that glide between the formants of vowels, in noise.
"""

import keras
import numpy as np
from keras import layers, ops

import nasmon

RATE, SAMPLES = 8000, 6400  # Hz, and 0.8 s of them
WORDS = {"ay": (800, 1200, 300, 2300), "oi": (450, 800, 300, 2300), "ow": (800, 1200, 350, 700)}

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)


def spoken(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sounds [count, SAMPLES] float32, and which of the words each is."""
    y = random.integers(0, len(WORDS), count)
    share = np.linspace(0, 1, SAMPLES)
    sounds = random.normal(0, 0.3, (count, SAMPLES))
    for sound, word in zip(sounds, y, strict=True):
        begin, end = np.reshape(list(WORDS.values())[word], (2, 2)) * random.uniform(0.85, 1.15)
        for first, last in zip(begin, end, strict=True):
            hertz = first + (last - first) * share
            sound += np.hanning(SAMPLES) * np.sin(2 * np.pi * np.cumsum(hertz) / RATE)
    return sounds.astype(np.float32), y


def spectrograms(sounds: np.ndarray) -> np.ndarray:
    """The logarithm of the power in 64 bands, [count, 48, 64, 1]; made outside of the model."""
    real, imaginary = ops.stft(sounds, sequence_length=256, sequence_stride=128, fft_length=256)
    power = ops.log(ops.square(real) + ops.square(imaginary) + 1e-3)
    return ops.convert_to_numpy(power)[:, :48, :64, None]


def separable(x: keras.KerasTensor, width: int, number: int) -> keras.KerasTensor:
    """A block of DS-CNN: each channel by itself, then all of them mixed."""
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"depthwise{number}")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Conv2D(width, 1, use_bias=False, name=f"pointwise{number}")(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


inputs = keras.Input((48, 64, 1))
x = layers.Conv2D(24, (8, 4), (4, 4), padding="same", use_bias=False, name="conv")(inputs)
x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
for number in (1, 2):
    x = separable(x, 24, number)
outputs = layers.Dense(len(WORDS), name="words")(layers.GlobalAveragePooling2D()(x))
model = keras.Model(inputs, outputs, name="keywords")
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])

sounds, y = spoken(768)
x = spectrograms(sounds)
train, val = slice(256, None), slice(0, 256)
monitor = nasmon.NASMonitorCallback(log_dir="logs/keywords")
model.fit(x[train], y[train], validation_data=(x[val], y[val]), epochs=6, callbacks=[monitor])
print(monitor.summary())

int8 = nasmon.to_int8(model, x[train][:100])
int8.save("logs/keywords/keywords.tflite")
for kind, predict in (("float32", model.predict), ("int8", int8.predict)):
    right = np.argmax(predict(x[val]), axis=-1) == y[val]
    print(f"accuracy in {kind}: {right.mean():.3f}")
print(f"flash {int8.flash:,} bytes, RAM {int8.ram:,} bytes")

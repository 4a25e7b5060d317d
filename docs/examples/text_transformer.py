"""A small transformer that reads sentences, with its attention and its MLPs watched.

    python text_transformer.py

The sentences are made here: good or bad, and turned around by each "not".
"""

import keras
import numpy as np
from keras import layers

from nasmon import NASMonitorCallback

WORDS, WIDTH = 12, 32

keras.utils.set_random_seed(1)
random = np.random.default_rng(1)


def sentences(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts, and 1 for those that praise."""
    subjects, words = ["the film", "this book", "her song"], ["good", "great", "bad", "dull"]
    texts, praised = [], []
    for _ in range(count):
        word, negations = random.choice(words), random.integers(0, 3)
        middle = ["not"] * negations + ["really", "quite"][: random.integers(0, 3)]
        texts.append(" ".join([random.choice(subjects), "is", *random.permutation(middle), word]))
        praised.append((word in ("good", "great")) != negations % 2)
    return np.array(texts), np.array(praised, np.float32)


class Block(layers.Layer):
    """Attention over the sentence, then an MLP at each word."""

    def __init__(self, width: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(4, width // 4, name="attention")
        self.norms = [layers.LayerNormalization(name=f"norm{number}") for number in (1, 2)]
        self.wide = layers.Dense(4 * width, "gelu", name="wide")
        self.narrow = layers.Dense(width, name="narrow")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """From [batch, words, width] to the same."""
        normed = self.norms[0](x)
        x = x + self.attention(normed, normed)
        return x + self.narrow(self.wide(self.norms[1](x)))


texts, y = sentences(2048)
vocabulary = layers.TextVectorization(output_sequence_length=WORDS)
vocabulary.adapt(texts)
x = vocabulary(texts)

inputs = keras.Input((WORDS,), dtype="int64")
places = layers.Embedding(WORDS, WIDTH, name="places")(keras.ops.arange(WORDS))
words = layers.Embedding(vocabulary.vocabulary_size(), WIDTH, name="words")(inputs) + places
words = Block(WIDTH, name="block2")(Block(WIDTH, name="block1")(words))
outputs = layers.Dense(1, name="head")(layers.GlobalAveragePooling1D()(words))
model = keras.Model(inputs, outputs, name="transformer")
loss = keras.losses.BinaryCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.002), loss, metrics=["accuracy"])

monitor = NASMonitorCallback(log_dir="logs/transformer", samples=64)
split = len(x) - 256
model.fit(
    *(x[:split], y[:split]), validation_data=(x[split:], y[split:]), epochs=4, callbacks=[monitor]
)
print(monitor.summary())

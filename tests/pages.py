"""Runs whose reports are hard to get right, and a page taken apart for tests."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from nasmon.kernels.metric_table import METRIC_NAMES
from nasmon.record.files import spectra_path
from tests.recorded import chain, metrics, write_run

SCRIPT = "<script>document.title='broken'</script>"
IMAGE = '"><img src=x onerror="document.title=\'broken\'">'
VOID = {"meta", "link", "img", "br", "wbr", "hr", "input"}


class Page(HTMLParser):
    """All elements of a page, in their order: tag, attributes, and the text inside."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[tuple[str, list[str]]] = []
        self.feed(html)
        self.close()
        assert not self._open, self._open[-1]

    def handle_starttag(self, tag, attributes):
        texts: list[str] = []
        self.elements.append((tag, dict(attributes), texts))
        if tag not in VOID:
            self._open.append((tag, texts))

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), []))

    def handle_endtag(self, tag):
        opened, _ = self._open.pop()
        assert opened == tag

    def handle_data(self, data):
        for _, texts in self._open:
            texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes, _ in self.elements if name == tag]

    def texts(self, tag: str) -> list[str]:
        return [" ".join("".join(t).split()) for name, _, t in self.elements if name == tag]


def hostile_run(path: Path, layers: int = 60, **record: object) -> Path:
    """A run of many layers with long names, some of which are markup, with NaN and near copies."""
    random = np.random.default_rng(1)
    tree = {**chain([int(w) for w in random.choice([8, 16, 32, 64], layers)]), "model_name": IMAGE}
    names = [
        f"encoder/block_{i // 5}/stage_{i % 5}/separable_convolution_{i}" for i in range(layers)
    ]
    names[2], names[3] = SCRIPT, IMAGE
    text = json.dumps({**tree, **record})
    for index in reversed(range(layers)):
        text = text.replace(f'"conv{index}"', json.dumps(names[index]))
    tree = json.loads(text)
    values = metrics(layers, 24, [layer["channels"] for layer in tree["layers"]])
    values[:, 5, METRIC_NAMES.index("correlation_mean")] = np.nan
    values[:, 4, :] = np.nan
    write_run(path, tree, values)
    with np.load(spectra_path(path)) as file:
        arrays = dict(file)
    for index in range(10):  # two near copies each, for a second line of advice
        correlations = arrays[f"latest/correlations/{index}"]
        correlations[0, 1] = correlations[1, 0] = 0.995
    np.savez(spectra_path(path), **arrays)
    return path

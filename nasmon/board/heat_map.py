"""A picture of all layers: a row each, colours from left to right.

Drawn with Pillow, for a training waits for it: that takes less than matplotlib's import alone.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROW_WIDTH, ROW_HEIGHT = 420, 16  # pixels of the colours, and of a layer's row
TALLEST = 1600  # pixels of all rows: of more layers than fit, rows are thinner and some unnamed
MARGIN, TEXT = 12, 13
LONGEST_NAME_SHOWN = 40  # characters

_VIRIDIS = (
    *((68, 1, 84), (71, 44, 122), (59, 81, 139), (44, 113, 142), (33, 144, 141)),
    *((39, 173, 129), (92, 200, 99), (170, 220, 50), (253, 231, 37)),
)
"""Of matplotlib's colour map of this name, at equal distances: even in lightness, and read by those
who tell few colours apart."""

COLOUR_MAP = np.stack(
    [
        np.interp(np.linspace(0, 8, 255), np.arange(9), channel)
        for channel in np.transpose(_VIRIDIS)
    ],
    axis=1,
).astype(np.uint8)
"""[255, 3] uint8, from the least to the largest."""

GREY = np.full((1, 3), 215, np.uint8)  # for NaN


class Scale(NamedTuple):
    """What colours and ends of a picture stand for."""

    least: float  # the darkest colour
    largest: float  # the lightest
    colour: str  # what the colours are of
    left: str  # what stands at the left end of a row
    right: str


def heat_map(
    names: Sequence[str], values: np.ndarray, title: str, scale: Scale
) -> tuple[bytes, int, int]:
    """A picture with a row a layer.

    Args:
        names: of the layers, from above; long ones are shown by their ends.
        values: [layers, columns] float; NaN is grey. Columns are spread over the width.
        title: above it.
        scale: what colours and ends stand for.

    Returns:
        The PNG file, and its width and height in pixels.

    Example:
        >>> png, width, height = heat_map(
        ...     ["conv1"], np.array([[0.2, 0.4]]), "saturation", Scale(0, 1, "share", "a", "b")
        ... )
        >>> png[1:4], height
        (b'PNG', 92)
    """
    font = ImageFont.load_default(TEXT)
    row = max(1, min(ROW_HEIGHT, TALLEST // max(1, len(names))))
    shown = [_end_of(name) for name in names]
    left = 2 * MARGIN + int(max([font.getlength(name) for name in shown], default=0))
    top, bottom = 3 * MARGIN, 3 * MARGIN + 4
    tall = row * len(names)
    bar = left + ROW_WIDTH + 2 * MARGIN
    size = bar + 9 * MARGIN, top + tall + bottom
    picture = Image.new("RGB", size, "white")
    picture.paste(Image.fromarray(_coloured(values, scale, row)), (left, top))
    gradient = np.linspace(scale.largest, scale.least, max(tall, 1))[:, np.newaxis]
    picture.paste(Image.fromarray(_coloured(gradient, scale, 1)[:, :MARGIN]), (bar, top))
    draw = ImageDraw.Draw(picture)

    def write(x: int, y: int, text: str, anchor: str) -> None:
        draw.text((x, y), text, fill="black", font=font, anchor=anchor)

    write(left, top - MARGIN, title, "ls")
    every = -(-TEXT // row)
    for index in range(0, len(shown), every):
        write(left - MARGIN // 2, top + index * row + row // 2, shown[index], "rm")
    write(left, top + tall + MARGIN // 2, scale.left, "la")
    write(left + ROW_WIDTH, top + tall + MARGIN // 2, scale.right, "ra")
    beside = bar + MARGIN + MARGIN // 2
    write(beside, top, f"{scale.largest:g}", "la")
    write(beside, top + tall, f"{scale.least:g}", "ls")
    write(bar, top + tall + MARGIN // 2, scale.colour, "la")
    file = io.BytesIO()
    # not smaller at any price: a training waits
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue(), *size


def _coloured(values: np.ndarray, scale: Scale, row: int) -> np.ndarray:
    """[layers * row, ROW_WIDTH, 3] uint8."""
    columns = np.arange(ROW_WIDTH) * values.shape[1] // ROW_WIDTH
    shares = (values[:, columns] - scale.least) / (scale.largest - scale.least)
    last = len(COLOUR_MAP) - 1
    indices = np.where(np.isnan(shares), last + 1, np.clip(shares, 0, 1) * last)
    pixels = np.concatenate([COLOUR_MAP, GREY])[indices.astype(np.uint8)]
    return np.repeat(pixels, row, axis=0)


def _end_of(name: str) -> str:
    """Of a path the end tells more."""
    line = " ".join(name.split())
    return line if len(line) <= LONGEST_NAME_SHOWN else f"…{line[1 - LONGEST_NAME_SHOWN :]}"

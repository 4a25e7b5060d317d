"""Photographs as mirrored texture pyramids, sampled at any place and footprint.

The photographs are those of grass, gravel and brick that scikit-image carries in its wheel, all
under CC0; nothing is downloaded. A pyramid is what computer graphics calls
a mipmap (Williams 1983, doi 10.1145/964967.801126): each level halves the one before, so that far
ground is averaged instead of aliased.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

# Float32 throughout; the checker sees the wider type that NumPy's stubs infer.
Floats = npt.NDArray[np.floating[Any]]

Ints = npt.NDArray[np.int32]

# All levels of one texture, zero mean and unit variance, finest first, rows within a level.
Pyramid = npt.NDArray[np.float32]

PHOTOGRAPHS = ("grass", "gravel", "brick")

SIDE = 1024  # texels along a mirrored photograph of 512; a power of two, so that & wraps

LEVEL_SIDES = tuple(SIDE >> level for level in range(SIDE.bit_length()))

OFFSETS: Ints = np.cumsum([0, *(side**2 for side in LEVEL_SIDES[:-1])]).astype(np.int32)


def load_photographs() -> dict[str, Pyramid]:
    """Read the photographs, from scikit-image's wheel, as pyramids."""
    from skimage import data

    return {name: build_pyramid(_mirror(getattr(data, name)())) for name in PHOTOGRAPHS}


def smooth_noise(rng: np.random.Generator, shortest: float = 10.0) -> Pyramid:
    """Make a periodic random field whose amplitude falls as wavelength to the power 1.6.

    Args:
        rng: Source of the phases.
        shortest: Shortest wavelength kept, in texels.
    """
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    # Waves longer than a quarter of the tile would make one scene all high and the next all low.
    band = (frequency >= 4 / SIDE) & (frequency <= 1 / shortest)
    amplitude = np.where(band, np.maximum(frequency, 1 / SIDE) ** -1.6, 0)
    phase = rng.uniform(0, 2 * np.pi, frequency.shape)
    return build_pyramid(np.fft.irfft2(amplitude * np.exp(1j * phase), s=(SIDE, SIDE)))


def build_pyramid(image: npt.NDArray[np.generic]) -> Pyramid:
    """Standardise a ``[SIDE, SIDE]`` image and halve it down to one texel."""
    level = image.astype(np.float64)
    level = (level - level.mean()) / level.std()
    levels = [level]
    while level.shape[0] > 1:
        level = level.reshape(level.shape[0] // 2, 2, level.shape[1] // 2, 2).mean((1, 3))
        levels.append(level)
    return np.concatenate([one.ravel() for one in levels]).astype(np.float32)


def locate(across: Floats, along: Floats, footprint: Floats) -> Ints:
    """Find the texels that pixels look up, in any pyramid, for all have one layout.

    Args:
        across: Place along the texture's columns, in texels; it wraps.
        along: Place along the texture's rows, in texels; it wraps.
        footprint: Size of a pixel on the texture, in texels, which chooses the level.

    Returns:
        Indices into ``Pyramid.texels``, of the arguments' shape.
    """
    level = np.rint(np.log2(np.maximum(footprint, 1))).astype(np.int32)
    level = np.minimum(level, len(OFFSETS) - 1)
    side = np.right_shift(np.int32(SIDE), level)
    row = np.right_shift(np.floor(along).astype(np.int32), level) & (side - 1)
    column = np.right_shift(np.floor(across).astype(np.int32), level) & (side - 1)
    return OFFSETS[level] + row * side + column


def look_up(pyramid: Pyramid, texels: Ints) -> Floats:
    """Read a texture at located texels."""
    return pyramid[texels]


def _mirror(image: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Make an image periodic by its reflections."""
    wide = np.concatenate([image, image[:, ::-1]], axis=1)
    return np.concatenate([wide, wide[::-1]], axis=0)

"""The ground of a terrain scene: camera, path and materials.

Lengths are in metres on the ground and in pixels on the picture. Every array of a batch is
float32 ``[n, rows, columns]`` or broadcasts to it; colours add a last axis of 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nasmon.train.data.textures import SIDE, Floats, Ints, Pyramid, locate, look_up

ROWS, COLUMNS = 60, 80

OVERSAMPLING = 2

FARTHEST = 80.0

# The dull and the bright end of each colour of ground: red, green and blue of 0 to 1.
COLOURS = {
    "green": ((0.17, 0.27, 0.10), (0.46, 0.50, 0.22)),
    "dry": ((0.40, 0.36, 0.20), (0.64, 0.57, 0.38)),
    "grey": ((0.38, 0.37, 0.36), (0.66, 0.63, 0.58)),
    "earth": ((0.32, 0.25, 0.18), (0.57, 0.46, 0.34)),
    "red": ((0.42, 0.25, 0.19), (0.60, 0.46, 0.40)),
}


class Material(NamedTuple):
    """A kind of ground: which photograph, tinted how, and how strongly its pattern shows."""

    photograph: str
    colour: str
    contrast: float


SURROUNDINGS = (
    Material("grass", "green", 0.34),
    Material("grass", "green", 0.28),
    Material("grass", "dry", 0.30),
    Material("gravel", "dry", 0.20),
    Material("gravel", "earth", 0.22),
)

PATHS = (
    Material("gravel", "grey", 0.18),
    Material("gravel", "earth", 0.18),
    Material("brick", "red", 0.22),
    Material("brick", "grey", 0.18),
    Material("grass", "earth", 0.10),
)


class Dice(NamedTuple):
    """Random numbers, one per scene of the batch."""

    rng: np.random.Generator
    scenes: int

    def draw(self, low: float, high: float) -> Floats:
        """Uniform numbers ``[n, 1, 1]``."""
        return self.rng.uniform(low, high, (self.scenes, 1, 1)).astype(np.float32)

    def chance(self, probability: float) -> Floats:
        """1 with this probability, else 0, ``[n, 1, 1]``."""
        return (self.rng.random((self.scenes, 1, 1)) < probability).astype(np.float32)


class Textures(NamedTuple):
    """What every scene is painted with."""

    photographs: dict[str, Pyramid]
    noise: Pyramid


class View(NamedTuple):
    """What each pixel of each scene looks at; above the horizon the ground is at FARTHEST."""

    right: Floats  # [n, rows, columns] pixels right of the optical axis
    below: Floats  # [n, rows, columns] pixels below the horizon, negative in the sky
    across: Floats  # [n, rows, columns] metres to the right of the camera
    along: Floats  # [n, rows, columns] metres ahead of the camera
    footprint: Floats  # [n, rows, columns] metres a pixel covers, mean of both directions
    focal: Floats  # [n, 1, 1] focal length in pixels
    height: Floats  # [n, 1, 1] of the camera in metres


def aim(dice: Dice) -> View:
    """Place the cameras and intersect their rays with flat ground."""
    down, right = np.meshgrid(
        (np.arange(ROWS * OVERSAMPLING, dtype=np.float32) + 0.5) / OVERSAMPLING - ROWS / 2,
        (np.arange(COLUMNS * OVERSAMPLING, dtype=np.float32) + 0.5) / OVERSAMPLING - COLUMNS / 2,
        indexing="ij",
    )
    roll = dice.draw(-0.08, 0.08)
    focal, height = dice.draw(55, 95), dice.draw(0.35, 1.5)
    below = down * np.cos(roll) + right * np.sin(roll) + ROWS * dice.draw(0.05, 0.6)
    right = right * np.cos(roll) - down * np.sin(roll)
    along = np.where(below > 0, height * focal / np.maximum(below, 1e-3), FARTHEST)
    along = np.minimum(along, FARTHEST)
    footprint = along / focal * np.sqrt(along / height) / OVERSAMPLING
    return View(right, below, right * along / focal, along, footprint, focal, height)


def lay_texture(dice: Dice, view: View, tile: Floats) -> Ints:
    """Lay a texture of ``tile`` metres on the ground, turned and shifted at random."""
    turn, scale = dice.draw(0, 2 * np.pi), SIDE / tile
    across = view.across * np.cos(turn) - view.along * np.sin(turn)
    along = view.across * np.sin(turn) + view.along * np.cos(turn)
    return locate(
        across * scale + dice.draw(0, SIDE),
        along * scale + dice.draw(0, SIDE),
        view.footprint * scale,
    )


def unevenness(dice: Dice, view: View, textures: Textures, low: float, high: float) -> Floats:
    """Smooth noise of unit variance on the ground; a tile is ``low`` to ``high`` metres."""
    return look_up(textures.noise, lay_texture(dice, view, dice.draw(low, high)))


def lay_path(dice: Dice, view: View, textures: Textures) -> tuple[Floats, Floats]:
    """Draw a path that starts near the camera.

    Returns:
        The path as 0 or 1, and how much of its material shows (0 to 1, soft at the edge).
    """
    near = view.along.min(axis=(1, 2), keepdims=True)
    sight = np.abs(view.across[:, -1:]).max(axis=(1, 2), keepdims=True)
    width = sight * dice.draw(0.35, 1.4) + 0.1
    ahead = view.along - near
    centre = _centre_line(dice, ahead, sight, width)
    edge = np.abs(view.across - centre) - width / 2
    branch = _branch(dice, view, centre, ahead, width)
    edge = np.minimum(edge, np.where(dice.chance(0.2) > 0, branch, np.float32(np.inf)))
    edge += dice.draw(0.01, 0.08) * width * unevenness(dice, view, textures, 6, 16)
    softness = dice.draw(0.01, 0.15) * width + view.footprint
    path = ((edge < 0) & (view.below > 0)).astype(np.float32)
    return path, np.clip(0.5 - edge / (2 * softness), 0, 1)


def _centre_line(dice: Dice, ahead: Floats, sight: Floats, width: Floats) -> Floats:
    swing, wavelength = dice.draw(0, 0.8) * width, dice.draw(3, 14)
    phase = dice.draw(0, 2 * np.pi)
    wave = np.sin(ahead / wavelength * (2 * np.pi) + phase) - np.sin(phase)
    bow = dice.draw(-0.05, 0.05) * np.minimum(ahead, 12) ** 2
    return dice.draw(-0.6, 0.6) * sight + dice.draw(-0.35, 0.35) * ahead + swing * wave + bow


def _branch(dice: Dice, view: View, centre: Floats, ahead: Floats, width: Floats) -> Floats:
    """Distance to the edge of a side path, negative on it."""
    fork, side = dice.draw(0.5, 4), 2 * dice.chance(0.5) - 1
    leaving = np.maximum(ahead - fork, 0) * dice.draw(0.5, 1.6) * side
    edge = np.abs(view.across - centre - leaving) - width * dice.draw(0.25, 0.45)
    return np.where(ahead > fork, edge, np.float32(np.inf))


def cover_ground(dice: Dice, view: View, textures: Textures, cover: Floats) -> Floats:
    """Colour the ground: surroundings, path, bare patches beside it and growth on it."""
    around = _material(dice, view, textures, SURROUNDINGS)
    path = _material(dice, view, textures, PATHS)
    # Feet and wheels bleach a path or darken it; one that does neither cannot be seen at all.
    bleached = dice.chance(0.6)
    path *= (bleached * dice.draw(1.1, 1.45) + (1 - bleached) * dice.draw(0.6, 0.88))[..., None]
    bare = _patches(dice, view, textures)
    grown = _patches(dice, view, textures)
    share = cover * (1 - grown) + bare * (1 - cover)
    return around + (path - around) * share[..., None]


def _patches(dice: Dice, view: View, textures: Textures) -> Floats:
    noise = unevenness(dice, view, textures, 3, 10)
    return dice.draw(0, 0.85) * np.clip(2 * noise - dice.draw(2, 6), 0, 1)


def _material(
    dice: Dice, view: View, textures: Textures, materials: tuple[Material, ...]
) -> Floats:
    """Give each scene one of the materials, in its own shade, scale and rotation."""
    chosen = dice.rng.integers(len(materials), size=dice.scenes)
    texels = lay_texture(dice, view, dice.draw(2, 6))
    shade = 0.5 + 0.25 * unevenness(dice, view, textures, 8, 25) + dice.draw(-0.5, 0.5)
    shade = np.clip(shade, 0, 1)[..., None]
    colour = np.empty((*view.across.shape, 3), np.float32)
    for number, material in enumerate(materials):
        which = chosen == number
        grain = look_up(textures.photographs[material.photograph], texels[which])
        dull, bright = (np.array(end, np.float32) for end in COLOURS[material.colour])
        tint = dull + (bright - dull) * shade[which]
        colour[which] = tint * (1 + material.contrast * grain)[..., None]
    return colour * dice.draw(0.85, 1.15)[..., None]

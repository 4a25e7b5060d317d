"""Compose whole terrain scenes: ground, light, objects, sky, and the camera's own traces."""

from __future__ import annotations

import numpy as np

from nasmon.train.data.ground import (
    OVERSAMPLING,
    ROWS,
    Dice,
    Textures,
    View,
    aim,
    cover_ground,
    lay_path,
    unevenness,
)
from nasmon.train.data.pipelines import Bytes
from nasmon.train.data.textures import (
    SIDE,
    Floats,
    Ints,
    load_photographs,
    locate,
    look_up,
    smooth_noise,
)

# Scenes painted at once: few enough that a batch's arrays stay in the processor's cache.
BATCH = 16

# Skies at the horizon and overhead.
SKIES = (
    ((0.80, 0.84, 0.88), (0.42, 0.58, 0.82)),
    ((0.86, 0.86, 0.86), (0.66, 0.69, 0.73)),
    ((0.90, 0.80, 0.68), (0.55, 0.60, 0.74)),
)


def paint(count: int, seed: tuple[int, ...]) -> tuple[Bytes, Bytes]:
    """Paint scenes; the same count and seed give the same scenes.

    Args:
        count: How many scenes.
        seed: Any whole numbers of at least 0.

    Returns:
        Images uint8 ``[count, 60, 80, 3]``, and masks uint8 ``[count, 60, 80, 1]``: 1 on the path.
    """
    rng = np.random.default_rng(seed)
    textures = Textures(load_photographs(), smooth_noise(rng))
    sizes = [min(BATCH, count - start) for start in range(0, count, BATCH)]
    batches = [_paint_batch(Dice(rng, size), textures) for size in sizes]
    images, masks = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(masks)


def _paint_batch(dice: Dice, textures: Textures) -> tuple[Bytes, Bytes]:
    view = aim(dice)
    path, cover = lay_path(dice, view, textures)
    colour = cover_ground(dice, view, textures, cover)
    colour *= _light(dice, view, textures)[..., None]
    horizon, zenith = _sky_colours(dice)
    clearness = np.exp(-view.along / dice.draw(15, 250))[..., None]
    colour = horizon + (colour - horizon) * clearness
    colour = _paint_sky(dice, view, textures, colour, horizon, zenith)
    for photograph, tint in (("grass", (0.17, 0.23, 0.09)), ("gravel", (0.44, 0.42, 0.40))) * 2:
        cover = _stand_object(dice, view, textures)
        grain = 1 + 0.3 * look_up(textures.photographs[photograph], _grain(dice, view))
        surface = (grain * dice.draw(0.5, 1.2))[..., None] * np.array(tint, np.float32)
        colour += (surface - colour) * cover[..., None]
        path *= cover < 0.5
    return _develop(dice, view, colour), (_shrink(path[..., None]) >= 0.5).astype(np.uint8)


def _light(dice: Dice, view: View, textures: Textures) -> Floats:
    """Sunlight, with shadows of what stands outside the picture: crowns, and trunks in rows."""
    depth = dice.chance(0.65) * dice.draw(0.25, 0.65)
    sharpness = dice.draw(1, 6)
    crowns = (unevenness(dice, view, textures, 12, 40) - dice.draw(0, 1.5)) * sharpness
    turn = dice.draw(-1.2, 1.2)
    place = view.along * np.cos(turn) + view.across * np.sin(turn)
    place = place + 0.15 * unevenness(dice, view, textures, 5, 15)
    wave = np.sin(place * dice.draw(0.6, 3) + dice.draw(0, 2 * np.pi))
    trunks = dice.chance(0.3) * np.clip((wave - dice.draw(0.5, 0.9)) * 6, 0, 1)
    # Where a pixel covers more than a trunk's shadow, light and shade average.
    trunks = trunks * np.clip(1.2 - 4 * view.footprint, 0, 1)
    return 1 - depth * np.maximum(np.clip(crowns, 0, 1), trunks)


def _sky_colours(dice: Dice) -> tuple[Floats, Floats]:
    chosen = dice.rng.integers(len(SKIES), size=dice.scenes)
    skies = np.array(SKIES, np.float32)[chosen] * dice.draw(0.85, 1.1)
    return skies[:, 0, None, None, :], skies[:, 1, None, None, :]


def _paint_sky(
    dice: Dice, view: View, textures: Textures, colour: Floats, horizon: Floats, zenith: Floats
) -> Floats:
    """Put sky and clouds above the horizon, and hills or a line of trees before them."""
    above = np.maximum(-view.below, 0)
    sky = horizon + (zenith - horizon) * np.clip(above / (0.4 * ROWS), 0, 1)[..., None]
    flat = 40 / (above + 4)
    clouds = look_up(
        textures.noise,
        locate(view.right * flat + dice.draw(0, SIDE), 60 * flat + dice.draw(0, SIDE), flat),
    )
    sky += (dice.draw(0, 0.12) * np.clip(clouds, -1, 2))[..., None]
    colour = np.where(view.below[..., None] > 0, colour, sky)
    stretch = dice.draw(4, 12)
    profile = view.right * stretch + dice.draw(0, SIDE)
    skyline = look_up(textures.noise, locate(profile, 0 * profile + dice.draw(0, SIDE), stretch))
    height = dice.chance(0.7) * dice.draw(1, 9) * (1 + 0.4 * skyline)
    trees = np.clip((height - above) * 2, 0, 1) * (view.below <= 0)
    grain = 1 + 0.25 * look_up(textures.photographs["grass"], _grain(dice, view))
    green = np.array((0.22, 0.28, 0.17), np.float32) * (grain * dice.draw(0.5, 1.1))[..., None]
    green += (horizon - green) * dice.draw(0, 0.6)[..., None]
    return colour + (green - colour) * trees[..., None]


def _grain(dice: Dice, view: View) -> Ints:
    """Texels for upright surfaces: the picture's own pixels, enlarged at random."""
    scale = dice.draw(4, 10)
    shift = dice.draw(0, SIDE)
    return locate(view.right * scale + shift, view.below * scale + shift, scale / OVERSAMPLING)


def _stand_object(dice: Dice, view: View, textures: Textures) -> Floats:
    """Cover, 0 to 1, of a ragged upright ellipse that stands on the ground, or of nothing."""
    metre = view.focal / dice.draw(1, 10)  # in pixels, at the object's distance
    size = dice.draw(0.08, 0.4) * metre
    foot = view.height * metre
    middle = dice.draw(-0.5, 0.5) * view.focal
    squat = dice.draw(0.6, 1.1)
    radius = np.hypot(
        (view.right - middle) / size, (view.below - foot + 0.7 * squat * size) / (squat * size)
    )
    scale = dice.draw(60, 160) / size
    shift = dice.draw(0, SIDE)
    texels = locate(view.right * scale + shift, view.below * scale, scale / OVERSAMPLING)
    ragged = radius + 0.15 * look_up(textures.noise, texels)
    return dice.chance(0.25) * np.clip((1 - ragged) * size * OVERSAMPLING, 0, 1)


def _develop(dice: Dice, view: View, colour: Floats) -> Bytes:
    """Exposure, white balance, vignetting, noise, and 8 bits."""
    picture = _shrink(colour)
    balance = dice.rng.uniform(0.93, 1.07, (dice.scenes, 1, 1, 3)).astype(np.float32)
    exposure = dice.draw(0.8, 1.4)[..., None]
    rows = np.linspace(-1, 1, picture.shape[1], dtype=np.float32)[:, None, None]
    columns = np.linspace(-1, 1, picture.shape[2], dtype=np.float32)[:, None]
    vignette = 1 - dice.draw(0, 0.2)[..., None] * (rows**2 + columns**2) / 2
    noise = dice.rng.standard_normal(picture.shape, np.float32) * dice.draw(0.003, 0.02)[..., None]
    picture = np.clip(picture * balance * exposure * vignette, 0, 1)
    picture = picture ** dice.draw(0.75, 1.15)[..., None] + noise
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _shrink(picture: Floats) -> Floats:
    """Average the oversampled pixels, ``[n, rows, columns, channels]``."""
    n, rows, columns, channels = picture.shape
    step = OVERSAMPLING
    blocks = picture.reshape(n, rows // step, step, columns // step, step, channels)
    return blocks.mean(axis=(2, 4))

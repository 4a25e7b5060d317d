"""The embedded data set: terrain scenes with a path to segment, composed from photographs.

These are not photographs of terrain. Each scene is put together from real photographs of grass,
gravel and brick, the ones that scikit-image ships, laid on a ground plane in perspective, with a
path whose place is known and therefore its mask. Nothing is downloaded; 640 scenes take about
five seconds and are then kept in a cache file.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from pathlib import Path

import numpy as np

from nasmon.errors import UsageError
from nasmon.record.files import regular_only, whole_file
from nasmon.train.data.pipelines import Images
from nasmon.train.options import MOST_SCENES
from nasmon.values import checked, not_text, optional, path, whole

# Raise it when the scenes change, so that no cache file of an earlier version is read.
SCENES_VERSION = 1

ARRAYS = ("x_train", "y_train", "x_val", "y_val")


TERRAIN_ARGUMENTS = {
    "train_images": not_text(whole(1, MOST_SCENES)),
    "val_images": not_text(whole(1, MOST_SCENES)),
    "seed": not_text(whole(0)),
    "cache_dir": optional(path, "None"),
}


def load_terrain(
    train_images: int = 512,
    val_images: int = 128,
    seed: int = 0,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Images:
    """Return the terrain scenes, painted on first use and read from the cache afterwards.

    Args:
        train_images: How many scenes to train on.
        val_images: How many scenes to validate on; they share no random number with the others.
        seed: Chooses the scenes; the same numbers give the same pictures.
        cache_dir: Where the cache file lies; None for ``$XDG_CACHE_HOME/nasmon``, or
            ``~/.cache/nasmon``. A directory that cannot be written is passed over.

    Returns:
        Images of 60 x 80 pixels and masks that are 1 on the path.

    Raises:
        UsageError: An argument that cannot be used; the message names it.
    """
    checked(
        TERRAIN_ARGUMENTS,
        **{"train_images": train_images, "val_images": val_images, "seed": seed},
        cache_dir=cache_dir,
    )
    folder = default_cache_dir() if cache_dir is None else Path(cache_dir)
    file = folder / f"terrain-v{SCENES_VERSION}-{train_images}-{val_images}-{seed}.npz"
    source = (
        f"{train_images} + {val_images} terrain scenes, composed from photographs of grass, "
        "gravel and brick"
    )
    images = _read_cache(file, source)
    if images is not None and (len(images.x_train), len(images.x_val)) == (
        train_images,
        val_images,
    ):
        return images
    # SciPy-backed scikit-image takes a second to load, so only when scenes must be painted.
    from nasmon.train.data.scene import paint

    images = Images(*paint(train_images, (seed, 0)), *paint(val_images, (seed, 1)), source)
    _write_cache(file, images)
    return images


def default_cache_dir() -> Path:
    """``$XDG_CACHE_HOME/nasmon``, or ``~/.cache/nasmon``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "nasmon"


def _read_cache(path: Path, source: str) -> Images | None:
    try:
        # NumPy leaves the file open when it finds no archive in one that it opened itself.
        with open(path, "rb", opener=regular_only) as file, np.load(file) as arrays:
            return Images(**{name: arrays[name] for name in ARRAYS}, source=source)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        # Absent or torn: the scenes are painted again and the file replaced.
        return None


def _write_cache(path: Path, images: Images) -> None:
    """Write in full beside the path, then rename: a reader never meets half a file."""
    # A cache that cannot be written costs five seconds a run and nothing else.
    with contextlib.suppress(OSError, UsageError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, **{name: getattr(images, name) for name in ARRAYS})

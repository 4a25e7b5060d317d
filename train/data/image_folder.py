"""Images and masks from a folder: ``DIR/{train,val}/{img,mask}/``, matched by file stem.

PNG and JPEG of any size and mode are read. Images are resized with antialiasing, masks to the
nearest pixel. A mask is binary: black, and at most one other value (1, 255, any one colour).
JPEG cannot store that exactly, so a JPEG mask counts as binary when nearly all of it is close to
black or to white, and is cut in the middle.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from nasmon.errors import UsageError
from nasmon.train.data.pipelines import Bytes, Images
from nasmon.values import checked, not_text, path, whole

SUFFIXES = (".png", ".jpg", ".jpeg")

_SPLITS = ("train", "val")

NAMED = 3  # files named in an error; the rest are counted

# JPEG noise reaches a quarter of the range at the edges of a mask, and edges are few.
JPEG_BLACK, JPEG_WHITE, JPEG_BETWEEN = 64, 191, 0.05


FOLDER_ARGUMENTS = {"root": path, **dict.fromkeys(("height", "width"), not_text(whole(1)))}


class _UnusableError(Exception):
    """One file cannot be used; the message says why."""


def check_image_folder(root: str | os.PathLike[str]) -> dict[str, list[tuple[Path, Path]]]:
    """Match images and masks without reading them.

    Args:
        root: The folder that holds ``train`` and ``val``.

    Returns:
        For ``train`` and ``val`` the pairs of image and mask, in the order of their stems.

    Raises:
        UsageError: If a folder is missing or empty, or files do not match; it names them.
    """
    root = Path(checked(FOLDER_ARGUMENTS, root=root)["root"])
    if not root.is_dir():
        raise UsageError(
            f"data folder {root} does not exist; give a folder with train/img, train/mask, "
            "val/img and val/mask"
        )
    return {split: _match(root / split / "img", root / split / "mask") for split in _SPLITS}


def load_image_folder(root: str | os.PathLike[str], height: int = 60, width: int = 80) -> Images:
    """Read, check and resize all images and masks.

    Args:
        root: The folder that holds ``train`` and ``val``.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        Images ``[N, height, width, 3]`` and masks ``[N, height, width, 1]`` of 0 and 1.

    Raises:
        UsageError: If a folder is missing or empty, or files are unmatched, unreadable or, as
            masks, not binary; it names the first few and counts the rest.
    """
    checked(FOLDER_ARGUMENTS, height=height, width=width)
    pairs = check_image_folder(root)
    size = (width, height)
    arrays = []
    for split in _SPLITS:
        images, masks = zip(*pairs[split], strict=True)
        arrays.append(_read_all(images, lambda path: _read_image(path, size)))
        arrays.append(_read_all(masks, lambda path: _read_mask(path, size)))
    source = f"{len(arrays[0])} + {len(arrays[2])} images from {root}"
    return Images(arrays[0], arrays[1], arrays[2], arrays[3], source)


def _match(image_dir: Path, mask_dir: Path) -> list[tuple[Path, Path]]:
    images, masks = _by_stem(image_dir), _by_stem(mask_dir)
    lone_images = [images[stem].name for stem in sorted(images.keys() - masks.keys())]
    lone_masks = [masks[stem].name for stem in sorted(masks.keys() - images.keys())]
    if lone_images:
        raise UsageError(f"no mask of the same name in {mask_dir} for {_list(lone_images)}")
    if lone_masks:
        raise UsageError(f"no image of the same name in {image_dir} for {_list(lone_masks)}")
    return [(images[stem], masks[stem]) for stem in sorted(images)]


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise UsageError(f"folder {folder} does not exist; it should hold PNG or JPEG files")
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )
    if not files:
        raise UsageError(f"folder {folder} holds no PNG or JPEG file ({', '.join(SUFFIXES)})")
    found: dict[str, Path] = {}
    for file in files:
        if file.stem in found:
            raise UsageError(
                f"{found[file.stem].name} and {file.name} in {folder} share a stem; keep one"
            )
        found[file.stem] = file
    return found


def _read_all(paths: Sequence[Path], read: Callable[[Path], Bytes]) -> Bytes:
    def attempt(path: Path) -> Bytes | str:
        try:
            return read(path)
        except _UnusableError as error:
            return f"{path.name} ({error})"
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            # Pillow reports broken files with any of these.
            return f"{path.name} (unreadable: {str(error).splitlines()[0]})"

    with ThreadPoolExecutor() as threads:
        results = list(threads.map(attempt, paths))
    wrong = [result for result in results if isinstance(result, str)]
    if wrong:
        raise UsageError(f"{len(wrong)} unusable in {paths[0].parent}: {_list(wrong)}")
    return np.stack([result for result in results if not isinstance(result, str)])


def _read_image(path: Path, size: tuple[int, int]) -> Bytes:
    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file)
        if picture.mode.startswith(("I", "F")):
            # 16-bit grey: Pillow's own conversion to 8 bits clips instead of scaling.
            grey = np.asarray(picture, np.float64) / 65535 * 255
            picture = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
        picture = picture.convert("RGB").resize(size, Image.Resampling.BILINEAR)
        return np.asarray(picture)


def _read_mask(path: Path, size: tuple[int, int]) -> Bytes:
    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file)
        binary = _jpeg_mask(picture) if file.format == "JPEG" else _exact_mask(picture)
    resized = Image.fromarray(binary).resize(size, Image.Resampling.NEAREST)
    return np.asarray(resized)[..., None]


def _exact_mask(picture: Image.Image) -> Bytes:
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture).astype(np.int64)
    else:
        # By colour, not by palette index: a palette may hold white first and black second.
        red, green, blue = np.moveaxis(np.asarray(picture.convert("RGB"), np.int64), -1, 0)
        values = red * 65536 + green * 256 + blue
    distinct = np.unique(values)
    if np.count_nonzero(distinct) > 1:
        raise _UnusableError(f"{len(distinct)} values; a mask has black and one other")
    return (values != 0).astype(np.uint8)


def _jpeg_mask(picture: Image.Image) -> Bytes:
    grey = np.asarray(picture.convert("L"))
    between = np.mean((grey > JPEG_BLACK) & (grey < JPEG_WHITE))
    if between > JPEG_BETWEEN:
        raise _UnusableError(f"{between:.0%} of it is neither black nor white; save masks as PNG")
    # Masks of 0 and 1 drown in JPEG's noise, and would read as all background.
    if 0 < grey.max() <= JPEG_BLACK:
        raise _UnusableError(f"its brightest value is {grey.max()}; save masks as PNG")
    return (grey > 127).astype(np.uint8)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"

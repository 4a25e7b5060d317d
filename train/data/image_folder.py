"""Images and masks from a folder: ``DIR/{train,val}/{img,mask}/``, matched by file stem.

PNG and JPEG of any mode are read, up to ``MOST_PIXELS``: turned as their EXIF orientation says, of
an animation the first picture, without transparency. Images are resized with antialiasing, masks to
the nearest pixel. A mask is binary: black, and at most one other value (1, 255, any one colour).
JPEG cannot store that exactly, so a JPEG mask counts as binary when nearly all of it is close to
black or to white, and is cut in the middle.
"""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from nasmon.errors import UsageError, first_line
from nasmon.record.files import regular_only
from nasmon.train.data.pipelines import Bytes, Images
from nasmon.values import checked, not_text, path, whole

SUFFIXES = (".png", ".jpg", ".jpeg")

MOST_PIXELS = 1 << 26
"""Of a picture: more than a camera's, and in memory up to 700 MB, for it is read whole."""

_FORMATS = ("PNG", "JPEG")  # and MPO, which cameras write as JPEG

_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap height and width

_ORIENTATION = 0x0112

_SPLITS = ("train", "val")

NAMED = 3  # files named in an error; the rest are counted

# JPEG noise reaches a quarter of the range at the edges of a mask, and edges are few.
JPEG_BLACK, JPEG_WHITE, JPEG_BETWEEN = 64, 191, 0.05


_COUNTED = 1 << 16  # colours of a mask that is none

_THREADS = 4
"""That read at once: pictures may be large, and a disk serves no more."""

_Read = TypeVar("_Read")

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
    # all headers first, for they take no time
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for split in _SPLITS:
            _check_turned(pairs[split])
    arrays = []
    for split in _SPLITS:
        images, masks = zip(*pairs[split], strict=True)
        arrays.append(np.stack(_read_all(images, lambda path: _read_image(path, size))))
        arrays.append(np.stack(_read_all(masks, lambda path: _read_mask(path, size))))
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


def _check_turned(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Refuse an image that its EXIF turns on its side, if its mask lies the other way."""
    images, masks = zip(*pairs, strict=True)
    turned = [
        image.name
        for image, of_image, of_mask in zip(
            images, _read_all(images, _read_header), _read_all(masks, _read_header), strict=True
        )
        if of_image.sideways != of_mask.sideways and of_image.upright != of_mask.upright
    ]
    if turned:
        raise UsageError(
            f"the EXIF orientation of {_list(turned)} in {images[0].parent} turns it, or its mask, "
            "away from the other; save both upright"
        )


def _read_all(paths: Sequence[Path], read: Callable[[Path], _Read]) -> list[_Read]:
    def attempt(path: Path) -> _Read | _UnusableError:
        try:
            return read(path)
        except _UnusableError as error:
            return error
        except UnidentifiedImageError:
            return _UnusableError("unreadable: it is no PNG or JPEG file")
        # Pillow reports broken files with any of these.
        except (OSError, ValueError, SyntaxError, struct.error) as error:
            known = isinstance(error, OSError) and error.strerror
            return _UnusableError(f"unreadable: {known or first_line(error)}")

    with ThreadPoolExecutor(_THREADS) as threads:
        results = list(threads.map(attempt, paths))
    wrong = [
        f"{path.name} ({result})"
        for path, result in zip(paths, results, strict=True)
        if isinstance(result, _UnusableError)
    ]
    if wrong:
        raise UsageError(f"{len(wrong)} unusable in {paths[0].parent}: {_list(wrong)}")
    return [result for result in results if not isinstance(result, _UnusableError)]


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture of which nothing but the header has been read."""
    # a pipe would be waited for
    with open(path, "rb", opener=regular_only) as file:
        try:
            with Image.open(file, formats=_FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise Image.DecompressionBombError
                yield picture
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise _UnusableError(f"more than {MOST_PIXELS:,} pixels; make it smaller") from None


class _Header(NamedTuple):
    """How a picture lies."""

    sideways: bool  # whether its EXIF swaps height and width
    upright: bool  # whether it is higher than wide, as it is shown


def _read_header(path: Path) -> _Header:
    with _opened(path) as picture:
        sideways = picture.getexif().get(_ORIENTATION) in _SIDEWAYS
        width, height = picture.size[::-1] if sideways else picture.size
        return _Header(sideways, height > width)


def _read_image(path: Path, size: tuple[int, int]) -> Bytes:
    with _opened(path) as file:
        picture: Image.Image = file
        ImageOps.exif_transpose(picture, in_place=True)
        if picture.mode.startswith("I"):
            # 16-bit grey: Pillow's own conversion to 8 bits clips instead of scaling.
            grey = np.clip(np.asarray(picture), 0, 65535).astype(np.uint32) * 255 // 65535
            picture = Image.fromarray(grey.astype(np.uint8))
        return np.asarray(_coloured(picture).resize(size, Image.Resampling.BILINEAR))


def _read_mask(path: Path, size: tuple[int, int]) -> Bytes:
    with _opened(path) as file:
        ImageOps.exif_transpose(file, in_place=True)
        binary = _exact_mask(file) if file.format == "PNG" else _jpeg_mask(file)
    resized = Image.fromarray(binary).resize(size, Image.Resampling.NEAREST)
    return np.asarray(resized)[..., None]


def _coloured(picture: Image.Image) -> Image.Image:
    """A picture in RGB, without a copy of one that is."""
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _exact_mask(picture: Image.Image) -> Bytes:
    if picture.mode.startswith("I"):
        grey = np.asarray(picture)
        _check_binary(np.unique(grey).tolist())
        return (grey != 0).astype(np.uint8)
    # By colour, not by palette index: a palette may hold white first and black second.
    colours = _coloured(picture)
    counted = colours.getcolors(_COUNTED)
    _check_binary(None if counted is None else [colour for _, colour in counted])
    binary = np.array(np.asarray(colours).any(axis=-1), np.uint8)
    if not binary.any() and picture.has_transparency_data and _is_see_through(picture):
        raise _UnusableError("it is black, and more or less transparent; save it without that")
    return binary


def _check_binary(values: Sequence[Any] | None) -> None:
    """Refuse more values than black and one other; None stands for more than are counted."""
    if values is None or np.count_nonzero([np.any(value) for value in values]) > 1:
        count = f"more than {_COUNTED:,}" if values is None else len(values)
        raise _UnusableError(f"{count} values; a mask has black and one other")


def _is_see_through(picture: Image.Image) -> bool:
    """Whether some of it is more transparent than the rest."""
    least, most = picture.convert("RGBA").getchannel("A").getextrema()
    return least != most


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

"""A user's own images: what is read, and which files an error names."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageSequence

from nasmon.errors import UsageError
from nasmon.train.data import image_folder
from nasmon.train.data.image_folder import load_image_folder

SPLITS = ("train", "val")


@pytest.fixture
def folder(tmp_path):
    """Four images of 40 x 30 a split, with masks whose right half is path."""
    rng = np.random.default_rng(0)
    mask = np.zeros((30, 40), np.uint8)
    mask[:, 20:] = 255
    for split in SPLITS:
        for kind in ("img", "mask"):
            (tmp_path / split / kind).mkdir(parents=True)
        for number in range(4):
            picture = rng.integers(0, 256, (30, 40, 3), np.uint8)
            Image.fromarray(picture).save(tmp_path / split / "img" / f"{number}.png")
            Image.fromarray(mask).save(tmp_path / split / "mask" / f"{number}.png")
    return tmp_path


def test_images_are_resized_and_masks_become_0_and_1(folder):
    data = load_image_folder(folder)
    assert data.x_train.shape == data.x_val.shape == (4, 60, 80, 3)
    assert data.y_train.shape == (4, 60, 80, 1)
    assert data.x_train.dtype == data.y_train.dtype == np.uint8
    assert np.all(data.y_train[:, :, :40] == 0)
    assert np.all(data.y_train[:, :, 40:] == 1)
    assert str(folder) in data.source


def test_images_of_the_right_size_are_unchanged(folder):
    exact = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(exact).save(folder / "train" / "img" / "2.png")
    assert np.array_equal(load_image_folder(folder).x_train[2], exact)


def test_shrinking_averages(folder):
    stripes = np.zeros((600, 800), np.uint8)
    stripes[:, ::2] = 200
    Image.fromarray(stripes).save(folder / "train" / "img" / "0.png")
    shrunk = load_image_folder(folder).x_train[0].astype(int)
    # At the border the filter's window is cut, and holds half a stripe more or less.
    assert np.abs(shrunk - 100).max() <= 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_images_of_every_mode_are_read(folder, mode):
    grey = Image.fromarray(np.full((60, 80), 255, np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(np.full((60, 80), 65535, np.uint16))
    else:
        picture = grey.convert(mode)
    suffix = "jpg" if mode == "CMYK" else "png"
    (folder / "train" / "img" / "0.png").unlink()
    picture.save(folder / "train" / "img" / f"0.{suffix}")
    assert load_image_folder(folder).x_train[0].min() >= 253


def white_first_palette(mask):
    """The palette's index 0 is white, so that index and colour disagree."""
    picture = Image.new("P", mask.shape[::-1])
    picture.putdata((1 - mask).ravel().tolist())
    picture.putpalette([255, 255, 255, 0, 0, 0])
    return picture


@pytest.mark.parametrize(
    "encode",
    [
        lambda mask: Image.fromarray(mask),
        lambda mask: Image.fromarray(mask * 255),
        lambda mask: Image.fromarray(mask * 255).convert("1"),
        lambda mask: Image.fromarray(mask * 255).convert("RGBA"),
        lambda mask: Image.fromarray(mask[..., None] * np.array([128, 0, 64], np.uint8)),
        lambda mask: Image.fromarray(mask.astype(np.uint16) * 65535),
        white_first_palette,
    ],
    ids=["0 and 1", "0 and 255", "1 bit", "RGBA", "colour", "16 bit", "palette"],
)
def test_every_binary_mask_reads_the_same(folder, encode):
    mask = np.random.default_rng(2).integers(0, 2, (60, 80), np.uint8)
    encode(mask).save(folder / "train" / "mask" / "1.png")
    assert np.array_equal(load_image_folder(folder).y_train[1, ..., 0], mask)


def test_masks_may_be_all_background_or_all_path(folder):
    Image.new("L", (8, 8), 0).save(folder / "val" / "mask" / "0.png")
    Image.new("L", (8, 8), 1).save(folder / "val" / "mask" / "1.png")
    masks = load_image_folder(folder).y_val
    assert masks[0].max() == 0
    assert masks[1].min() == 1


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_masks_are_cut_in_the_middle(folder, quality):
    rows, columns = np.mgrid[:60, :80]
    mask = (np.hypot(rows - 30, columns - 40) < 20).astype(np.uint8)
    (folder / "train" / "mask" / "3.png").unlink()
    Image.fromarray(mask * 255).save(folder / "train" / "mask" / "3.jpg", quality=quality)
    found = load_image_folder(folder).y_train[3, ..., 0]
    assert np.mean(found != mask) < 0.005


def test_jpeg_masks_of_0_and_1_are_refused(folder):
    (folder / "train" / "mask" / "3.png").unlink()
    mask = np.zeros((60, 80), np.uint8)
    mask[:, 40:] = 1
    Image.fromarray(mask).save(folder / "train" / "mask" / "3.jpeg")
    with pytest.raises(UsageError, match=r"3\.jpeg \(its brightest value is 1; save masks as PNG"):
        load_image_folder(folder)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_masks_that_are_not_binary_are_named(folder, suffix):
    grey = np.random.default_rng(3).integers(0, 256, (60, 80), np.uint8)
    for number in range(4):
        (folder / "val" / "mask" / f"{number}.png").unlink()
        Image.fromarray(grey).save(folder / "val" / "mask" / f"{number}.{suffix}")
    match = rf"4 unusable in .*val/mask: 0\.{suffix} \(.*2\.{suffix} \(.*and 1 more"
    with pytest.raises(UsageError, match=match):
        load_image_folder(folder)


def test_two_values_without_black_are_not_a_mask(folder):
    mask = np.full((60, 80), 100, np.uint8)
    mask[0] = 200
    Image.fromarray(mask).save(folder / "train" / "mask" / "0.png")
    with pytest.raises(UsageError, match=r"0\.png \(2 values; a mask has black and one other"):
        load_image_folder(folder)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_unreadable_files_are_named(folder, content):
    path = folder / "train" / "img" / "2.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(UsageError, match=r"1 unusable in .*train/img: 2\.png \(unreadable"):
        load_image_folder(folder)


def test_images_without_masks_are_named(folder):
    for number in range(4):
        (folder / "train" / "mask" / f"{number}.png").rename(
            folder / "train" / "mask" / f"m{number}.png"
        )
    match = r"no mask .* in .*train/mask for 0\.png, 1\.png, 2\.png and 1 more"
    with pytest.raises(UsageError, match=match):
        load_image_folder(folder)


def test_masks_without_images_are_named(folder):
    (folder / "val" / "img" / "3.png").unlink()
    with pytest.raises(UsageError, match=r"no image .* in .*val/img for 3\.png"):
        load_image_folder(folder)


def test_two_files_of_one_stem_are_named(folder):
    Image.new("RGB", (8, 8)).save(folder / "val" / "img" / "3.jpg")
    with pytest.raises(UsageError, match=r"3\.jpg and 3\.png in .*val/img share a stem"):
        load_image_folder(folder)


@pytest.mark.parametrize("missing", ["", "train/img", "train/mask", "val/img", "val/mask"])
def test_a_missing_folder_is_named(folder, missing):
    root = folder / "absent" if not missing else folder
    if missing:
        (folder / missing).rename(folder / "moved")
    with pytest.raises(UsageError, match=rf"{root / missing} does not exist"):
        load_image_folder(root)


def test_an_empty_folder_is_named(folder):
    for path in (folder / "val" / "img").iterdir():
        path.unlink()
    (folder / "val" / "img" / ".DS_Store").touch()
    with pytest.raises(UsageError, match=r"val/img holds no PNG or JPEG file"):
        load_image_folder(folder)


def write_black(path, height, width):
    """A black PNG in grey, packed row by row."""
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(bytes(1 + width)) for _ in range(height)) + packer.flush()
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", pixels),
        (b"IEND", b""),
    )
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for name, content in chunks:
            file.write(struct.pack(">I", len(content)) + name + content)
            file.write(struct.pack(">I", zlib.crc32(name + content)))


@pytest.mark.parametrize("size", [(20_000, 20_000), (10_000, 10_000), (8192, 8193)])
@pytest.mark.parametrize("kind", ["img", "mask"])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(folder, kind, size):
    """Pillow warns of the second and refuses the first; of the third it says nothing."""
    write_black(folder / "val" / kind / "3.png", *size)
    match = rf"1 unusable in .*val/{kind}: 3\.png \(more than 67,108,864 pixels; make it smaller\)"
    with pytest.raises(UsageError, match=match):
        load_image_folder(folder)


@pytest.mark.parametrize("kind", ["img", "mask"])
def test_a_picture_of_as_many_pixels_as_may_be_is_read(folder, kind, monkeypatch):
    monkeypatch.setattr(image_folder, "MOST_PIXELS", 600 * 800)
    write_black(folder / "train" / kind / "0.png", 600, 800)
    data = load_image_folder(folder)
    assert (data.x_train if kind == "img" else data.y_train)[0].max() == 0


def sideways():
    """An EXIF orientation by which a picture is shown turned by a quarter to the right."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_image_and_mask_are_turned_as_their_exif_says(folder, suffix):
    bottom = np.zeros((30, 40), np.uint8)
    bottom[15:] = 255
    for kind in ("img", "mask"):
        (folder / "train" / kind / "0.png").unlink()
        Image.fromarray(bottom).save(folder / "train" / kind / f"0.{suffix}", exif=sideways())
    data = load_image_folder(folder)
    # what was below is on the left
    assert data.y_train[0, :, :38].min() == 1
    assert data.y_train[0, :, 42:].max() == 0
    assert data.x_train[0, :, :36].min() > 250
    assert data.x_train[0, :, 44:].max() < 5


def test_an_image_that_its_exif_turns_away_from_its_mask_is_named(folder):
    Image.new("RGB", (40, 30)).save(folder / "train" / "img" / "1.png", exif=sideways())
    match = r"the EXIF orientation of 1\.png in .*train/img turns it, or its mask, away from the"
    with pytest.raises(UsageError, match=match):
        load_image_folder(folder)


def test_a_mask_that_was_drawn_on_the_upright_image_needs_no_exif(folder):
    Image.new("RGB", (30, 40)).save(folder / "train" / "img" / "1.png", exif=sideways())
    assert load_image_folder(folder).x_train[1].max() == 0


@pytest.mark.parametrize(("kind", "array"), [("img", "x_train"), ("mask", "y_train")])
def test_of_an_animation_the_first_picture_is_read(folder, kind, array):
    frames = [Image.new("L", (40, 30), value) for value in (255, 0, 0)]
    path = folder / "train" / kind / "2.png"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with Image.open(path) as written:
        assert len(list(ImageSequence.Iterator(written))) == 3
    assert getattr(load_image_folder(folder), array)[2].min() == (255 if kind == "img" else 1)


def test_transparency_hides_nothing_of_an_image(folder):
    picture = Image.new("RGBA", (80, 60), (200, 100, 50, 0))
    picture.save(folder / "train" / "img" / "0.png")
    assert (load_image_folder(folder).x_train[0] == [200, 100, 50]).all()


def test_a_mask_in_the_transparency_alone_is_refused(folder):
    mask = np.zeros((30, 40, 4), np.uint8)
    mask[:, :20, 3] = 255
    Image.fromarray(mask).save(folder / "val" / "mask" / "1.png")
    with pytest.raises(UsageError, match=r"1\.png \(it is black, and more or less transparent;"):
        load_image_folder(folder)


def test_16_bits_are_scaled_to_8(folder):
    grey = (np.arange(60 * 80).reshape(60, 80) % 256).astype(np.uint16)
    Image.fromarray(grey * 257).save(folder / "train" / "img" / "0.png")
    assert np.array_equal(load_image_folder(folder).x_train[0, ..., 0], grey)


UNREADABLE = {
    "it is no PNG or JPEG file": lambda path: Image.new("L", (8, 8)).save(path, "GIF"),
    "Too many levels of symbolic links": lambda path: path.symlink_to(path.name),
    "No such file or directory": lambda path: path.symlink_to("nowhere"),
    "it is a pipe": os.mkfifo,
    "it is a folder": lambda path: path.mkdir(),
    "it is a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("reason", UNREADABLE)
def test_what_is_no_picture_is_named_at_once(folder, reason):
    path = folder / "val" / "mask" / "0.png"
    path.unlink()
    UNREADABLE[reason](path)
    match = rf"1 unusable in .*val/mask: 0\.png \(unreadable: {reason}\)"
    with pytest.raises(UsageError, match=match):
        load_image_folder(folder)


def test_a_folder_that_leads_to_itself_is_named(folder):
    (folder / "val" / "img").rename(folder / "moved")
    (folder / "val" / "img").symlink_to("img")
    with pytest.raises(UsageError, match="val/img does not exist; it should hold PNG or JPEG"):
        load_image_folder(folder)

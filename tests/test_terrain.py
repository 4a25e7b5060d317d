"""The embedded data: what the pictures are like, and their cache."""

import numpy as np
import pytest

from nasmon.train.data.scene import paint
from nasmon.train.data.terrain import default_cache_dir, load_terrain
from nasmon.train.data.textures import (
    OFFSETS,
    SIDE,
    build_pyramid,
    load_photographs,
    locate,
    look_up,
    smooth_noise,
)


@pytest.fixture(scope="module")
def scenes():
    """Enough scenes to judge all of them by."""
    return paint(96, (0, 0))


def test_images_and_masks_have_the_models_shape(scenes):
    images, masks = scenes
    assert (images.shape, images.dtype) == ((96, 60, 80, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((96, 60, 80, 1), np.uint8)
    assert set(np.unique(masks)) == {0, 1}


def test_the_path_covers_a_sensible_share(scenes):
    share = scenes[1].mean(axis=(1, 2, 3))
    assert 0.1 < share.mean() < 0.35
    assert np.quantile(share, 0.05) > 0.03
    assert share.max() < 0.75


def test_the_path_starts_near_the_camera_and_narrows_ahead(scenes):
    width = scenes[1].sum(axis=2)[..., 0]
    assert width[:, 45:].mean() > 2 * width[:, 15:30].mean()
    assert width[:, :3].mean() < 1


def test_brightness_varies_and_seldom_clips(scenes):
    images, _ = scenes
    means = images.mean(axis=(1, 2, 3))
    assert means.std() > 15
    assert 60 < means.mean() < 180
    assert np.mean((images == 0) | (images == 255)) < 0.05


def test_colour_alone_does_not_give_the_path_away(scenes):
    """Were one linear rule on colour enough, there would be nothing to learn."""
    images, masks = scenes
    pixels = np.c_[images.reshape(-1, 3) / 255, np.ones(images.size // 3)]
    truth = masks.ravel()
    rule = np.linalg.lstsq(pixels, truth, rcond=None)[0]
    found = pixels @ rule > 0.5
    assert np.sum(found & (truth == 1)) / np.sum(found | (truth == 1)) < 0.5


def test_the_seed_decides_the_scenes(scenes):
    again, other = paint(96, (0, 0)), paint(8, (1, 0))
    assert all(np.array_equal(a, b) for a, b in zip(again, scenes, strict=True))
    assert not np.array_equal(other[0], scenes[0][:8])


def test_training_and_validation_share_no_scene(tmp_path):
    data = load_terrain(4, 4, seed=5, cache_dir=tmp_path)
    assert not np.array_equal(data.x_train, data.x_val)
    assert "composed from photographs of grass, gravel and brick" in data.source


def test_the_second_call_reads_the_cache(tmp_path, monkeypatch):
    first = load_terrain(3, 2, cache_dir=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
    monkeypatch.setattr("nasmon.train.data.scene.paint", None)
    second = load_terrain(3, 2, cache_dir=tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(first[:4], second[:4], strict=True))


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_a_broken_cache_is_made_again(tmp_path, content):
    first = load_terrain(3, 2, cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    second = load_terrain(3, 2, cache_dir=tmp_path)
    assert np.array_equal(first.x_train, second.x_train)
    with np.load(path) as arrays:
        assert np.array_equal(arrays["x_val"], first.x_val)


def test_a_cache_of_other_arrays_is_made_again(tmp_path):
    load_terrain(3, 2, cache_dir=tmp_path)
    (path,) = tmp_path.iterdir()
    one = np.zeros(1)
    np.savez(path, x_train=one, y_train=one, x_val=one, y_val=one)
    assert load_terrain(3, 2, cache_dir=tmp_path).x_train.shape == (3, 60, 80, 3)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "file").touch()
    assert len(load_terrain(2, 1, cache_dir=tmp_path / "file").x_train) == 2


def test_the_cache_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "nasmon"


def test_photographs_are_standardised_and_halved_to_one_texel():
    for pyramid in load_photographs().values():
        finest = pyramid[: SIDE**2]
        # float32 sums of a million texels
        assert abs(finest.mean(dtype=np.float64)) < 1e-6
        assert finest.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)
        assert pyramid.size == OFFSETS[-1] + 1


def test_textures_wrap_and_average_with_the_footprint():
    image = np.arange(SIDE * SIDE, dtype=np.float64).reshape(SIDE, SIDE)
    pyramid = build_pyramid(image)
    place = np.array([-1.0, SIDE - 1.0, 2.5 * SIDE, 0.5 * SIDE])
    one = np.ones_like(place)
    found = look_up(pyramid, locate(place, 0 * place, one))
    assert found[0] == found[1]
    assert found[2] == found[3]
    whole = look_up(pyramid, locate(place, place, one * SIDE * 8))
    assert np.abs(whole).max() < 1e-6


def test_noise_is_periodic_and_smooth():
    noise = smooth_noise(np.random.default_rng(0))[: SIDE**2].reshape(SIDE, SIDE)
    steps = np.diff(noise, axis=0, append=noise[:1])
    assert np.abs(steps).max() < 0.5 * noise.std()

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from twofold.data.folder import PhotoFolder, read_photo
from twofold.errors import ImageError, TrainingError


def _photo(height=6, width=9, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_photos_are_found_at_any_depth_by_ending_in_sorted_order(tmp_path):
    for name in ("z.png", "b/c.JPG", "b/a.webp", "a.tiff", "b/notes.txt", "b/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    names = [str(path.relative_to(tmp_path)) for path in PhotoFolder(tmp_path).paths]
    assert names == ["a.tiff", "b/a.webp", "b/c.JPG", "z.png"]


def test_linked_folders_are_followed_and_a_circle_of_links_ends(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "circle").symlink_to(tmp_path / "root")
    assert [path.name for path in PhotoFolder(tmp_path / "root").paths] == ["a.png"]


@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
def test_lossless_photos_are_read_exactly(tmp_path, ending):
    Image.fromarray(_photo()).save(tmp_path / f"p.{ending}")
    assert np.array_equal(read_photo(tmp_path / f"p.{ending}"), _photo())


def test_exif_orientation_turns_the_photo_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the picture must turn a quarter clockwise
    Image.fromarray(_photo()).save(tmp_path / "p.png", exif=exif)
    assert np.array_equal(read_photo(tmp_path / "p.png"), np.rot90(_photo(), -1))


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "CMYK", "LA", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    if mode == "I;16":
        levels = np.full((4, 5), 204 * 257, dtype=np.uint16)
        Image.fromarray(levels).save(tmp_path / "p.tif")
    else:
        Image.fromarray(np.full((4, 5, 3), 204, dtype=np.uint8)).convert(mode).save(tmp_path / "p.tif")
    photo = read_photo(tmp_path / "p.tif")
    assert photo.shape == (4, 5, 3)
    assert photo.dtype == np.uint8
    if mode != "1":
        assert abs(photo.astype(int) - 204).max() <= 3


@pytest.mark.parametrize(
    ("size", "expected"), [((80, 120), (40, 60)), ((120, 80), (60, 40)), ((30, 50), (30, 50))]
)
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_large_photos_are_scaled_down_to_the_short_side_and_small_ones_stay(tmp_path, size, expected, ending):
    Image.fromarray(_photo(*size)).save(tmp_path / f"p.{ending}")
    assert read_photo(tmp_path / f"p.{ending}", short_side=40).shape == (*expected, 3)


def test_a_large_jpeg_decoded_small_looks_like_one_decoded_whole(tmp_path):
    waves = np.sin(np.arange(1600) / 40)
    picture = ((waves[:1200, None] + waves[None, :]) * 60 + 128).astype(np.uint8)
    Image.fromarray(picture).convert("RGB").save(tmp_path / "p.jpg", quality=95)
    small = read_photo(tmp_path / "p.jpg", short_side=100)
    whole = Image.open(tmp_path / "p.jpg").resize((133, 100), Image.Resampling.LANCZOS)
    assert small.shape == (100, 133, 3)
    assert abs(small.astype(int) - np.asarray(whole)).max() <= 6


def test_damaged_files_are_named(tmp_path):
    whole = tmp_path / "whole.png"
    Image.fromarray(_photo(50, 50)).save(whole)
    for name, content in (("empty.jpg", b""), ("text.png", b"hello"), ("cut.png", whole.read_bytes()[:500])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=name):
            read_photo(tmp_path / name)


def test_a_broken_photo_is_reported_once_and_remembered(tmp_path):
    (tmp_path / "a.png").write_bytes(b"hello")
    Image.fromarray(_photo()).save(tmp_path / "b.png")
    reports = []
    photos = PhotoFolder(tmp_path, on_broken=lambda path, reason: reports.append(path.name))
    assert photos.read(0) is None
    assert photos.read(0) is None
    assert np.array_equal(photos.read(1), _photo())
    assert reports == ["a.png"]
    assert list(photos.broken) == [tmp_path / "a.png"]


def test_the_default_report_is_a_warning(tmp_path):
    (tmp_path / "a.png").write_bytes(b"hello")
    with pytest.warns(UserWarning, match=r"a\.png is skipped"):
        PhotoFolder(tmp_path).read(0)


def test_a_missing_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="not a folder"):
        PhotoFolder(tmp_path / "nowhere")
    with pytest.raises(TrainingError, match="holds no photograph"):
        PhotoFolder(tmp_path)

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from twofold.errors import InputError, MaskError
from twofold.masks.buckets import hole_ratio
from twofold.masks.files import MaskFolder, read_mask


def _write(path, ratio, size=20, mode="L"):
    levels = np.zeros(size * size, dtype=np.uint8)
    levels[: round(ratio * size * size)] = 255
    Image.fromarray(levels.reshape(size, size)).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "deep").mkdir()
    _write(tmp_path / "b.png", 0.15)
    _write(tmp_path / "a.png", 0.35, mode="1")
    _write(tmp_path / "deep" / "c.PNG", 0.15, mode="RGB")
    _write(tmp_path / "white.png", 1.0)
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "notes.txt").write_text("hello")
    return tmp_path


def test_masks_are_indexed_by_ratio_and_broken_ones_named(folder):
    masks = MaskFolder(folder)
    assert [path.name for path in masks.paths] == ["a.png", "b.png", "c.PNG", "white.png"]
    assert masks.ratios.tolist() == pytest.approx([0.35, 0.15, 0.15, 1.0])
    assert [path.name for path, _ in masks.broken] == ["broken.png"]
    assert "broken.png" in masks.broken[0][1]
    assert [path.name for path in masks.in_bucket((0.1, 0.2))] == ["b.png", "c.PNG"]


def test_a_draw_comes_from_its_bucket_at_the_asked_size(folder):
    masks = MaskFolder(folder)
    for seed in range(10):
        hole = masks.draw(40, 60, np.random.default_rng(seed), bucket=(0.3, 0.4))
        assert hole.shape == (40, 60)
        assert hole_ratio(hole) == pytest.approx(0.35)


def test_every_mask_of_a_bucket_is_drawn_and_white_ones_never_by_default(folder):
    masks = MaskFolder(folder)
    ratios = {round(hole_ratio(masks.draw(20, 20, np.random.default_rng(s))), 2) for s in range(40)}
    assert ratios == {0.15, 0.35}


def test_an_empty_bucket_says_what_there_is(folder):
    with pytest.raises(InputError, match=r"its 4 masks lie between 0\.150 and 1\.000"):
        MaskFolder(folder).draw(8, 8, np.random.default_rng(0), bucket=(0.5, 0.6))


def test_white_begins_at_128(tmp_path):
    Image.fromarray(np.array([[0, 127, 128, 255]], dtype=np.uint8)).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[False, False, True, True]]


def test_white_of_a_16_bit_mask_begins_at_half(tmp_path):
    Image.fromarray(np.array([[0, 255, 32767, 32768, 65535]], dtype=np.uint16)).save(tmp_path / "m.png")
    assert read_mask(tmp_path / "m.png").tolist() == [[False, False, False, True, True]]


def test_resizing_takes_the_nearest_pixel(tmp_path):
    Image.fromarray(np.array([[0, 255], [255, 0]], dtype=np.uint8)).save(tmp_path / "m.png")
    hole = read_mask(tmp_path / "m.png", size=(4, 6))
    assert np.array_equal(hole, np.kron([[False, True], [True, False]], np.ones((2, 3), dtype=bool)))


def test_a_missing_folder_and_an_empty_one_are_refused(tmp_path):
    with pytest.raises(MaskError, match="not a folder"):
        MaskFolder(tmp_path / "nowhere")
    with pytest.raises(MaskError, match="no readable mask"):
        MaskFolder(tmp_path)


def test_an_unreadable_mask_is_named(tmp_path):
    with pytest.raises(MaskError, match=r"gone\.png"):
        read_mask(tmp_path / "gone.png")

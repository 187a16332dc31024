"""How photographs become crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold.data.pairs import ValidationPairs
from twofold.errors import TrainingError
from twofold.evaluate.holes import GeneratedHoles
from twofold.evaluate.items import Item, Items
from twofold.tensors import tensor_to_image

BUCKETS = ((0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5))
HOLES = GeneratedHoles(("free-form",), BUCKETS, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Photographs of all kinds of sizes, in two folders; b/ sorts after a/."""
    root = tmp_path_factory.mktemp("photos")
    for index, (height, width) in enumerate([(64, 70), (65, 90), (50, 200), (200, 130), (80, 71)]):
        where = root / ("a" if index % 2 else "b")
        where.mkdir(exist_ok=True)
        rng = np.random.default_rng(index)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(where / f"{index}.png")
    return root


def test_photographs_come_sorted(folder):
    items = Items(folder, HOLES, size=64)
    assert items.paths == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    assert [item.photo for item in items] == items.paths


def test_centre_crops_and_holes_are_those_that_training_validates_on(folder):
    items, pairs = Items(folder, HOLES, size=64), ValidationPairs(folder, size=64)
    assert len(items) == len(pairs)
    for item, index in zip(items, range(len(pairs)), strict=True):
        example = pairs[index]
        assert np.array_equal(item.image, tensor_to_image(example["image"][None])[0])
        assert np.array_equal(item.hole, example["hole"][0].numpy() > 0.5)


def test_centre_crop_of_a_fitting_photograph_is_its_exact_middle(folder):
    item = Items(folder, HOLES, size=64)[0]
    assert item.photo == "a/1.png"
    pixels = np.asarray(Image.open(folder / item.photo))
    assert np.array_equal(item.image, pixels[0:64, 13:77])


def test_square_crop_spans_the_shorter_side(folder):
    ramp = np.tile(np.arange(200, dtype=np.uint8)[None, :, None], (100, 1, 3))
    (folder / "ramp").mkdir(exist_ok=True)
    Image.fromarray(ramp).save(folder / "ramp" / "ramp.png")
    image = Items(folder / "ramp", HOLES, size=64, crop="square")[0].image
    # The middle 100 of 200 columns, at 64 of 100 of the scale: levels 50 to 149.
    assert image[0, 0, 0] == pytest.approx(50.3, abs=1.5)
    assert image[0, -1, 0] == pytest.approx(148.7, abs=1.5)


def test_stretched_crop_holds_the_whole_photograph(folder):
    image = Items(folder / "ramp", HOLES, size=64, crop="stretch")[0].image
    assert image.shape == (64, 64, 3)
    assert image[0, 0, 0] <= 2
    assert image[0, -1, 0] >= 197


@pytest.mark.parametrize("crop", ["centre", "square", "stretch"])
def test_every_photograph_gives_a_crop_of_the_size_asked_for(folder, crop):
    for item in Items(folder, HOLES, size=96, crop=crop):
        assert item.image.shape == (96, 96, 3)
        assert item.image.dtype == np.uint8


def test_damaged_picture_is_black_in_the_hole_and_true_elsewhere(folder):
    item = Items(folder, HOLES, size=64)[2]
    assert not item.damaged[item.hole].any()
    assert np.array_equal(item.damaged[~item.hole], item.image[~item.hole])


def test_key_tells_pixels_and_holes_apart():
    image, hole = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.bool_)
    other_image, other_hole = image.copy(), hole.copy()
    other_image[0, 0, 0] = 1
    other_hole[0, 0] = True
    pairs = [(image, hole), (other_image, hole), (image, other_hole)]
    assert len({Item("a", pixels, missing, "free-form").key for pixels, missing in pairs}) == 3


def test_broken_photographs_are_left_out_and_the_rest_keep_their_turn(folder, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    Image.new("RGB", (64, 64)).save(tmp_path / "c.png")
    with pytest.warns(UserWarning, match=r"b\.png is skipped"):
        items = Items(tmp_path, HOLES, size=64)
    assert items.paths == ["a.png", "c.png"]
    assert 0.2 <= items[1].ratio < 0.3


def test_folder_of_broken_photographs_alone_is_refused(tmp_path):
    (tmp_path / "b.png").write_bytes(b"no picture")
    skipped = pytest.warns(UserWarning, match="is skipped")
    with skipped, pytest.raises(TrainingError, match="not one photograph"):
        Items(tmp_path, HOLES, size=64)

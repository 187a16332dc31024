from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from twofold.data.folder import read_photo
from twofold.data.pairs import (
    VALIDATION_BUCKETS,
    DataConfig,
    TrainingPairs,
    ValidationPairs,
    centre_window,
    random_window,
)
from twofold.errors import InputError, MaskError, TrainingError
from twofold.masks.buckets import hole_ratio
from twofold.tensors import tensor_to_image

SIZE = 32


def _same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def _shift_structures(monkeypatch):
    """Replace the smoothing by something that shows its alignment: the inverted photograph."""
    monkeypatch.setattr("twofold.data.structures.rtv_smooth", lambda image, **_: 1 - image)


def test_an_example_has_the_promised_shapes_types_and_ranges(photos):
    example = TrainingPairs(DataConfig(folder=photos, size=SIZE))[0]
    assert set(example) == {"image", "hole", "index"}
    assert example["image"].shape == (3, SIZE, SIZE)
    assert example["hole"].shape == (1, SIZE, SIZE)
    assert example["image"].dtype == example["hole"].dtype == torch.float32
    assert -1 <= example["image"].min() < example["image"].max() <= 1
    assert set(example["hole"].unique().tolist()) == {0.0, 1.0}


def test_a_draw_depends_only_on_seed_and_number(photos):
    config = DataConfig(folder=photos, size=SIZE)
    forward, backward = TrainingPairs(config, seed=3), TrainingPairs(config, seed=3)
    first = [forward[n] for n in range(20)]
    second = [backward[n] for n in reversed(range(20))][::-1]
    assert all(_same(one, other) for one, other in zip(first, second, strict=True))
    other_seed = TrainingPairs(config, seed=4)
    assert not any(torch.equal(first[n]["hole"], other_seed[n]["hole"]) for n in range(20))


def test_each_epoch_shows_every_photo_once_in_a_new_order(photos):
    pairs = TrainingPairs(DataConfig(folder=photos, size=SIZE))
    orders = [[int(pairs[epoch * 7 + n]["index"]) for n in range(7)] for epoch in range(4)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1


def test_a_crop_without_zoom_is_a_window_of_the_photo(photos):
    pairs = TrainingPairs(DataConfig(folder=photos, size=36, zoom=(1.0, 1.0), flip=False))
    for n in range(7):
        example = pairs[n]
        if int(example["index"]) == 2:  # the photo of 36x36: its only window is itself
            photo = read_photo(photos / "2.png")
            assert np.array_equal(tensor_to_image(example["image"][None])[0], photo)
            return
    pytest.fail("photo 2 was not drawn in the first epoch")


def test_about_half_of_the_crops_are_flipped(tmp_path):
    ramp = np.tile(np.arange(SIZE, dtype=np.uint8)[None, :, None] * 8, (SIZE, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    flipping = TrainingPairs(DataConfig(folder=tmp_path, size=SIZE))
    flipped = [bool(flipping[n]["image"][0, 0, 0] > flipping[n]["image"][0, 0, -1]) for n in range(40)]
    assert 8 < sum(flipped) < 32
    fixed = TrainingPairs(DataConfig(folder=tmp_path, size=SIZE, flip=False))
    assert not any(fixed[n]["image"][0, 0, 0] > fixed[n]["image"][0, 0, -1] for n in range(20))


def test_the_structure_is_cropped_scaled_and_flipped_like_the_image(photos, tmp_path, monkeypatch):
    _shift_structures(monkeypatch)
    pairs = TrainingPairs(DataConfig(folder=photos, size=SIZE, structures=tmp_path / "cache"))
    for n in range(14):
        example = pairs[n]
        # Resizing rounds both, hence two levels.
        assert (example["image"] + example["structure"]).abs().max() <= 2.1 / 127.5


def test_structures_change_neither_image_nor_hole(photos, tmp_path, monkeypatch):
    _shift_structures(monkeypatch)
    plain = TrainingPairs(DataConfig(folder=photos, size=SIZE))
    structured = TrainingPairs(DataConfig(folder=photos, size=SIZE, structures=tmp_path / "cache"))
    for n in range(7):
        one, other = plain[n], structured[n]
        del other["structure"]
        assert _same(one, other)


def test_hole_ratios_stay_in_the_configured_range(photos):
    pairs = TrainingPairs(DataConfig(folder=photos, size=SIZE, hole_ratio=(0.2, 0.3)))
    assert all(0.2 <= float(pairs[n]["hole"].mean()) < 0.3 for n in range(30))


def test_holes_come_from_mask_files_when_given(photos, tmp_path):
    (tmp_path / "masks").mkdir()
    half = np.zeros((8, 8), dtype=np.uint8)
    half[:, :3] = 255
    Image.fromarray(half).save(tmp_path / "masks" / "left.png")
    pairs = TrainingPairs(DataConfig(folder=photos, size=SIZE, mask_folder=tmp_path / "masks"))
    left = torch.zeros(1, SIZE, SIZE)
    left[:, :, :12] = 1
    holes = [pairs[n]["hole"] for n in range(20)]
    assert all(torch.equal(hole, left) or torch.equal(hole, left.flip(-1)) for hole in holes)
    assert len({float(hole[0, 0, 0]) for hole in holes}) == 2


def test_broken_masks_are_reported_by_name(photos, tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "bad.png").write_bytes(b"hello")
    with pytest.raises(MaskError, match="1 broken"):
        TrainingPairs(DataConfig(folder=photos, size=SIZE, mask_folder=tmp_path / "masks"))
    Image.new("L", (8, 8), 255).save(tmp_path / "masks" / "good.png")
    reports = []
    config = DataConfig(folder=photos, size=SIZE, mask_folder=tmp_path / "masks")
    TrainingPairs(config, on_broken=lambda path, reason: reports.append(path.name))
    assert reports == ["bad.png"]


def test_a_broken_photo_gives_way_to_the_next_and_is_reported_once(photos):
    (photos / "3.png").write_bytes(b"hello")
    reports = []
    config = DataConfig(folder=photos, size=SIZE)
    pairs = TrainingPairs(config, on_broken=lambda path, reason: reports.append(path.name))
    drawn = [int(pairs[n]["index"]) for n in range(21)]
    assert set(drawn) == {0, 1, 2, 4, 5, 6}
    assert reports == ["3.png"]
    assert drawn == [int(TrainingPairs(config, on_broken=lambda *_: None)[n]["index"]) for n in range(21)]


def test_a_folder_of_nothing_but_broken_photos_ends_the_run(tmp_path):
    (tmp_path / "a.png").write_bytes(b"hello")
    with pytest.raises(TrainingError, match="none of the 1 photographs"):
        TrainingPairs(DataConfig(folder=tmp_path), on_broken=lambda *_: None)[0]


@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    zoom=st.floats(1.0, 3.0),
    seed=st.integers(0, 1000),
)
def test_a_window_lies_in_the_photo_and_is_never_enlarged_without_need(height, width, zoom, seed):
    top, left, side = random_window(height, width, 64, np.random.default_rng(seed), zoom=(1.0, zoom))
    assert 0 <= top <= height - side
    assert 0 <= left <= width - side
    short = min(height, width)
    assert side == short if short <= 64 else 64 <= side <= short


@pytest.mark.parametrize(
    ("size", "expected"),
    [((288, 384), (16, 64, 256)), ((100, 300), (0, 100, 100)), ((256, 256), (0, 0, 256))],
)
def test_the_centre_window_is_the_middle_of_the_photo(size, expected):
    assert centre_window(*size, 256) == expected


def test_validation_holes_go_through_the_buckets_in_turn_and_never_change(photos):
    pairs, again = (ValidationPairs(photos, size=SIZE, seed=1) for _ in range(2))
    assert len(pairs) == 7
    for n in range(7):
        example = pairs[n]
        low, high = VALIDATION_BUCKETS[n % 4]
        assert int(example["bucket"]) == n % 4
        assert low <= hole_ratio(example["hole"][0].numpy() > 0) < high
        assert _same(example, again[n])
    assert not torch.equal(pairs[0]["hole"], ValidationPairs(photos, size=SIZE, seed=2)[0]["hole"])


def test_a_validation_image_is_the_centre_crop(photos):
    photo = read_photo(photos / "2.png")
    image = ValidationPairs(photos, size=SIZE)[2]["image"]
    assert np.array_equal(tensor_to_image(image[None])[0], photo[2:34, 2:34])


def test_broken_validation_photos_are_left_out_at_the_start(photos):
    (photos / "1.png").write_bytes(b"hello")
    reports = []
    pairs = ValidationPairs(photos, size=SIZE, on_broken=lambda path, reason: reports.append(path.name))
    assert reports == ["1.png"]
    assert [int(pairs[n]["index"]) for n in range(len(pairs))] == [0, 2, 3, 4, 5, 6]
    assert len(ValidationPairs(photos, size=SIZE, limit=3, on_broken=lambda *_: None)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 4},
        {"masks": ()},
        {"masks": ("squares",)},
        {"zoom": (0.5, 1.0)},
        {"zoom": (1.5, 1.2)},
        {"hole_ratio": (0.5, 0.2)},
    ],
)
def test_impossible_options_are_refused_before_anything_is_read(tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong)).rstrip("s")):
        DataConfig(folder=tmp_path / "nowhere", **wrong)


def test_a_window_of_a_larger_canvas_is_neither_empty_nor_full(tmp_path):
    Image.fromarray(np.zeros((64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    pairs = TrainingPairs(DataConfig(tmp_path, size=32, hole_canvas=64))
    ratios = [float(pairs[index]["hole"].mean()) for index in range(40)]
    assert min(ratios) > 0.03
    assert max(ratios) < 0.75
    assert len(set(ratios)) > 30


def test_a_canvas_smaller_than_the_crop_is_refused(tmp_path):
    with pytest.raises(InputError, match="hole_canvas is 16"):
        DataConfig(tmp_path, size=32, hole_canvas=16)

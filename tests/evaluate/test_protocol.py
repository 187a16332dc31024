"""Which crops and which holes an evaluation takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold.errors import InputError, TrainingError
from twofold.evaluate.protocol import Protocol
from twofold.tensors import image_to_tensor, tensor_to_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Nine photographs in two folders, sizes all different; b/ sorts after a/."""
    root = tmp_path_factory.mktemp("photos")
    for index in range(9):
        where = root / ("a" if index % 2 else "b")
        where.mkdir(exist_ok=True)
        rng = np.random.default_rng(index)
        pixels = rng.integers(0, 256, (64 + index, 70 + 3 * index, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(where / f"{index}.png")
    return root


PROTOCOL = Protocol(size=64)


def test_photographs_come_sorted_and_buckets_in_turn(folder):
    cases = PROTOCOL.cases(folder)
    assert len(cases) == 9
    assert [case.photo for case in cases] == sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*.png")
    )
    order = [(0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5)]
    assert [case.bucket for case in cases] == (order * 3)[:9]


def test_hole_ratio_lies_in_its_bucket_and_crops_are_square(folder):
    for case in PROTOCOL.cases(folder):
        assert case.image.shape == (64, 64, 3)
        assert case.image.dtype == np.uint8
        assert case.hole.shape == (64, 64)
        assert case.bucket[0] <= case.hole.mean() < case.bucket[1]


def test_crop_is_the_exact_centre_of_the_photograph(folder):
    case = PROTOCOL.cases(folder)[0]
    pixels = np.asarray(Image.open(folder / case.photo))
    top, left = (pixels.shape[0] - 64) // 2, (pixels.shape[1] - 64) // 2
    assert np.array_equal(case.image, pixels[top : top + 64, left : left + 64])


def test_every_level_survives_the_way_through_tensors():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(tensor_to_image(image_to_tensor(levels))[0], levels)


def test_damaged_picture_is_black_in_the_hole_and_true_elsewhere(folder):
    case = PROTOCOL.cases(folder)[2]
    assert not case.damaged[case.hole].any()
    assert np.array_equal(case.damaged[~case.hole], case.image[~case.hole])


def test_same_seed_gives_the_same_keys_and_another_seed_other_holes(folder):
    keys = [case.key for case in PROTOCOL.cases(folder)]
    assert [case.key for case in Protocol(size=64).cases(folder)] == keys
    others = Protocol(size=64, seed=1).cases(folder)
    assert not set(keys) & {case.key for case in others}
    assert np.array_equal(others[0].image, PROTOCOL.cases(folder)[0].image)


def test_limit_takes_the_first_photographs_unchanged(folder):
    few = Protocol(size=64, limit=3).cases(folder)
    assert [case.key for case in few] == [case.key for case in PROTOCOL.cases(folder)[:3]]


def test_tag_tells_protocols_apart_but_not_their_limits():
    tags = {Protocol().tag, Protocol(size=64).tag, Protocol(seed=1).tag}
    assert len(tags) == 3
    assert Protocol(limit=5).tag == Protocol().tag


def test_tags_of_one_free_form_answer_have_not_changed_and_others_say_what_differs():
    assert Protocol().tag == "centre-256/free-form-10-50/seed-0/v1"
    assert Protocol(samples=6).tag == "centre-256/free-form-10-50/seed-0/v1/samples-6"
    assert Protocol(masks="centre", seed=2).tag == "centre-256/centre-box/seed-2/v1"


def test_centre_box_of_half_the_side_is_in_each_crop_and_counted_as_centre(folder):
    expected = np.zeros((64, 64), np.bool_)
    expected[16:48, 16:48] = True
    cases = Protocol(size=64, masks="centre").cases(folder)
    for case, other in zip(cases, PROTOCOL.cases(folder), strict=True):
        assert np.array_equal(case.hole, expected)
        assert case.bucket == "centre"
        assert np.array_equal(case.image, other.image)
        assert case.photo == other.photo


def test_samples_do_not_change_the_cases(folder):
    keys = [case.key for case in Protocol(size=64, samples=4).cases(folder)]
    assert keys == [case.key for case in PROTOCOL.cases(folder)]


@pytest.mark.parametrize(
    ("options", "message"), [({"samples": 0}, "samples is 0"), ({"masks": "stars"}, "masks is 'stars'")]
)
def test_samples_and_masks_that_cannot_work_are_refused_at_once(options, message):
    with pytest.raises(InputError, match=message):
        Protocol(**options)


@pytest.mark.parametrize("options", [{"size": 16}, {"seed": -1}, {"limit": 0}])
def test_values_that_cannot_work_are_refused_at_once(options):
    with pytest.raises(InputError, match="give a size of 32 or more"):
        Protocol(**options)


def test_folder_without_photographs_is_refused(tmp_path):
    with pytest.raises(TrainingError):
        PROTOCOL.cases(tmp_path)

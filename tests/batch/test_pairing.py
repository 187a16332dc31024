"""Pairs by name: against a slow reference that tries every picture with every mask."""

from __future__ import annotations

import posixpath
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.batch.naming import Pair
from twofold.batch.pairing import MARK, one_mask_for_all, pair_names, split_shared
from twofold.errors import InputError


def pairs(images: list[str], masks: list[str]) -> list[tuple[str, str]]:
    return [(pair.image, pair.mask) for pair in pair_names(images, masks).pairs]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("photo.jpg", "photo.png"),
        ("photo.jpg", "photo.jpg"),
        ("photo.jpg", "photo_mask.png"),
        ("photo.jpg", "photo_mask001.png"),
        ("photo.jpg", "photo_mask-left.png"),
        ("photo.jpg", "photo.jpg.png"),
        ("photo.jpg", "photo.jpg_mask2.png"),
        ("a/b/photo.jpg", "a/b/photo.png"),
        ("a.b/photo.1.jpg", "a.b/photo.1_mask.png"),
        ("photo_mask.jpg", "photo_mask_mask.png"),
    ],
)
def test_names_that_belong_together(image: str, mask: str) -> None:
    assert pairs([image], [mask]) == [(image, mask)]


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("photo.jpg", "photo2.png"),
        ("photo.jpg", "photo_2.png"),
        ("photo.jpg", "other_mask.png"),
        ("a/photo.jpg", "photo.png"),
        ("photo.jpg", "a/photo.png"),
        ("a/photo.jpg", "b/photo.png"),
        ("photo.jpg", "photo.webp.png"),
        ("photo.jpg", "_mask.png"),
        ("photo.jpg", "x_mask/photo_x.png"),
    ],
)
def test_names_that_do_not(image: str, mask: str) -> None:
    found = pair_names([image], [mask])
    assert (found.pairs, found.images_without_mask, found.masks_without_image) == ([], [image], [mask])


def test_several_masks_are_several_tasks_and_keep_what_tells_them_apart() -> None:
    found = pair_names(["a.jpg"], ["a_mask002.png", "a_mask001.png"])
    assert found.pairs == [
        Pair("a.jpg", "a_mask001.png", "_mask001"),
        Pair("a.jpg", "a_mask002.png", "_mask002"),
    ]


@pytest.mark.parametrize(
    "masks", [["a.png", "a.webp"], ["a.png", "a_mask1.png"], ["a_mask1.png", "a_mask1.webp"]]
)
def test_masks_that_do_not_say_which_they_are_are_refused_by_name(masks: list[str]) -> None:
    with pytest.raises(InputError, match=r"several masks for one picture \(a\.jpg: .*manifest") as caught:
        pair_names(["a.jpg", "b.jpg"], [*masks, "b.png"])
    assert all(mask in str(caught.value) for mask in masks)


def test_equal_stems_share_a_mask_or_have_their_own() -> None:
    both = ["p.jpg", "p.png"]
    assert pairs(both, ["p.webp"]) == [("p.jpg", "p.webp"), ("p.png", "p.webp")]
    assert pairs(both, ["p.jpg", "p.png"]) == [("p.jpg", "p.jpg"), ("p.png", "p.png")]
    assert pairs(both, ["p.jpg.png", "p.png_mask.png"]) == [
        ("p.jpg", "p.jpg.png"),
        ("p.png", "p.png_mask.png"),
    ]


def test_a_mask_goes_to_the_longest_name_that_fits() -> None:
    assert pairs(["a.png", "a_mask.png"], ["a_mask_mask1.png", "a_maskx.png"]) == [
        ("a.png", "a_maskx.png"),
        ("a_mask.png", "a_mask_mask1.png"),
    ]


def test_two_spellings_of_one_accent_are_one_name() -> None:
    image, mask = unicodedata.normalize("NFC", "é.jpg"), unicodedata.normalize("NFD", "é_mask.png")
    assert image[0] != mask[0]
    assert pairs([image], [mask]) == [(image, mask)]


def test_one_folder_may_hold_both() -> None:
    images, masks = split_shared(["a.png", "a_mask.png", "x_mask/b.png"])
    assert (images, masks) == (["a.png", "x_mask/b.png"], ["a_mask.png"])


def test_one_mask_serves_all() -> None:
    assert one_mask_for_all(["b.png", "a.png"], "m.png").pairs == [
        Pair("a.png", "m.png"),
        Pair("b.png", "m.png"),
    ]


names = st.builds(
    lambda folder, stem, ending: f"{folder}{stem}{ending}",
    st.sampled_from(["", "a/", "b/"]),
    st.text("xy_", min_size=1, max_size=3),
    st.sampled_from([".jpg", ".png"]),
)
mask_names = st.builds(
    lambda name, suffix: f"{posixpath.splitext(name)[0]}{suffix}.png",
    names,
    st.sampled_from(["", "_mask", "_mask1", "_mask2", "_mask_mask", ".jpg"]),
)


def slow(images: list[str], masks: list[str]) -> tuple[set[tuple[str, str]], set[str], set[str]]:
    """The rules as they are written down, tried for every picture and every mask."""
    found = set()
    for mask in masks:
        stem = posixpath.splitext(mask)[0]
        best: list[str] = []
        longest = -1
        for image in images:
            for base in (image, posixpath.splitext(image)[0]):
                if stem == base or stem.startswith(base + MARK):
                    if len(base) > longest:
                        best, longest = [], len(base)
                    if len(base) == longest:
                        best.append(image)
        if len(best) > 1 and mask in best and posixpath.splitext(mask)[0] == stem:
            best = [mask]
        found |= {(image, mask) for image in best}
    paired, used = {image for image, _ in found}, {mask for _, mask in found}
    return found, set(images) - paired, set(masks) - used


@given(st.sets(names, max_size=8), st.sets(mask_names, max_size=8), st.randoms(use_true_random=False))
def test_fast_pairing_is_the_slow_one_in_any_order(images, masks, chance) -> None:
    given_images, given_masks = list(images), list(masks)
    chance.shuffle(given_images)
    chance.shuffle(given_masks)
    expected, images_left, masks_left = slow(given_images, given_masks)
    try:
        found = pair_names(given_images, given_masks)
    except InputError:
        times = [image for image, _ in expected]
        assert any(times.count(image) > 1 for image in times)
        return
    assert {(pair.image, pair.mask) for pair in found.pairs} == expected
    assert found.pairs == sorted(found.pairs)
    assert found.images_without_mask == sorted(images_left)
    assert found.masks_without_image == sorted(masks_left)


def test_time_grows_with_the_number_of_names_and_not_with_its_square() -> None:
    def seconds(count: int) -> float:
        images = [f"photo{number:07}.jpg" for number in range(count)]
        masks = [f"photo{number:07}_mask1.png" for number in range(count)]
        start = time.process_time()
        assert len(pair_names(images, masks).pairs) == count
        return time.process_time() - start

    assert seconds(64_000) < 8 * 8 * min(seconds(8_000) for _ in range(3)) / 2

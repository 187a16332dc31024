"""How much of drawn damage is found on photographs, and how much else."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from masks.damaged_photos import damage_photo
from twofold.errors import InputError
from twofold.masks.buckets import hole_ratio
from twofold.masks.damage import DamageOptions, find_damage
from twofold.masks.editing import grow

PHOTOS = ("astronaut", "camera", "chelsea", "coffee", "rocket")


def photo(name):
    picture = getattr(data, name)()
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def score(options, **damage):
    """Recall and precision over all photographs.

    Recall is the share of the damaged pixels that are marked, precision the share of the marked pixels
    that are no further than 3 pixels from damage: the margin around it is no error.
    """
    marked = damaged = both = right = 0
    for seed, name in enumerate(PHOTOS):
        scan = damage_photo(photo(name), seed, **damage)
        hole = find_damage(scan.picture, options).hole
        marked, damaged = marked + hole.sum(), damaged + scan.damage.sum()
        both, right = both + (hole & scan.damage).sum(), right + (hole & grow(scan.damage, 3)).sum()
    return both / damaged, right / marked


# Measured 0.87 and 0.64, 0.75 and 0.55, 0.89 and 0.69, 0.87 and 0.54.
@pytest.mark.parametrize(
    ("damage", "options", "recall", "precision"),
    [
        ({"scratches": 5}, {"tones": ("bright",)}, 0.8, 0.6),
        ({"hairs": 8, "bright": False}, {"tones": ("dark",)}, 0.7, 0.5),
        ({"dust": 40}, {"tones": ("bright",), "kinds": ("spots",)}, 0.85, 0.65),
        ({"scratches": 4, "dust": 30}, {}, 0.8, 0.5),
    ],
)
def test_damage_is_found_without_much_else(damage, options, recall, precision):
    found, right = score(DamageOptions(**options), **damage)
    assert found > recall
    assert right > precision


@pytest.mark.parametrize("name", ["astronaut", "coffee", "brick", "gravel"])
def test_whole_photographs_and_textures_are_not_flooded(name):
    assert hole_ratio(find_damage(photo(name)).hole) < 0.06


def test_a_wire_on_the_sky_is_found_with_all_its_pixels():
    rows, columns = np.mgrid[:120, :150]
    wire = np.abs(columns - 40 - rows // 3) <= 1
    picture = np.where(wire, 220, 120).astype(np.uint8)
    damage = find_damage(picture)
    assert damage.scratches == 1
    assert damage.spots == 0
    assert (damage.hole[wire]).mean() > 0.97
    assert not (damage.hole & ~grow(wire, 4)).any()


@pytest.mark.parametrize("kind", ["scratches", "spots"])
@pytest.mark.parametrize("tone", ["bright", "dark"])
def test_only_what_is_asked_for_is_found(kind, tone):
    picture = np.full((200, 200), 128, np.uint8)
    lines, spots = np.zeros_like(picture, bool), np.zeros_like(picture, bool)
    lines[10:190, 50:52] = lines[10:190, 100:102] = True
    spots[[30, 31, 32, 80, 81, 82], 150:153] = True
    picture[:, 50:52][lines[:, 50:52]] = 220
    picture[:, 100:102][lines[:, 100:102]] = 30
    picture[30:33, 150:153], picture[80:83, 150:153] = 220, 30
    wanted = (lines if kind == "scratches" else spots) & (
        picture > 128 if tone == "bright" else picture < 128
    )
    hole = find_damage(picture, DamageOptions(kinds=(kind,), tones=(tone,))).hole
    assert hole[wanted].mean() > 0.97
    assert not (hole & ~grow(wanted, 4)).any()


def test_a_negative_has_the_same_damage_with_the_tones_exchanged():
    scan = damage_photo(photo("chelsea"), 1, scratches=3, dust=10).picture
    for tone, other in (("bright", "dark"), ("dark", "bright")):
        first = find_damage(scan, DamageOptions(tones=(tone,))).hole
        np.testing.assert_array_equal(first, find_damage(255 - scan, DamageOptions(tones=(other,))).hole)


def test_more_sensitivity_marks_more_and_a_margin_only_grows():
    scan = damage_photo(photo("rocket"), 2, scratches=3, dust=10).picture
    shares = [hole_ratio(find_damage(scan, DamageOptions(sensitivity=s)).hole) for s in (0.5, 1, 2, 4)]
    assert shares == sorted(shares)
    assert shares[0] < shares[-1]
    bare = find_damage(scan, DamageOptions(margin=0)).hole
    np.testing.assert_array_equal(find_damage(scan, DamageOptions(margin=5)).hole, grow(bare, 5))


@pytest.mark.parametrize("width", [6, 11, 20])
def test_wide_scratches_are_found_when_they_are_allowed_to_be(width):
    picture = np.full((400, 500), 100, np.uint8)
    picture[:, 200 : 200 + width] = 240
    wide = DamageOptions(largest=24, kinds=("scratches",))
    assert find_damage(picture, wide).hole[50:350, 200 : 200 + width].mean() > 0.95
    thin = DamageOptions(largest=4, kinds=("scratches",))
    assert not find_damage(picture, thin).hole.any()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (63, 65), (40, 41, 1), (33, 90, 3), (50, 20, 4)])
def test_pictures_of_any_shape_and_depth_are_searched(shape, dtype):
    picture = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    assert find_damage(picture).hole.shape == shape[:2]


def test_nothing_is_found_on_flat_and_noisy_ground():
    assert not find_damage(np.full((150, 150, 3), 90, np.uint8)).hole.any()
    noise = np.random.default_rng(0).normal(128, 12, (300, 300, 3)).clip(0, 255).astype(np.uint8)
    assert hole_ratio(find_damage(noise).hole) < 0.005


@pytest.mark.parametrize(
    "wrong",
    [
        {"sensitivity": 0},
        {"sensitivity": float("nan")},
        {"largest": 0},
        {"kinds": ()},
        {"kinds": ("folds",)},
        {"tones": ("grey",)},
        {"margin": -1},
    ],
)
def test_options_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        DamageOptions(**wrong)

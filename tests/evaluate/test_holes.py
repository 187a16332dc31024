"""Which hole belongs to which photograph."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from twofold.errors import InputError
from twofold.evaluate.holes import GeneratedHoles, choose_holes
from twofold.masks.boxes import centre_box

RATIOS = ((0.1, 0.2), (0.3, 0.4))


def save_mask(path, rows: int, side: int = 40) -> np.ndarray:
    """White in the first rows."""
    hole = np.zeros((side, side), np.bool_)
    hole[:rows] = True
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(hole.astype(np.uint8) * 255).save(path)
    return hole


def test_kinds_take_turns_and_so_do_the_ratios_within_each():
    holes = GeneratedHoles(("free-form", "irregular"), RATIOS, 0)
    drawn = [holes.draw(index, "", 64) for index in range(8)]
    assert [kind for _, kind in drawn] == ["free-form", "irregular"] * 4
    for (hole, _), (low, high) in zip(
        drawn, [RATIOS[0]] * 2 + [RATIOS[1]] * 2 + [RATIOS[0]] * 2, strict=False
    ):
        assert low <= hole.mean() < high


def test_boxes_of_a_fixed_size_do_not_look_at_the_ratios():
    holes = GeneratedHoles(("centre", "regular"), RATIOS, 0)
    assert np.array_equal(holes.draw(0, "", 64)[0], centre_box(64, 64))
    assert 0.1 < holes.draw(1, "", 64)[0].mean() < 0.26


def test_without_ratios_holes_are_as_drawn_and_still_seeded():
    holes = [GeneratedHoles(("free-form",), (), seed) for seed in (0, 0, 1)]
    first, second, other = (one.draw(3, "", 64)[0] for one in holes)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_masks_named_after_photographs_are_paired_by_name(tmp_path):
    first = save_mask(tmp_path / "sub" / "a.png", 4)
    second = save_mask(tmp_path / "b_mask001.png", 12)
    holes = choose_holes(["x"], tmp_path, RATIOS, 0)
    holes.prepare(["b.jpg", "sub/a.webp"])
    assert np.array_equal(holes.draw(0, "b.jpg", 40)[0], second)
    assert np.array_equal(holes.draw(1, "sub/a.webp", 40)[0], first)
    assert holes.draw(0, "b.jpg", 80)[0].mean() == pytest.approx(0.3)


def test_masks_that_fit_some_photographs_alone_are_refused_with_their_names(tmp_path):
    save_mask(tmp_path / "a.png", 4)
    holes = choose_holes(["x"], tmp_path, RATIOS, 0)
    with pytest.raises(InputError, match=r"named after 1 photographs but none for 2 \(b.jpg, c.jpg\)"):
        holes.prepare(["a.jpg", "b.jpg", "c.jpg"])


def test_masks_of_other_names_are_drawn_by_seed_from_the_ratio_whose_turn_it_is(tmp_path):
    for rows in (2, 6, 7, 13, 14, 30):
        save_mask(tmp_path / f"{rows:05}.png", rows)
    drawn = {}
    for seed in (0, 1):
        holes = choose_holes(["x"], tmp_path, RATIOS, seed)
        holes.prepare(["a.jpg", "b.jpg"])
        drawn[seed] = [holes.draw(index, "a.jpg", 40)[0] for index in range(40)]
        for index, hole in enumerate(drawn[seed]):
            low, high = RATIOS[index % 2]
            assert low <= hole.mean() < high
    assert len({hole.tobytes() for hole in drawn[0]}) == 4
    assert any(not np.array_equal(*pair) for pair in zip(drawn[0], drawn[1], strict=True))
    assert drawn[0][0].dtype == np.bool_


def test_kind_of_a_hole_from_a_file_is_the_name_of_its_folder(tmp_path):
    save_mask(tmp_path / "scratches" / "1.png", 6)
    holes = choose_holes(["x"], tmp_path / "scratches", RATIOS[:1], 0)
    holes.prepare(["a.jpg"])
    assert holes.draw(0, "a.jpg", 40)[1] == "scratches"


def test_a_ratio_that_no_mask_has_is_refused(tmp_path):
    save_mask(tmp_path / "1.png", 2)
    holes = choose_holes(["x"], tmp_path, RATIOS, 0)
    holes.prepare(["a.jpg"])
    with pytest.raises(InputError, match="holds no mask with a hole ratio"):
        holes.draw(0, "a.jpg", 40)


def test_a_black_mask_of_a_photograph_is_refused(tmp_path):
    save_mask(tmp_path / "a.png", 0)
    holes = choose_holes(["x"], tmp_path, (), 0)
    holes.prepare(["a.jpg"])
    with pytest.raises(InputError, match="has no white pixel"):
        holes.draw(0, "a.jpg", 40)

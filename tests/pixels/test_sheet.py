"""Contact sheets: everything is there, at the right place, the same each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.pixels import contact_sheet
from twofold.pixels.sheet import GAP, INK, LEAST_CELL, PAPER


def flat(height: int, width: int, level: int) -> np.ndarray:
    """Of a colour that no ink has."""
    return np.full((height, width, 3), (level, 30, 60), np.uint8)


def box_of(sheet: np.ndarray, level: int) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of all pixels of ``flat``'s colour."""
    rows, columns = np.nonzero((sheet == (level, 30, 60)).all(axis=2))
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def test_pictures_keep_their_size_and_order() -> None:
    pictures = [flat(30, 300, 200), flat(40, 250, 150), flat(20, 300, 100)]
    sheet = contact_sheet(pictures, ["a", "b", "c"], columns=2)
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 3 * GAP + 600
    first, second, third = (box_of(sheet, level) for level in (200, 150, 100))
    assert first == (GAP, GAP, GAP + 30, GAP + 300)
    assert second == (GAP, 2 * GAP + 300, GAP + 40, 2 * GAP + 550)
    assert third[1] == GAP
    assert third[0] > second[2]
    assert (third[2] - third[0], third[3] - third[1]) == (20, 300)


def test_large_pictures_are_scaled_to_their_column() -> None:
    sheet = contact_sheet([flat(1500, 3000, 100)] * 4, ["x"] * 4, columns=4, width=1000)
    assert sheet.shape[1] <= 1000
    cell = (1000 - GAP) // 4 - GAP
    assert box_of(sheet[:, : GAP + cell + GAP], 100) == (GAP, GAP, GAP + round(cell / 2), GAP + cell)


def test_structure_is_beneath_and_keeps_its_shape() -> None:
    sheet = contact_sheet(
        [flat(200, 400, 200), flat(200, 400, 150)], ["a", "b"], structures=[None, flat(16, 16, 90)]
    )
    top, left, bottom, right = box_of(sheet, 90)
    assert (bottom - top, right - left) == (200, 200)
    assert left == 2 * GAP + 400
    assert top > GAP + 200


def test_label_is_written_beneath_its_picture_and_fits_its_cell() -> None:
    label = "#3 · rank 1 · ll -812 · score 0.42 · like #1"
    sheet = contact_sheet([flat(20, 20, 100)] * 3, [label, "", "very " * 90], columns=3)
    dark = (sheet.max(axis=2) < 80) & (np.abs(sheet.astype(int) - INK).max(axis=2) < 60)
    dark[: GAP + 20] = False
    cells = [dark[:, GAP + i * (LEAST_CELL + GAP) :][:, :LEAST_CELL] for i in range(3)]
    assert cells[0].any()
    assert not cells[1].any()
    assert cells[2].any()
    assert sum(int(cell.sum()) for cell in cells) == int(dark.sum())  # no ink between the cells
    other = contact_sheet([flat(20, 20, 100)] * 3, [label.replace("3", "4"), "", "very " * 90], columns=3)
    assert (other != sheet).any()


def test_same_input_gives_same_sheet_and_stays_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (90, 700, 3), np.uint8)
    before = picture.copy()
    ours, again = (contact_sheet([picture, picture], ["a", "b"], width=500) for _ in range(2))
    np.testing.assert_array_equal(ours, again)
    np.testing.assert_array_equal(picture, before)


@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(1, 400)), min_size=1, max_size=7),
    st.integers(1, 5),
    st.integers(200, 900),
)
def test_sheet_is_never_wider_than_asked_and_has_a_paper_edge(
    sizes: list[tuple[int, int]], columns: int, width: int
) -> None:
    pictures = [flat(*size, 7) for size in sizes]
    sheet = contact_sheet(pictures, ["label"] * len(sizes), structures=pictures, columns=columns, width=width)
    assert sheet.shape[1] <= width
    for edge in (sheet[:GAP], sheet[-GAP:], sheet[:, :GAP], sheet[:, -GAP:]):
        assert (edge == PAPER).all()


def test_what_cannot_be_laid_out_is_refused() -> None:
    with pytest.raises(ValueError, match="0 pictures"):
        contact_sheet([], [])
    with pytest.raises(ValueError, match="1 pictures, 2 labels"):
        contact_sheet([flat(2, 2, 0)], ["a", "b"])
    with pytest.raises(ValueError, match="2 structures"):
        contact_sheet([flat(2, 2, 0)], ["a"], structures=[None, None])
    with pytest.raises(ValueError, match="0 columns"):
        contact_sheet([flat(2, 2, 0)], ["a"], columns=0)
    with pytest.raises(ValueError, match="do not fit into 20"):
        contact_sheet([flat(2, 2, 0)], ["a"], width=20)

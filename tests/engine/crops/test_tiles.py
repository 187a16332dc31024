"""Windows and tiles: each hole pixel has one, none sees what the hole hides, answers land in place."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.engine.crops.tiles import answer_values, cut, cut_filled, paste
from twofold.engine.crops.windows import MOST_WINDOWS, Box, CellGrid, Window, choose_windows

NATIVE = 32


def noise(height: int, width: int, channels: int, dtype: str, seed: int = 0) -> np.ndarray:
    shape = (height, width) if channels == 0 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def boxes_hole(height: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    hole = np.zeros((height, width), np.bool_)
    for _ in range(rng.integers(1, 7)):
        top, left = rng.integers(0, height), rng.integers(0, width)
        hole[top : top + rng.integers(1, 20), left : left + rng.integers(1, 20)] = True
    return hole


def whole(hole: np.ndarray) -> Window:
    """The window that shows all of a picture."""
    return Window(Box(0, 0, *hole.shape), hole)


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 9999))
def test_every_hole_pixel_belongs_to_exactly_one_window(height: int, width: int, seed: int) -> None:
    hole = boxes_hole(height, width, seed)
    count = np.zeros((height, width), int)
    sizes = []
    for window in choose_windows(hole, NATIVE):
        assert 0 <= window.box.top < window.box.bottom <= height
        assert 0 <= window.box.left < window.box.right <= width
        assert window.own.shape == (window.box.height, window.box.width)
        assert min(height, NATIVE) <= window.box.height
        assert min(width, NATIVE) <= window.box.width
        count[window.box.slices] += window.own
        sizes.append(window.own.size)
    np.testing.assert_array_equal(count, hole)
    assert sizes == sorted(sizes, reverse=True)


def test_empty_hole_has_no_window() -> None:
    assert choose_windows(np.zeros((50, 60), np.bool_), NATIVE) == []


def test_one_small_hole_is_seen_at_full_resolution_in_its_middle() -> None:
    hole = np.zeros((300, 400), np.bool_)
    hole[140:150, 210:220] = True
    (window,) = choose_windows(hole, NATIVE)
    assert window.box == Box(129, 199, 161, 231)


def test_hole_at_the_corner_moves_its_window_inside() -> None:
    hole = np.zeros((300, 400), np.bool_)
    hole[295:, :6] = True
    (window,) = choose_windows(hole, NATIVE)
    assert window.box == Box(268, 0, 300, 32)


def test_large_hole_gets_twice_its_size() -> None:
    hole = np.zeros((300, 400), np.bool_)
    hole[100:150, 100:180] = True
    (window,) = choose_windows(hole, NATIVE)
    assert (window.box.height, window.box.width) == (160, 160)


def test_holes_far_apart_get_windows_of_their_own_and_near_ones_share() -> None:
    hole = np.zeros((300, 400), np.bool_)
    hole[10:14, 10:14] = hole[280:284, 380:384] = True
    assert [c.box.height for c in choose_windows(hole, NATIVE)] == [NATIVE, NATIVE]
    hole = np.zeros((300, 400), np.bool_)
    hole[100:104, 100:104] = hole[110:114, 112:116] = True
    (window,) = choose_windows(hole, NATIVE)
    assert window.own.sum() == 32


def test_small_hole_beside_a_large_one_keeps_its_resolution() -> None:
    hole = np.zeros((400, 400), np.bool_)
    hole[100:220, 100:220] = True
    hole[240:244, 150:154] = True
    large, small = choose_windows(hole, NATIVE)
    assert (large.box.height, small.box.height) == (240, NATIVE)


def test_picture_of_native_size_is_one_window() -> None:
    hole = np.zeros((NATIVE, NATIVE), np.bool_)
    hole[::7, ::9] = True
    (window,) = choose_windows(hole, NATIVE)
    assert window.box == Box(0, 0, NATIVE, NATIVE)


def test_scattered_specks_do_not_make_endless_windows() -> None:
    hole = np.zeros((1500, 1500), np.bool_)
    hole[::60, ::60] = True
    windows = choose_windows(hole, NATIVE)
    assert 1 < len(windows) <= MOST_WINDOWS
    assert sum(window.own.sum() for window in windows) == hole.sum()


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 9), st.integers(0, 9999))
def test_labels_and_boxes_agree_with_scipy(height: int, width: int, cell: int, seed: int) -> None:
    hole = np.random.default_rng(seed).random((height, width)) < 0.03
    grid = CellGrid.of(hole, cell)
    labels, boxes = grid.labels, grid.boxes()
    rows, columns = -(-height // cell), -(-width // cell)
    used = np.zeros((rows, columns), np.bool_)
    for row, column in zip(*np.nonzero(hole), strict=True):
        used[row // cell, column // cell] = True
    expected, count = scipy.ndimage.label(used, np.ones((3, 3)))
    assert len(boxes) == count
    np.testing.assert_array_equal(labels, expected)
    for number, (top, left, bottom, right) in enumerate(boxes, 1):
        of_label = np.kron(labels == number, np.ones((cell, cell), np.bool_))[:height, :width] & hole
        inside = np.nonzero(of_label)
        assert (top, left) == (inside[0].min(), inside[1].min())
        assert (bottom, right) == (inside[0].max() + 1, inside[1].max() + 1)
        assert grid.box(number) == Box(top, left, bottom, right)
    for row, column in np.argwhere(grid.full):
        assert hole[row * cell : (row + 1) * cell, column * cell : (column + 1) * cell].all()


@settings(deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([0, 1, 3, 4]),
    st.sampled_from(["uint8", "uint16"]),
    st.integers(0, 9999),
)
def test_what_the_hole_hides_never_reaches_a_tile(
    height: int, width: int, channels: int, dtype: str, seed: int
) -> None:
    hole = boxes_hole(height, width, seed)
    image = noise(height, width, channels, dtype, seed)
    other = np.where(
        hole if channels == 0 else hole[..., None], noise(height, width, channels, dtype, seed + 1), image
    )
    for window in choose_windows(hole, NATIVE):
        one, two = (cut(picture, hole, window, NATIVE) for picture in (image, other))
        assert one.image.shape == (NATIVE, NATIVE, 3)
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(one.hole, two.hole)


@settings(deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 9999))
def test_every_pixel_that_the_hole_touches_is_hole(height: int, width: int, seed: int) -> None:
    hole = boxes_hole(height, width, seed)
    tile = cut(noise(height, width, 3, "uint8"), hole, whole(hole), NATIVE)
    content = tile.hole[tile.content.slices]
    rows, columns = content.shape
    for row in range(rows):
        for column in range(columns):
            covered = hole[
                int(np.floor(row * height / rows)) : int(np.ceil((row + 1) * height / rows - 1e-9)),
                int(np.floor(column * width / columns)) : int(np.ceil((column + 1) * width / columns - 1e-9)),
            ]
            assert content[row, column] == covered.any()


def test_picture_smaller_than_the_square_is_mirrored_with_its_hole() -> None:
    image = noise(20, 10, 3, "uint8")
    hole = np.zeros((20, 10), np.bool_)
    hole[0, 3] = True
    tile = cut(image, hole, whole(hole), NATIVE)
    assert tile.content == Box(6, 11, 26, 21)
    known = ~hole[..., None]
    np.testing.assert_array_equal(tile.image[6:26, 11:21] * known, image * known)
    # Mirrored about columns 11 and 20; row 6 is itself an axis.
    assert np.argwhere(tile.hole).tolist() == [[6, 8], [6, 14], [6, 26]]
    np.testing.assert_array_equal(tile.image[5], tile.image[7])  # mirrored about row 6
    np.testing.assert_array_equal(tile.image[:, 10], tile.image[:, 12])  # and about column 11


def test_scaling_keeps_the_colours_beside_a_hole() -> None:
    # A flat picture whose hole hides black: known pixels stay flat right up to the hole.
    image = np.full((128, 128, 3), 200, np.uint8)
    hole = np.zeros((128, 128), np.bool_)
    hole[40:90, 37:95] = True
    image[hole] = 0
    tile = cut(image, hole, whole(hole), NATIVE)
    assert (tile.image[~tile.hole] == 200).all()
    assert (tile.image[tile.hole] == 128).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
@pytest.mark.parametrize("side", [1, 20, 32, 100])
def test_answer_lands_in_the_own_hole_only(dtype: str, channels: int, side: int) -> None:
    image = noise(side, side, channels, dtype)
    hole = np.zeros((side, side), np.bool_)
    hole[side // 3 : side // 2 + 1, side // 4 : side // 2 + 1] = True
    (window,) = choose_windows(hole, NATIVE)
    tile = cut(image, hole, window, NATIVE)
    flat = np.full((NATIVE, NATIVE, 3), 77, np.uint8)
    filled = paste(image, answer_values(image, flat, tile), [tile])
    level = 77 if dtype == "uint8" else 77 * 257
    colors = filled if channels == 0 else filled[..., : min(channels, 3)]
    assert (filled.shape, filled.dtype) == (image.shape, image.dtype)
    assert (colors[hole] == level).all()
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_content_is_brought_back_to_its_place() -> None:
    # A ramp answered unchanged comes back as the ramp, at any scale.
    for size in (20, 32, 96, 150):
        ramp = (
            np.broadcast_to(np.linspace(20, 230, size)[None, :, None], (size, size, 3))
            .round()
            .astype(np.uint8)
        )
        hole = np.zeros((size, size), np.bool_)
        hole[size // 3 : size // 2, size // 3 : size // 2] = True
        window = choose_windows(np.ones_like(hole), NATIVE)[0]
        tile = cut(ramp, np.zeros_like(hole), window, NATIVE)
        black = np.zeros_like(ramp)
        back = paste(black, answer_values(black, tile.image, tile), [tile])
        inner = slice(size // 8, size - size // 8)
        assert np.abs(back.astype(int) - ramp)[:, inner].max() <= 2


SIDE = 64
FLEXIBLE = {"least_size": 16, "largest_size": 128}
"""Sizes of a network that fills smaller and larger tiles than its native ones."""


def line(shape: tuple[int, int], start: tuple[int, int], end: tuple[int, int], width: int) -> np.ndarray:
    """A straight stroke."""
    rows, columns = np.indices(shape)
    (top, left), (bottom, right) = start, end
    length = float(np.hypot(bottom - top, right - left))
    along = ((rows - top) * (bottom - top) + (columns - left) * (right - left)) / length
    across = ((rows - top) * (right - left) - (columns - left) * (bottom - top)) / length
    return (np.abs(across) < width / 2) & (along >= 0) & (along <= length)


def ball(shape: tuple[int, int], middle: tuple[int, int], radius: float) -> np.ndarray:
    rows, columns = np.indices(shape)
    return np.hypot(rows - middle[0], columns - middle[1]) < radius


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.lists(st.tuples(*[st.integers(0, 400)] * 4, st.integers(1, 30)), max_size=4),
    st.integers(0, 9999),
)
def test_windows_along_thin_holes_share_out_every_pixel_too(
    height: int, width: int, strokes: list[tuple[int, int, int, int, int]], seed: int
) -> None:
    hole = boxes_hole(height, width, seed)
    for top, left, bottom, right, thick in strokes:
        if (top, left) != (bottom, right):
            hole |= line((height, width), (top, left), (bottom, right), thick)
    windows = choose_windows(hole, SIDE, **FLEXIBLE)
    count = np.zeros((height, width), int)
    for window in windows:
        assert window.own.any()
        count[window.box.slices] += window.own
    np.testing.assert_array_equal(count, hole)
    assert [window.turn for window in windows] == sorted(window.turn for window in windows)


def test_a_long_thin_hole_is_seen_at_full_scale_and_well_inside_of_each_window() -> None:
    hole = line((600, 500), (0, 100), (599, 330), 3)
    windows = choose_windows(hole, SIDE, **FLEXIBLE)
    assert len(windows) >= 600 // 48
    assert {(window.box.height, window.box.width) for window in windows} == {(SIDE, SIDE)}
    assert {window.turn for window in windows} == {1, 2}
    for window in windows:
        rows, columns = np.nonzero(window.own)
        for first, last, start, end, length in (
            (rows.min(), rows.max(), window.box.top, window.box.bottom, 600),
            (columns.min(), columns.max(), window.box.left, window.box.right, 500),
        ):
            assert first >= SIDE // 8 - 1 or start == 0
            assert last <= SIDE - SIDE // 8 or end == length


def test_a_thicker_hole_gets_wider_windows_and_one_that_is_not_long_gets_one() -> None:
    for width, sides in ((3, {SIDE}), (9, {2 * SIDE}), (20, {4 * SIDE})):
        hole = line((700, 700), (50, 50), (650, 600), width)
        assert {window.box.height for window in choose_windows(hole, SIDE, **FLEXIBLE)} == sides
    (one,) = choose_windows(ball((700, 700), (300, 300), 100), SIDE, **FLEXIBLE)
    assert one.box.height == 2 * 199
    (short,) = choose_windows(line((700, 700), (300, 300), (330, 330), 3), SIDE, **FLEXIBLE)
    assert short.box.height <= 128


def test_a_wire_at_a_large_hole_is_filled_at_full_scale_after_it() -> None:
    shape = (600, 600)
    hole = ball(shape, (300, 200), 80) | line(shape, (300, 200), (310, 599), 3)
    first, *others = choose_windows(hole, SIDE, **FLEXIBLE)
    assert (first.turn, first.box.height > 300) == (0, True)
    assert len(others) > 4
    assert all(window.box.height == SIDE and window.turn > 0 for window in others)


def test_specks_get_small_windows_each_if_the_network_fills_small_tiles() -> None:
    hole = np.zeros((1500, 1500), np.bool_)
    hole[::60, ::60] = True
    windows = choose_windows(hole, SIDE, **FLEXIBLE)
    assert len(windows) == 625
    assert {(window.box.height, window.box.width) for window in windows} == {(16, 16)}
    (whole_picture,) = choose_windows(hole[:20, :20], SIDE, **FLEXIBLE)
    assert whole_picture.box == Box(0, 0, 20, 20)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 120),
    st.integers(1, 120),
    st.sampled_from([0, 1, 4]),
    st.sampled_from(["uint8", "uint16"]),
    st.integers(0, 9999),
)
def test_what_earlier_windows_filled_is_known_to_later_ones(
    height: int, width: int, channels: int, dtype: str, seed: int
) -> None:
    image, hole = noise(height, width, channels, dtype, seed), boxes_hole(height, width, seed)
    fill = noise(height, width, channels, dtype, seed + 1)
    *earlier, window = choose_windows(hole, NATIVE)
    given_ = [(other, fill[other.box.slices][other.own]) for other in earlier]
    found = cut_filled(image, hole, window, NATIVE, given_)
    filled, missing = image.copy(), hole.copy()
    for other in earlier:
        filled[other.box.slices][other.own] = fill[other.box.slices][other.own]
        missing[other.box.slices][other.own] = False
    wanted = cut(filled, missing, window, NATIVE)
    np.testing.assert_array_equal(found.image, wanted.image)
    np.testing.assert_array_equal(found.hole, wanted.hole)
    assert (found.box, found.content) == (wanted.box, wanted.content)
    np.testing.assert_array_equal(found.own, window.own)

"""Painting the hole: tools, undo, zoom, masks; judged by the mask that can be downloaded."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from serve.page.desk import HEIGHT, WIDTH, Desk, file_of, photograph

Holes = npt.NDArray[np.bool_]


def away_from(points: list[tuple[float, float]]) -> npt.NDArray[np.float64]:
    """Distance of each pixel's centre from a line through some points."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    nearest = np.full((HEIGHT, WIDTH), np.inf)
    for (ax, ay), (bx, by) in pairwise(points):
        square = max((bx - ax) ** 2 + (by - ay) ** 2, 1e-9)
        along = np.clip(((columns - ax) * (bx - ax) + (rows - ay) * (by - ay)) / square, 0, 1)
        away = np.hypot(columns - ax - along * (bx - ax), rows - ay - along * (by - ay))
        nearest = np.minimum(nearest, away)
    return nearest


def assert_stroke(hole: Holes, points: list[tuple[float, float]], size: float) -> None:
    away = away_from(points)
    assert hole[away < size / 2 - 1].all()
    assert not hole[away > size / 2 + 1].any()


def test_brush_paints_along_its_way(desk: Desk) -> None:
    desk.open().set_size(30)
    points = [(40.0, 50.0), (200.0, 80.0), (150.0, 190.0)]
    desk.drag(points)
    assert_stroke(desk.hole(), points, desk.size)


def test_click_paints_one_disc(desk: Desk) -> None:
    desk.open().set_size(20)
    desk.drag([(100, 100)])
    assert_stroke(desk.hole(), [(100, 100), (100, 100)], desk.size)


def test_eraser_takes_away_what_it_passes(desk: Desk) -> None:
    desk.open()
    desk.rectangle(40, 40, 280, 200)
    before = desk.hole()
    desk.press("e")
    desk.set_size(24)
    points = [(20.0, 120.0), (300.0, 120.0)]
    desk.drag(points)
    assert_stroke(before & ~desk.hole() | ~before & (away_from(points) < desk.size / 2), points, desk.size)
    assert desk.hole()[50:100, 50:250].all()


def test_rectangle_covers_what_was_spanned_and_can_remove(desk: Desk) -> None:
    desk.open()
    desk.rectangle(200, 150, 60, 30)  # from any corner
    wanted = np.zeros((HEIGHT, WIDTH), bool)
    wanted[30:150, 60:200] = True
    assert (desk.hole() != wanted).sum() <= 2 * (120 + 140)
    assert desk.hole()[32:148, 62:198].all()
    desk.press("r")
    desk.page.click("text=Remove")
    desk.drag([(100, 60), (150, 100)])
    assert not desk.hole()[62:98, 102:148].any()
    desk.page.keyboard.down("Alt")  # the other way round
    desk.drag([(100, 60), (150, 100)])
    desk.page.keyboard.up("Alt")
    assert desk.hole()[32:148, 62:198].all()


def test_lasso_fills_its_outline(desk: Desk) -> None:
    desk.open().press("l")
    desk.drag([(50, 50), (250, 60), (150, 200), (50, 50)])
    hole = desk.hole()
    assert hole[100, 150]
    assert hole[60, 100]
    assert not hole[190, 60]
    assert hole.sum() == pytest.approx(0.5 * abs(200 * 150 - 100 * 10), rel=0.03)


def test_lasso_that_crosses_itself_has_no_gap(desk: Desk) -> None:
    desk.open().press("l")
    twice = [(60, 60), (240, 60), (240, 180), (60, 180), (60, 70), (230, 70), (230, 170), (70, 170), (60, 60)]
    desk.drag(twice)
    assert desk.hole()[100:140, 100:200].all()


def test_undo_and_redo_go_through_every_stroke(desk: Desk) -> None:
    desk.open()
    holes = [desk.hole()]
    for x in (60, 140, 220):
        desk.drag([(x, 60), (x, 180)])
        holes.append(desk.hole())
    assert [int(hole.sum()) for hole in holes] == sorted({int(hole.sum()) for hole in holes})
    for wanted in holes[-2::-1]:
        desk.press("Control+z")
        assert (desk.hole() == wanted).all()
    for wanted in holes[1:]:
        desk.press("Control+Shift+z")
        assert (desk.hole() == wanted).all()
    desk.press("Control+z", "Control+z")
    desk.drag([(20, 20), (300, 20)])  # what was undone is gone
    assert desk.steps() == ["Opened photo.png", "Brush", "Brush"]


def test_zoom_and_pan_keep_strokes_where_they_were_painted(desk: Desk) -> None:
    desk.open().set_size(16)
    first = [(60.0, 60.0), (120.0, 60.0)]
    desk.drag(first)
    before = desk.hole()
    x, y = desk.place(100, 100)
    desk.page.mouse.move(x, y)
    for _ in range(4):
        desk.page.mouse.wheel(0, -100)
    desk.settle()
    assert desk.place(100, 100) == pytest.approx((x, y), abs=1.5)  # zooms around the pointer
    desk.page.keyboard.down(" ")
    desk.drag([(100, 100), (110, 105)])
    desk.page.keyboard.up(" ")
    desk.drag([(100, 100), (90, 95)], button="middle")
    assert (desk.hole() == before).all()
    second = [(80.0, 110.0), (130.0, 130.0)]
    desk.drag(second)
    assert_stroke(desk.hole() & ~before, second, desk.size)
    desk.press("0")
    third = [(200.0, 200.0), (300.0, 220.0)]
    desk.drag(third)
    away = np.minimum(np.minimum(away_from(first), away_from(second)), away_from(third))
    assert desk.hole()[away < desk.size / 2 - 1].all()
    assert not desk.hole()[away > desk.size / 2 + 1].any()


def test_zoom_keys_and_buttons_agree(desk: Desk) -> None:
    desk.open()
    desk.press("1")
    assert desk.text("#zoom-text") == "100 %"
    desk.press("+")
    assert desk.text("#zoom-text") == "125 %"
    desk.page.click("#zoom-out")
    desk.settle()
    assert desk.text("#zoom-text") == "100 %"
    desk.page.click("#zoom-fit")
    desk.settle()
    assert desk.text("#zoom-text") != "100 %"


def test_size_follows_keys_wheel_and_slider(desk: Desk) -> None:
    desk.open()
    first = desk.size
    desk.press("]")
    assert desk.size > first
    desk.press("[", "[")
    assert desk.size < first
    desk.page.mouse.move(*desk.place(100, 100))
    desk.page.keyboard.down("Alt")
    small = desk.size
    desk.page.mouse.wheel(0, -200)
    desk.settle()
    desk.page.keyboard.up("Alt")
    assert desk.size > small
    ring = desk.page.locator("#ring").bounding_box()
    scale = float(desk.page.evaluate("document.querySelector('#stage').dataset.scale"))
    assert ring["width"] == pytest.approx(desk.size * scale, abs=1)
    desk.page.focus("#size")
    desk.press("Home")
    assert desk.size == 1


def test_pressure_of_a_pen_makes_the_stroke_thinner(desk: Desk) -> None:
    desk.open().set_size(40)
    sums = []
    for pressure, y in ((0.1, 60), (1.0, 160)):
        before = desk.hole()
        desk.probe("pen", [desk.place(60, y), desk.place(260, y), pressure])
        desk.settle()
        sums.append((desk.hole() & ~before).sum())
    assert sums[0] < 0.6 * sums[1]


def test_brush_works_by_keyboard_alone(desk: Desk) -> None:
    desk.open().set_size(20)
    desk.page.focus("#stage")
    desk.press("ArrowRight")  # the ring appears in the middle
    assert desk.page.locator("#ring").is_visible()
    desk.press(" ", *["ArrowRight"] * 6, *["Shift+ArrowDown"] * 2, " ", "ArrowLeft")
    hole = desk.hole()
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    step = round(desk.size / 4)
    assert columns[-1] - columns[0] == pytest.approx(6 * step + desk.size, abs=3)
    assert rows[-1] - rows[0] == pytest.approx(2 * 5 * step + desk.size, abs=3)
    assert desk.steps() == ["Opened photo.png", "Brush"]


def test_escape_drops_what_is_being_drawn(desk: Desk) -> None:
    desk.open()
    desk.drag([(50, 50), (200, 100)], lift=False)
    desk.press("Escape")
    desk.page.mouse.up()
    assert not desk.hole().any()
    assert desk.steps() == ["Opened photo.png"]


def test_masks_load_invert_and_clear(desk: Desk) -> None:
    desk.open()
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:90, 30:300] = 255
    mask[100:110, 10:20] = 128
    mask[120:130, 10:20] = 127
    desk.page.set_input_files(
        "#mask-file", {"name": "mask.png", "mimeType": "image/png", "buffer": file_of(mask)}
    )
    desk.page.wait_for_selector("#step-list > :nth-child(2)", state="attached")
    assert (desk.hole() == (mask >= 128)).all()
    desk.press("i")
    assert (desk.hole() == (mask < 128)).all()
    desk.press("Delete")
    assert not desk.hole().any()
    desk.press("Control+z", "Control+z")
    assert (desk.hole() == (mask >= 128)).all()


def test_what_is_transparent_in_a_mask_is_no_hole(desk: Desk) -> None:
    desk.open()
    mask = np.full((HEIGHT, WIDTH, 4), 255, np.uint8)
    mask[:, 100:, 3] = 0
    desk.page.set_input_files(
        "#mask-file", {"name": "m.png", "mimeType": "image/png", "buffer": file_of(mask)}
    )
    desk.page.wait_for_selector("#step-list > :nth-child(2)", state="attached")
    assert (desk.hole() == (mask[..., 3] > 127)).all()


def test_mask_of_another_size_is_refused_in_a_sentence(desk: Desk) -> None:
    desk.open()
    desk.drag([(50, 50), (200, 100)])
    before = desk.hole()
    other = file_of(np.zeros((50, 60), np.uint8))
    desk.page.set_input_files("#mask-file", {"name": "small.png", "mimeType": "image/png", "buffer": other})
    desk.page.wait_for_selector(".notice")
    assert "small.png is 60 × 50 pixels, the photo is 320 × 240" in desk.text(".notice")
    assert (desk.hole() == before).all()


@pytest.mark.parametrize(("button", "distance"), [("grow", 7), ("shrink", 5)])
def test_hole_grows_and_shrinks_by_a_distance(desk: Desk, button: str, distance: int) -> None:
    desk.open().set_size(40)
    desk.drag([(10, 30), (150, 120), (310, 100)])  # meets the edge of the picture
    before = desk.hole()
    desk.page.click("#mask-button")
    desk.page.fill("#distance", str(distance))
    desk.page.click(f"#mask-{button}")
    after = desk.hole()
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    source = before if button == "grow" else ~before
    edges = np.argwhere(source & (grown_by_one(~source)))
    near = np.zeros_like(before)
    for y, x in edges:
        near |= (rows - y) ** 2 + (columns - x) ** 2 <= distance**2
    wanted = before | near if button == "grow" else before & ~near
    assert (after == wanted).all()


def grown_by_one(hole: Holes) -> Holes:
    padded = np.pad(hole, 1)
    return padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]


def test_photo_turned_by_exif_gets_a_mask_of_its_upright_size(desk: Desk) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    desk.open(file_of(photograph(), "JPEG", exif=exif, quality=95), "turned.jpg", "image/jpeg")
    assert "240 × 320" in desk.text("#photo-name")
    desk.drag([(20, 300), (200, 300)])
    assert desk.hole().shape == (320, 240)
    assert desk.hole()[300, 100]


def test_large_photo_is_painted_in_its_own_pixels(desk: Desk) -> None:
    rows = np.linspace(0, 255, 4000, dtype=np.uint8)[:, None, None]
    large = np.broadcast_to(rows, (4000, 6000, 3))
    desk.open(file_of(large, "JPEG", quality=60), "large.jpg", "image/jpeg")
    desk.drag([(1000, 1000), (5000, 3000)])
    hole = desk.hole()
    assert hole.shape == (4000, 6000)
    assert hole[2000, 3000]
    assert hole[1000, 1000]
    assert not hole[3500, 1000]

"""What becomes of answers: kept, combined, undone, and downloaded at full resolution."""

from __future__ import annotations

import numpy as np
import pytest

from serve.page.desk import Desk, file_of, photograph
from serve.page.fake import COLORS, decoded, mask, picture

HOLE = (60, 50, 180, 150)
INSIDE, OUTSIDE = (120, 100), (250, 200)


def with_hole(desk: Desk, count: int = 4) -> Desk:
    desk.open()
    desk.rectangle(*HOLE)
    if count > 1:
        desk.choose_many(count)
    return desk


def near(color: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return max(abs(int(a) - int(b)) for a, b in zip(color, wanted, strict=True)) <= 3


def test_kept_answer_is_the_base_of_the_next_hole(desk: Desk) -> None:
    with_hole(desk, count=1).fill()
    desk.press("u")
    assert desk.mode() == "hole"
    assert not desk.hole().any()
    assert near(desk.seen(*INSIDE), COLORS[0])
    desk.rectangle(150, 100, 260, 200)  # overlaps the first
    second = desk.hole()
    desk.page.click("summary")
    desk.page.fill("#seed", "2")
    desk.fill()
    first_sent, second_sent = (picture(body["image"]) for body in desk.fake.bodies("fill"))
    assert (first_sent == photograph()).all()
    assert (second_sent[60:140, 70:140] == COLORS[0]).all()
    assert (mask(desk.fake.bodies("fill")[1]["mask"]) == second).all()
    assert near(desk.seen(200, 150), COLORS[2])
    name, pixels = desk.download()
    assert name == "photo-filled.png"
    wanted = photograph()
    wanted[mask(desk.fake.bodies("fill")[0]["mask"])] = COLORS[0]
    wanted[second] = COLORS[2]
    assert (pixels == wanted).all()


def test_combined_picture_has_both_answers_where_they_were_painted(desk: Desk) -> None:
    with_hole(desk).fill()
    desk.pick(0)
    desk.page.click("#combine")
    assert desk.mode() == "mix"
    desk.pick(2)
    assert desk.text("#mix-text") == "Painting with answer 3 over answer 1"
    desk.set_size(40)
    desk.drag([(40, 80), (110, 80)])  # begins outside the hole
    assert near(desk.seen(90, 80), COLORS[2])
    assert near(desk.seen(90, 130), COLORS[0])
    desk.pick(3)
    desk.drag([(160, 130)])
    assert near(desk.seen(160, 130), COLORS[3])
    _, pixels = desk.download()
    hole = mask(desk.fake.bodies("fill")[0]["mask"])
    assert (pixels[~hole] == photograph()[~hole]).all()
    assert tuple(pixels[80, 90]) == COLORS[2]
    assert tuple(pixels[130, 160]) == COLORS[3]
    assert tuple(pixels[130, 80]) == COLORS[0]
    # A feathered edge: between the two, levels of both.
    column = pixels[80:110, 90, 0].astype(int)
    first, second = COLORS[2][0], COLORS[0][0]
    assert ((column > first + 5) & (column < second - 5)).sum() >= 4
    assert (np.diff(column) >= 0).all()


def test_combining_can_be_undone_painted_back_and_kept(desk: Desk) -> None:
    with_hole(desk, 2).fill()
    desk.pick(0)
    desk.press("p")
    desk.drag([(100, 100)])
    assert near(desk.seen(100, 100), COLORS[1])
    desk.press("Control+z")
    assert near(desk.seen(100, 100), COLORS[0])
    assert desk.mode() == "mix"
    desk.press("Control+Shift+z")
    assert near(desk.seen(100, 100), COLORS[1])
    desk.pick(0)  # painting with the base takes back
    desk.drag([(100, 100)])
    assert near(desk.seen(100, 100), COLORS[0])
    desk.press("Control+z")
    desk.page.click("#mix-done")
    assert desk.answers()[0] == "Combined answer"
    desk.page.click("#keep")
    assert desk.step() == "Kept the combined answer"
    assert near(desk.seen(100, 100), COLORS[1])
    assert near(desk.seen(70, 140), COLORS[0])


def test_steps_can_be_jumped_between(desk: Desk) -> None:
    with_hole(desk, 2).fill()
    desk.page.click("#keep")
    desk.press("i")
    assert desk.steps() == [
        "Opened photo.png",
        "Rectangle",
        "Filled with dsi-small, 2 answers",
        "Kept answer 2",
        "Inverted",
    ]
    desk.page.click("#steps-button")
    desk.page.click("#step-list >> text=Filled")
    assert desk.mode() == "answer"
    assert desk.answers() == ["Answer 2, ranked best", "Answer 1, ranked 2nd"]
    desk.page.click("#step-list >> text=Opened")
    assert not desk.hole().any()
    assert near(desk.seen(*INSIDE), tuple(photograph()[INSIDE[1], INSIDE[0]]))
    desk.page.click("#step-list >> text=Inverted")
    assert desk.hole().all()
    assert near(desk.seen(*INSIDE), COLORS[1])


def test_another_photo_is_a_step_as_well(desk: Desk) -> None:
    with_hole(desk, count=1).fill()
    other = np.zeros((100, 150, 3), np.uint8)
    desk.open(file_of(other), "other.png")
    desk.page.wait_for_selector("text=150 × 100")
    assert desk.hole().shape == (100, 150)
    desk.press("Control+z")
    assert "320 × 240" in desk.text("#photo-name")
    assert near(desk.seen(*INSIDE), COLORS[0])


@pytest.mark.parametrize(("choice", "ending"), [("PNG, lossless", "png"), ("JPEG", "jpg")])
def test_format_of_the_download_can_be_chosen(desk: Desk, choice: str, ending: str) -> None:
    data = file_of(photograph(), "JPEG", quality=95)
    desk.open(data, "holiday.jpeg", "image/jpeg")
    desk.rectangle(*HOLE)
    desk.fill()
    desk.page.click("#formats-button")
    desk.page.click(f"text={choice}")
    desk.press("Escape")
    name, _ = desk.download()
    assert name == f"holiday-filled.{ending}"
    [body] = desk.fake.bodies("compose")
    assert decoded(body["image"]) == data


def test_many_kept_layers_are_composed_in_parts(desk: Desk) -> None:
    with_hole(desk, 2).fill()
    desk.probe("composeMany", 130)
    assert [len(body["layers"]) for body in desk.fake.bodies("compose")] == [60, 60, 10]
    assert [body["format"] for body in desk.fake.bodies("compose")] == ["png", "png", "png"]


def test_nothing_can_be_downloaded_before_a_fill(desk: Desk) -> None:
    with_hole(desk, count=1)
    assert desk.page.get_attribute("#download", "aria-disabled") == "true"
    desk.press("d")
    assert "Nothing to download yet" in desk.text(".notice")
    assert desk.fake.bodies("compose") == []


def test_answers_of_an_earlier_hole_can_still_be_kept(desk: Desk) -> None:
    with_hole(desk, count=1).fill()
    desk.press("b")
    desk.drag([(250, 200), (280, 210)])
    desk.pick(0)
    desk.page.click("#keep")
    _, pixels = desk.download()
    hole = mask(desk.fake.bodies("fill")[0]["mask"])
    assert (pixels[hole] == COLORS[0]).all()
    assert (pixels[~hole] == photograph()[~hole]).all()

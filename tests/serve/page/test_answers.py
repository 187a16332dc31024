"""Filling, looking at answers, combining, keeping, going back, and the picture that is downloaded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from serve.page.desk import HEIGHT, WIDTH, Desk, file_of, photograph
from serve.page.fake import COLORS, decoded, mask

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


def until(holds: Callable[[], bool], desk: Desk) -> None:
    for _ in range(200):
        if holds():
            return
        desk.page.wait_for_timeout(25)
    raise AssertionError("it did not come about")


def test_one_best_answer_is_shown_at_once(desk: Desk) -> None:
    with_hole(desk, count=1)
    hole = desk.hole()
    desk.fill()
    assert desk.answers() == ["Answer 1"]
    assert near(desk.seen(*INSIDE), COLORS[0])
    assert near(desk.seen(*OUTSIDE), tuple(photograph()[OUTSIDE[1], OUTSIDE[0]]))
    assert not desk.page.is_visible("#again")
    [body] = desk.fake.bodies("fill")
    assert decoded(body["image"]) == file_of(photograph())  # the file as it was
    assert (mask(body["mask"]) == hole).all()
    told = {
        key: body[key] for key in ("model", "samples", "seed", "options", "region", "structures", "stream")
    }
    assert told == {
        "model": "medfe-small",
        "samples": 1,
        "seed": 0,
        "options": None,
        "region": "hole",
        "structures": True,
        "stream": True,
    }


def test_answers_arrive_one_by_one_with_progress(desk: Desk) -> None:
    gate = desk.fake.behaviour.gate = threading.Semaphore(0)
    with_hole(desk).fill(wait=False)
    desk.page.wait_for_selector("#progress-bar[aria-valuenow='25']")
    assert desk.page.locator(".waiting").count() == 4
    assert desk.page.get_attribute("#thumbs", "aria-busy") == "true"
    for here in (1, 2, 3):
        gate.release()
        desk.page.wait_for_selector(f"#thumbs [role=radio] >> nth={here - 1}")
        assert desk.page.locator(".waiting").count() == 4 - here
        until(lambda here=here: desk.text("#announcer") == f"Answer {here} is here, {here} of 4.", desk)
    assert near(desk.seen(*INSIDE), COLORS[0])  # the first is looked at meanwhile
    gate.release()
    desk.page.wait_for_selector("#progress", state="hidden")
    assert desk.answers() == [
        "Answer 2, ranked best",
        "Answer 3, ranked 2nd",
        "Answer 4, ranked 3rd",
        "Answer 1, ranked 4th",
    ]
    assert desk.text(".badge.best") == "Best"
    assert near(desk.seen(*INSIDE), COLORS[1])  # the best
    assert desk.page.get_attribute("#thumbs", "aria-busy") == "false"


def test_answer_that_was_picked_meanwhile_stays_shown(desk: Desk) -> None:
    gate = desk.fake.behaviour.gate = threading.Semaphore(2)
    with_hole(desk, 3).fill(wait=False)
    desk.page.wait_for_selector("[data-answer='1']")
    desk.pick(0)
    gate.release()
    desk.page.wait_for_selector("#progress", state="hidden")
    assert near(desk.seen(*INSIDE), COLORS[0])


def test_picking_shows_each_answer(desk: Desk) -> None:
    with_hole(desk).fill()
    for answer in (2, 0, 3):
        desk.pick(answer)
        assert near(desk.seen(*INSIDE), COLORS[answer])
        assert desk.text("#answer-text") == f"Answer {answer + 1} of 4"
    desk.page.focus("[data-answer='3']")
    desk.press("ArrowRight")  # next in the ranking
    assert near(desk.seen(*INSIDE), COLORS[0])
    desk.press(",")
    assert near(desk.seen(*INSIDE), COLORS[3])


def test_answer_much_like_another_says_so(desk: Desk) -> None:
    desk.fake.behaviour.duplicate = True
    with_hole(desk, 3).fill()
    assert "Answer 3, ranked 2nd, much like answer 1" in desk.answers()


def test_options_and_seed_are_sent(desk: Desk) -> None:
    with_hole(desk, 2)
    desk.page.click("summary")
    desk.page.fill("#seed", "41")
    desk.page.focus("#option-temperature")
    desk.press("ArrowRight")
    desk.fill()
    [body] = desk.fake.bodies("fill")
    assert (body["seed"], body["options"], body["model"]) == (41, {"temperature": 1.05}, "dsi-small")
    assert desk.text("#answers-title") == "Answers from dsi-small, seed 41"


def test_cancel_stops_the_job_and_keeps_the_hole(desk: Desk) -> None:
    desk.fake.behaviour.gate = threading.Semaphore(0)
    with_hole(desk)
    before = desk.hole()
    desk.fill(wait=False)
    desk.page.wait_for_selector("#progress-bar[aria-valuenow='25']")
    desk.page.click("#cancel")
    desk.page.wait_for_selector("#progress", state="hidden")
    until(lambda: "job-1" in desk.fake.behaviour.cancelled, desk)
    assert desk.steps() == ["Opened photo.png", "Rectangle"]
    assert desk.mode() == "hole"
    assert (desk.hole() == before).all()
    assert desk.page.locator(".notice").count() == 0


def test_cancel_keeps_what_has_arrived(desk: Desk) -> None:
    desk.fake.behaviour.gate = threading.Semaphore(2)
    with_hole(desk).fill(wait=False)
    desk.page.wait_for_selector("[data-answer='1']")
    desk.press("Escape")
    desk.page.wait_for_selector("#progress", state="hidden")
    assert desk.answers() == ["Answer 1", "Answer 2"]
    assert "2 of 4 answers stay" in desk.text("#status")
    desk.pick(1)
    assert near(desk.seen(*INSIDE), COLORS[1])


def test_undoing_a_fill_under_way_and_going_on_stops_it(desk: Desk) -> None:
    desk.fake.behaviour.gate = threading.Semaphore(0)
    with_hole(desk).fill(wait=False)
    desk.page.wait_for_selector("#progress-bar[aria-valuenow='25']")
    desk.press("Control+z")
    assert desk.page.is_visible("#progress")  # it could still be wanted again
    desk.drag([(20, 20), (30, 30)])
    desk.page.wait_for_selector("#progress", state="hidden")
    until(lambda: "job-1" in desk.fake.behaviour.cancelled, desk)
    assert desk.steps() == ["Opened photo.png", "Rectangle", "Brush"]


def test_divider_shows_before_and_after(desk: Desk) -> None:
    with_hole(desk, 2).fill()
    desk.press("c")
    divider = desk.page.locator("#divider")
    assert divider.get_attribute("aria-valuenow") == str(round(100 * 120 / WIDTH))  # the hole's middle
    before, after = (80, 100), (160, 100)
    assert near(desk.seen(*before), tuple(photograph()[before[1], before[0]]))
    assert near(desk.seen(*after), COLORS[1])
    box = divider.bounding_box()
    desk.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 200)
    desk.page.mouse.down()
    desk.page.mouse.move(desk.place(70, 0)[0], box["y"] + 200)
    desk.page.mouse.up()
    assert near(desk.seen(*before), COLORS[1])
    desk.page.focus("#divider")
    desk.press("End")
    assert divider.get_attribute("aria-valuetext") == "100 % before, 0 % after"
    assert near(desk.seen(*after), tuple(photograph()[after[1], after[0]]))
    desk.press("Home", "ArrowRight")
    assert divider.get_attribute("aria-valuenow") == "2"
    desk.press("c")
    assert not divider.is_visible()


def test_structure_of_each_answer_can_be_seen(desk: Desk) -> None:
    with_hole(desk, 3).fill()
    desk.press("s")
    assert desk.text("#inset figcaption") == "What the model saw: structure and texture"
    for answer in (0, 2):
        desk.pick(answer)
        assert near(tuple(desk.probe("corner", "#inset-structure")), COLORS[answer])
        inverse = tuple(255 - level for level in COLORS[answer])
        assert near(tuple(desk.probe("corner", "#inset-texture")), inverse)
        assert near(tuple(desk.probe("corner", f"[data-answer='{answer}'] canvas")), COLORS[answer])
    desk.page.click("#structure")
    assert not desk.page.is_visible("#inset")


def test_try_again_takes_the_next_seed(desk: Desk) -> None:
    with_hole(desk, 2).fill()
    desk.page.click("#again")
    desk.page.wait_for_selector("text=seed 1")
    desk.page.wait_for_selector("#progress", state="hidden")
    assert [body["seed"] for body in desk.fake.bodies("fill")] == [0, 1]
    assert near(desk.seen(*INSIDE), COLORS[2])
    desk.press("Control+z")  # the answers before are still there
    assert near(desk.seen(*INSIDE), COLORS[1])


def test_second_tab_works_by_itself(desk: Desk, context: object) -> None:
    with_hole(desk, count=1)
    other = Desk(context.new_page(), desk.fake)  # type: ignore[attr-defined]
    other.open(file_of(photograph(200, 100)))
    other.rectangle(10, 10, 60, 60)
    other.fill()
    desk.page.bring_to_front()
    desk.fill()
    assert desk.hole().shape == (HEIGHT, WIDTH)
    assert near(desk.seen(*INSIDE), COLORS[0])
    assert other.steps()[-1] == "Filled with medfe-small"
    other.page.close()
    assert other.problems == []


def test_page_stays_quick_while_an_answer_is_awaited(desk: Desk) -> None:
    desk.fake.behaviour.gate = threading.Semaphore(0)
    with_hole(desk, 2).fill(wait=False)
    desk.page.wait_for_selector("#progress-bar[aria-valuenow='50']")
    start = time.monotonic()
    desk.press("b")
    desk.drag([(20, 20), (40, 30)])
    assert desk.steps()[-1] == "Brush"
    assert time.monotonic() - start < 8
    desk.fake.behaviour.gate.release(2)
    desk.page.wait_for_selector("#progress", state="hidden")
    assert desk.mode() == "hole"  # not pulled away from painting
    assert len(desk.answers()) == 2

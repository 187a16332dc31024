"""The page itself: phone, touch, dark, keyboard only, names for screen readers, contrast, drop and paste."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest

from serve.page.desk import Desk, file_of, photograph
from serve.page.fake import COLORS, PAGE


@pytest.fixture
def phone(browser: Any, fake: Any) -> Iterator[Desk]:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True, is_mobile=True
    )
    desk = Desk(context.new_page(), fake)
    yield desk
    context.close()
    assert desk.problems == []


class Fingers:
    """Touches, as the browser's own protocol gives them."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.protocol = desk.page.context.new_cdp_session(desk.page)

    def send(self, kind: str, *points: tuple[float, float]) -> None:
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points)]
        self.protocol.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        self.desk.settle()


def test_one_finger_paints_and_two_zoom(phone: Desk) -> None:
    phone.open()
    fingers = Fingers(phone)
    fingers.send("touchStart", phone.place(60, 60))
    fingers.send("touchMove", phone.place(200, 60))
    fingers.send("touchEnd")
    hole = phone.hole()
    assert hole[60, 60:200].all()
    assert not hole[160].any()
    middle = phone.place(160, 120)
    before = phone.place(1, 0)[0] - phone.place(0, 0)[0]
    fingers.send("touchStart", (middle[0] - 30, middle[1]))
    fingers.send("touchStart", (middle[0] - 30, middle[1]), (middle[0] + 30, middle[1]))
    fingers.send("touchMove", (middle[0] - 60, middle[1] + 20), (middle[0] + 60, middle[1] + 20))
    fingers.send("touchEnd")
    after = phone.place(1, 0)[0] - phone.place(0, 0)[0]
    assert after / before == pytest.approx(2, rel=0.05)
    assert phone.place(160, 120) == pytest.approx((middle[0], middle[1] + 20), abs=2)
    assert (phone.hole() == hole).all()  # the first finger left no stroke
    assert phone.steps() == ["Opened photo.png", "Brush"]


def test_phone_has_tools_and_answers_below_the_picture(phone: Desk) -> None:
    phone.open()
    stage, rail = (phone.page.locator(name).bounding_box() for name in ("#stage", "#rail"))
    assert rail["y"] >= stage["y"] + stage["height"]
    for name in ("#tool-brush", "#mask-button", "#undo", "#download"):
        box = phone.page.locator(name).bounding_box()
        assert min(box["width"], box["height"]) >= 36
    fingers = Fingers(phone)
    fingers.send("touchStart", phone.place(60, 60))
    fingers.send("touchMove", phone.place(200, 160))
    fingers.send("touchEnd")
    phone.tap("#kinds >> text=Many", "input[name=kind][value=many]:checked")
    phone.tap("#fill", "body[data-mode=answer]")
    phone.page.wait_for_selector("[data-answer='3']")
    phone.page.wait_for_selector("#progress", state="hidden")
    assert phone.page.locator("#thumbs [role=radio]").count() == 4
    assert not phone.page.is_visible("#fill")  # the sheet made room for the answers
    phone.tap("#sheet-handle", "#fill >> visible=true")
    phone.tap("#keep", "body[data-mode=hole]")
    assert phone.page.evaluate("document.documentElement.scrollWidth") == 390  # nothing sticks out


def test_everything_works_by_keyboard_alone(desk: Desk) -> None:
    desk.visit()
    focused = "document.activeElement.id || document.activeElement.name"
    reached = []
    for _ in range(4):
        desk.page.keyboard.press("Tab")
        reached.append(desk.page.evaluate(focused))
    assert reached == ["open", "theme", "help-button", "choose"]
    desk.open()
    for _ in range(24):
        desk.page.keyboard.press("Tab")
        reached.append(desk.page.evaluate(focused))
    wanted = ["steps-button", "open", "help-button", "download", "tool-brush", "mask-button", "size"]
    assert {*wanted, "stage", "zoom-in", "kind", "fill"} <= set(reached)
    desk.page.focus("#stage")
    desk.press("ArrowLeft", " ", *["Shift+ArrowRight"] * 3, " ")
    assert desk.hole().any()
    desk.page.focus("input[name=kind]:checked")
    desk.press("ArrowRight", "Enter")
    desk.page.wait_for_selector("[data-answer='3']")
    desk.page.wait_for_selector("#progress", state="hidden")
    desk.press(".")
    assert desk.text("#answer-text") == "Answer 3 of 4"
    desk.press("c")
    desk.page.focus("#divider")
    desk.press("ArrowRight", "c", "p")
    assert desk.mode() == "mix"
    desk.press("Escape", "u")
    assert desk.step() == "Kept answer 3"
    with desk.page.expect_download():
        desk.press("d")
    desk.press("Control+z", "Control+z", "Control+z", "Control+y")
    assert desk.step() == "Brush"


def test_letters_typed_into_fields_are_no_commands(desk: Desk) -> None:
    desk.open()
    desk.drag([(50, 50), (60, 60)])
    desk.page.click("summary")
    desk.page.focus("#seed")
    desk.press("Backspace", "7", "i", "Delete")
    assert desk.page.input_value("#seed") == "7"
    assert desk.steps() == ["Opened photo.png", "Brush"]


def test_question_mark_lists_every_key(desk: Desk) -> None:
    desk.visit()
    desk.press("?")
    listed = desk.text("#key-list")
    for label in ("Brush", "Undo", "Fill", "Combine answers", "Use this answer", "Zoom in", "Download"):
        assert label in listed
    desk.press("b", "Escape")
    assert not desk.page.is_visible("#help")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_and_controls_have_names(desk: Desk, scheme: str) -> None:
    page = desk.page
    page.emulate_media(color_scheme=scheme)
    desk.visit()
    assert desk.probe("pale") == []
    assert desk.probe("nameless") == []
    desk.open()
    page.click("summary")
    desk.drag([(50, 50), (90, 60)])
    assert desk.probe("pale") == []
    desk.choose_many(2)
    desk.fill()
    desk.press("s", "c")
    for opener in ("#steps-button", "#mask-button", "#formats-button"):
        page.click(opener)
        assert desk.probe("pale") == []
        assert desk.probe("nameless") == []
        desk.press("Escape")
    desk.press("p")
    assert desk.probe("nameless") == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", background))) < 60) == (scheme == "dark")


def test_tree_for_screen_readers_has_the_parts(desk: Desk) -> None:
    desk.open()
    desk.rectangle(60, 50, 180, 150)
    desk.choose_many(2)
    desk.fill()
    tree = desk.page.locator("body").aria_snapshot()
    for part in (
        'toolbar "Tools"',
        'button "Brush"',
        'application "Picture"',
        'complementary "Fill and answers"',
        'radiogroup "Answers from dsi-small, seed 0"',
        'radio "Answer 2, ranked best" [checked]',
        'button "Use this"',
        'slider "Answers"',
    ):
        assert part in tree


def test_theme_can_be_turned_and_is_remembered(browser: Any, fake: Any) -> None:
    context = browser.new_context(color_scheme="light")
    desk = Desk(context.new_page(), fake)
    desk.visit()
    desk.page.click("#theme")
    scheme = "getComputedStyle(document.documentElement).colorScheme"
    assert desk.page.evaluate(scheme) == "dark"
    desk.page.reload()
    assert desk.page.evaluate(scheme) == "dark"
    assert desk.page.evaluate("({ ...localStorage })") == {"twofold-theme": "dark"}
    context.close()


def test_photo_can_be_dropped_and_pasted(desk: Desk) -> None:
    desk.visit()
    for kind in ("drop", "paste"):
        photo = file_of(photograph(120 if kind == "drop" else 90, 80))
        desk.probe("give", [kind, base64.b64encode(photo).decode()])
        desk.page.wait_for_selector(f"text={kind}.png · {120 if kind == 'drop' else 90} × 80")


def test_motion_stops_when_it_is_not_wanted(desk: Desk) -> None:
    desk.open()
    desk.drag([(50, 50), (90, 60)])
    first = desk.probe("overlay")
    desk.page.wait_for_timeout(350)
    assert desk.probe("overlay") == first
    desk.page.emulate_media(reduced_motion="no-preference")
    desk.page.wait_for_timeout(350)
    assert desk.probe("overlay") != first


def test_model_kinds_follow_the_server(desk: Desk) -> None:
    desk.fake.behaviour.diverse_only = True
    desk.open()
    assert not desk.page.is_visible("#kinds")
    desk.rectangle(60, 50, 180, 150)
    desk.fill()
    assert len(desk.answers()) == 4
    assert max(abs(a - b) for a, b in zip(desk.seen(120, 100), COLORS[1], strict=True)) <= 3


def test_page_needs_nothing_from_elsewhere() -> None:
    files = {file for file in PAGE.rglob("*") if file.is_file()}
    for file in sorted(files):
        text = file.read_text()
        assert len(text.splitlines()) <= 350, file.name
        addresses = set(re.findall(r"https?://[^\s\"'<>)]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, file.name
    index = (PAGE / "index.html").read_text()
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script>", index)  # the server's policy forbids them
    named = {PAGE / name for name in re.findall(r"page/([\w./-]+)", index)}
    imported = {
        (file.parent / name).resolve()
        for file in PAGE.rglob("*.js")
        for name in re.findall(r'(?:from |import\()"(\.\S+\.js)"', file.read_text())
    }
    assert named | imported | {PAGE / "index.html"} == files


def test_every_symbol_and_element_that_is_used_exists() -> None:
    index = (PAGE / "index.html").read_text()
    scripts = "".join(file.read_text() for file in PAGE.rglob("*.js"))
    symbols = set(re.findall(r'<symbol id="i-(\w+)"', index))
    assert (
        set(re.findall(r'href="#i-(\w+)"', index)) | set(re.findall(r'icon\("(\w+)"\)', scripts)) <= symbols
    )
    ids = set(re.findall(r'\sid="([\w-]+)"', index))
    assert set(re.findall(r'byId\("([\w-]+)"\)', scripts)) <= ids
    assert len(ids) == len(re.findall(r'\sid="', index))

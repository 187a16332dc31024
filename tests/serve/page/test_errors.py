"""What goes wrong is told in plain words, can be tried again, and loses nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from serve.page.desk import Desk, file_of, photograph


def refuse(desk: Desk, status: int, code: str, detail: str, **headers: str) -> None:
    desk.fake.behaviour.refusals.append((status, {"code": code, "detail": detail}, headers))


@pytest.fixture
def painted(desk: Desk) -> Any:
    """A tab with a photo and a hole; both are still there at the end."""
    desk.open()
    desk.rectangle(60, 50, 180, 150)
    before = desk.hole()
    yield desk
    assert (desk.hole() == before).all()


def test_busy_server_is_tried_again_by_itself_if_wanted(painted: Desk) -> None:
    refuse(painted, 429, "busy", "64 requests wait already; try again in 2 seconds", **{"Retry-After": "2"})
    painted.fill(wait=False)
    painted.page.wait_for_selector("text=Retry automatically in 2 s")
    assert painted.text(".notice h2") == "The server is busy"
    assert painted.text(".notice p") == "64 requests wait already; try again in 2 seconds."
    assert painted.steps() == ["Opened photo.png", "Rectangle"]
    painted.page.click("text=Retry automatically")
    painted.page.wait_for_selector("text=Retrying in")
    painted.page.wait_for_selector("[data-answer='0']")
    assert painted.page.locator(".notice").count() == 0
    assert len(painted.fake.bodies("fill")) == 2


def test_busy_server_is_left_alone_if_not(painted: Desk) -> None:
    refuse(painted, 429, "busy", "full", **{"Retry-After": "1"})
    painted.fill(wait=False)
    painted.page.click("text=Retry automatically")
    painted.page.click("text=Retrying in")  # stops it
    painted.page.wait_for_timeout(1300)
    assert len(painted.fake.bodies("fill")) == 1
    painted.page.click("text=Try now")
    painted.page.wait_for_selector("[data-answer='0']")


def test_token_is_asked_for_and_used(desk: Desk) -> None:
    desk.fake.behaviour.token = "open sesame"
    desk.page.goto(desk.fake.url)
    desk.page.wait_for_selector("#token[open]")
    desk.page.fill("#token-field", "wrong")
    desk.press("Enter")
    desk.page.wait_for_selector("#token[open]")
    desk.page.fill("#token-field", "open sesame")
    desk.page.click("text=Go on")
    desk.page.wait_for_selector("#model option", state="attached")
    desk.open()
    desk.rectangle(60, 50, 180, 150)
    desk.fill()
    assert desk.answers() == ["Answer 1"]
    assert desk.page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0


def test_token_that_ran_out_does_not_lose_the_fill(painted: Desk) -> None:
    painted.fake.behaviour.token = "new token"
    painted.fill(wait=False)
    painted.page.wait_for_selector("#token[open]")
    painted.page.fill("#token-field", "new token")
    painted.press("Enter")
    painted.page.wait_for_selector("[data-answer='0']")


@pytest.mark.parametrize(
    ("status", "code", "title"),
    [
        (413, "too_large", "The photo is too large for this server"),
        (504, "deadline", "Filling took longer than this server allows"),
        (503, "unavailable", "The server is not ready yet"),
        (400, "bad_input", "The fill did not work"),
    ],
)
def test_refusal_is_told_with_the_servers_own_sentence(
    painted: Desk, status: int, code: str, title: str
) -> None:
    refuse(painted, status, code, "the server's own sentence")
    painted.fill(wait=False)
    painted.page.wait_for_selector(".notice")
    assert painted.text(".notice h2") == title
    assert "The server's own sentence." in painted.text(".notice p")
    assert painted.page.get_attribute("#notices", "role") == "alert"
    painted.page.click("[aria-label=Dismiss]")
    assert painted.page.locator(".notice").count() == 0
    painted.fill()
    assert painted.answers() == ["Answer 1"]


def test_error_on_the_way_keeps_what_has_arrived(painted: Desk) -> None:
    painted.fake.behaviour.fail_after = 2
    painted.fake.behaviour.failure = {"status": 504, "code": "deadline", "detail": "took 600 seconds"}
    painted.choose_many(4)
    painted.fill()
    assert painted.text(".notice h2") == "Filling took longer than this server allows"
    assert painted.answers() == ["Answer 1", "Answer 2"]
    painted.page.click("#keep")
    painted.press("Control+z")


def test_connection_that_breaks_off_keeps_what_has_arrived(painted: Desk) -> None:
    painted.fake.behaviour.fail_after = 1
    painted.choose_many(3)
    painted.fill()
    assert painted.text(".notice h2") == "Connection lost"
    assert painted.answers() == ["Answer 1"]
    painted.fake.behaviour.fail_after = None
    painted.page.click(".notice >> text=Try again")
    painted.page.wait_for_selector("[data-answer='2']")


def test_server_that_is_gone_is_told_and_tried_again(painted: Desk) -> None:
    painted.page.route("**/api/v1/fill", lambda route: route.abort())
    painted.fill(wait=False)
    painted.page.wait_for_selector("text=Connection lost")
    assert "all still here" in painted.text(".notice p")
    painted.page.unroute("**/api/v1/fill")
    painted.page.click(".notice >> text=Try again")
    painted.page.wait_for_selector("[data-answer='0']")


def test_download_that_fails_can_be_tried_again(painted: Desk) -> None:
    painted.fill()
    refuse(painted, 503, "unavailable", "the server is stopping", **{"Retry-After": "9"})
    painted.page.click("#download")
    painted.page.wait_for_selector("text=Retry automatically in 9 s")
    with painted.page.expect_download():
        painted.page.click("text=Try now")


def test_models_are_asked_for_again(desk: Desk) -> None:
    desk.page.route("**/api/v1/models", lambda route: route.abort())
    desk.page.goto(desk.fake.url)
    desk.page.wait_for_selector("text=Connection lost")
    desk.page.unroute("**/api/v1/models")
    desk.page.click(".notice >> text=Try again")
    desk.page.wait_for_selector("#model option", state="attached")


def test_file_that_is_no_picture_is_told(desk: Desk) -> None:
    desk.visit()
    desk.page.set_input_files("#photo-file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"words"})
    desk.page.wait_for_selector(".notice")
    assert "a.txt is no picture that this browser can show" in desk.text(".notice p")
    assert desk.page.is_visible("#welcome")


def test_photo_beyond_the_servers_limits_is_told_at_once(desk: Desk) -> None:
    desk.fake.behaviour.max_megapixels = 0.05
    desk.visit()
    photo = {"name": "big.png", "mimeType": "image/png", "buffer": file_of(photograph())}
    desk.page.set_input_files("#photo-file", photo)
    desk.page.wait_for_selector(".notice")
    assert "big.png has 0.1 megapixels, this server takes up to 0.05" in desk.text(".notice p")
    desk.fake.behaviour.max_megapixels, desk.fake.behaviour.max_body = 50, 100_000
    desk.visit()
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    desk.page.set_input_files("#photo-file", photo | {"buffer": file_of(noise)})
    desk.page.wait_for_selector(".notice")
    assert "this server takes photos up to 0.1 MB" in desk.text(".notice p")


def test_filling_without_a_hole_says_what_to_do(desk: Desk) -> None:
    desk.open()
    assert desk.text("#fill-hint") == "Paint over what should go, then fill."
    desk.press("Enter")
    assert desk.text("#status") == "Paint over what should go first."
    assert desk.fake.bodies("fill") == []


def test_leaving_with_unsaved_work_asks(desk: Desk) -> None:
    asked = []
    desk.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    desk.open()
    desk.page.reload()
    assert asked == []  # nothing was done yet
    desk.open()
    desk.rectangle(60, 50, 180, 150)
    desk.page.reload()
    assert asked == ["beforeunload"]
    desk.open()
    desk.rectangle(60, 50, 180, 150)
    desk.fill()
    desk.download()
    desk.page.wait_for_selector("text=Downloaded.")
    desk.page.reload()
    assert asked == ["beforeunload"]

"""Our own routes on a real server: fill, streams, jobs, compose, models, limits, and every refusal."""

from __future__ import annotations

import base64
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

import twofold
from serve.live import (
    Gate,
    Live,
    at_gate,
    jobs_of,
    order,
    pixels_of,
    png,
    sample_value,
    scene,
    serving,
    wait_until,
)
from twofold.serve.app import create_app
from twofold.serve.security import connections
from twofold.serve.settings import Settings

pytest.importorskip("cv2")

SETTINGS = Settings(models=("opencv-telea",), max_megapixels=1.0, max_body=2_000_000, drain_seconds=2.0)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(create_app(SETTINGS), SETTINGS) as server:
        yield server


@pytest.fixture
def client(live: Live) -> Iterator[httpx.Client]:
    with live.client() as client:
        yield client


@pytest.fixture
def gated() -> Iterator[tuple[Live, Gate]]:
    with at_gate(Settings(workers=1, queue=2, drain_seconds=1.0)) as both:
        yield both


REQUESTS, FILLS = "twofold_requests_total", {"route": "/api/v1/fill"}


def raw_head(body: bytes) -> bytes:
    """The head of a request to fill, for a raw connection."""
    head = "POST /api/v1/fill HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode()


def events_of(text: str) -> list[tuple[str, Any]]:
    """The events of a whole stream."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.split("\n") if not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


# --- fill ---------------------------------------------------------------------------------------


def test_an_answer_is_what_the_painter_gives(client: httpx.Client) -> None:
    photo, mask = scene(1)
    expected = twofold.load("opencv-telea").fill(photo, mask, seed=5)
    answer = client.post("/api/v1/fill", json=order(1, samples=2, seed=5))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["model"], told["seed"], told["width"], told["height"]) == ("opencv-telea", 5, 40, 32)
    assert told["ranking"] == [0, 1]
    for index, sample in enumerate(told["samples"]):
        assert sample["index"] == index
        assert sample["media_type"] == "image/png"
        np.testing.assert_array_equal(pixels_of(sample["image"]), expected.image)


@pytest.mark.parametrize("by", ["field", "header"])
def test_a_stream_tells_what_the_whole_answer_tells(client: httpx.Client, by: str) -> None:
    whole = client.post("/api/v1/fill", json=order(2, samples=3)).json()
    headers = {"accept": "text/event-stream"} if by == "header" else {}
    answer = client.post("/api/v1/fill", json=order(2, samples=3, stream=by == "field"), headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in answer.headers
    events = events_of(answer.text)
    names = [name for name, _ in events]
    assert names[0] == "queued"
    assert names[1] == "started"
    assert names[-1] == "done"
    assert [data for name, data in events if name == "sample"] == whole["samples"]
    done = events[-1][1]
    for name in ("model", "seed", "ranking", "width", "height"):
        assert done[name] == whole[name]


def test_a_stream_shows_samples_while_others_are_still_to_come(gated: tuple[Live, Gate]) -> None:
    live, gate = gated
    with live.client() as client, client.stream("POST", "/api/v1/fill", json=order(1, stream=True)) as answer:
        lines = answer.iter_lines()
        seen = [line for line, _ in zip(lines, range(8), strict=False)]
        assert "event: started" in seen  # the job cannot be done: the gate is closed
        gate.opened.set()
        assert "event: done" in list(lines)


# --- jobs ---------------------------------------------------------------------------------------


class Stream:
    """A stream of events that has begun."""

    def __init__(self, client: httpx.Client, number: int = 1) -> None:
        request = client.build_request("POST", "/api/v1/fill", json=order(number, stream=True))
        self.answer = client.send(request, stream=True)
        assert self.answer.status_code == 200, self.answer.read()
        self._parts = self.answer.iter_text()
        self._text = next(self._parts)
        self.id: str = events_of(self._text + "\n\n")[0][1]["id"]

    def rest(self) -> list[tuple[str, Any]]:
        """All events, once there are no more."""
        return events_of(self._text + "".join(self._parts))


def test_a_job_is_followed_while_it_lives_and_not_kept(gated: tuple[Live, Gate]) -> None:
    live, gate = gated
    with live.client() as client, live.client() as other:
        first = Stream(client)
        assert gate.at_work.acquire(timeout=20)
        second = Stream(client, 2)
        running, waiting = first.id, second.id
        wait_until(lambda: other.get(f"/api/v1/jobs/{running}").json()["done"] > 3, "some steps")
        told = other.get(f"/api/v1/jobs/{running}").json()
        assert (told["id"], told["state"], told["total"]) == (running, "running", told["done"] + 1)
        assert other.get(f"/api/v1/jobs/{waiting}").json()["state"] == "queued"
        metrics = other.get("/metrics").text
        assert sample_value(metrics, "twofold_jobs_waiting") == 1
        assert sample_value(metrics, "twofold_jobs_running", model="opencv-telea") == 1
        gate.opened.set()
        for stream in (first, second):
            assert stream.rest()[-1][0] == "done"
        wait_until(lambda: other.get(f"/api/v1/jobs/{running}").status_code == 404, "the end of the job")
        answer = other.get("/api/v1/jobs/nonsense")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_running_and_waiting_jobs_are_cancelled_by_delete(gated: tuple[Live, Gate]) -> None:
    live, gate = gated
    with live.client() as client, live.client() as other:
        first = Stream(client)
        assert gate.at_work.acquire(timeout=20)
        for stream in (Stream(client, 2), first):  # one that waits, one that runs
            answer = other.delete(f"/api/v1/jobs/{stream.id}")
            assert answer.status_code == 202
            assert answer.json()["id"] == stream.id
            name, data = stream.rest()[-1]
            assert name == "error"
            assert (data["status"], data["code"]) == (409, "cancelled")
        wait_until(lambda: gate.left == ["an exception"], "the inpainter's end")
        assert jobs_of(live, "cancelled") == 2
        assert other.delete(f"/api/v1/jobs/{first.id}").status_code == 404


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("waiting", [False, True])
def test_a_client_that_leaves_cancels_its_job(gated: tuple[Live, Gate], stream: bool, waiting: bool) -> None:
    live, gate = gated
    body = json.dumps(order(1, stream=stream)).encode()
    if waiting:
        holder = live.connect()
        holder.sendall(raw_head(body) + body)
        assert gate.at_work.acquire(timeout=20)
    with live.connect() as connection, live.client() as other:
        connection.sendall(raw_head(body) + body)
        if waiting:
            wait_until(lambda: sample_value(other.get("/metrics").text, "twofold_jobs_waiting") == 1, "a job")
        else:
            assert gate.at_work.acquire(timeout=20)
    wait_until(lambda: jobs_of(live, "cancelled") == 1, "the job's end")
    if not waiting:
        wait_until(lambda: gate.left == ["an exception"], "the inpainter's end")
    with live.client() as other:
        wait_until(
            lambda: sample_value(other.get("/metrics").text, REQUESTS, **FILLS) == 1,
            "the end of the request",
        )
    if waiting:
        holder.close()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_does_not_read_is_let_go_and_its_job_ends(
    stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "READER_SECONDS", 0.2)
    photo = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    mask = np.zeros((600, 600), np.uint8)
    mask[10:20, 10:20] = 255
    body = json.dumps({"image": png(photo), "mask": png(mask), "samples": 16, "stream": stream}).encode()
    with at_gate(Settings(workers=1, drain_seconds=1.0)) as (live, gate), live.connect() as connection:
        gate.opened.set()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(raw_head(body) + body)
        with live.client() as client:
            wait_until(lambda: sample_value(client.get("/metrics").text, REQUESTS, **FILLS) == 1, "the end")
            metrics = client.get("/metrics").text
        assert sample_value(metrics, "twofold_jobs_total", state="cancelled" if stream else "done") == 1


def test_a_job_that_takes_too_long_is_given_up(gated: tuple[Live, Gate]) -> None:
    live, gate = gated
    with live.client() as client:
        answer = client.post("/api/v1/fill", json=order(1, deadline=0.3))
        assert (answer.status_code, answer.json()["code"]) == (504, "deadline")
        name, data = events_of(client.post("/api/v1/fill", json=order(1, deadline=0.3, stream=True)).text)[-1]
        assert (name, data["status"], data["code"]) == ("error", 504, "deadline")
    wait_until(lambda: gate.left == ["an exception"] * 2, "the inpainter's end")


def test_a_full_queue_says_when_to_come_again(gated: tuple[Live, Gate]) -> None:
    live, gate = gated
    with live.client() as client:
        streams = [Stream(client)]
        assert gate.at_work.acquire(timeout=20)
        streams += [Stream(client, number) for number in (2, 3)]
        for path in ("/api/v1/fill", "/api/v1/inpaint"):
            answer = client.post(path, json=order(4))
            assert (answer.status_code, answer.json()["code"]) == (429, "busy")
            assert 1 <= int(answer.headers["retry-after"]) <= 600
        gate.opened.set()
        assert [stream.rest()[-1][0] for stream in streams] == ["done"] * 3
        assert client.post("/api/v1/fill", json=order(4)).status_code == 200


# --- compose, models, limits --------------------------------------------------------------------


def test_what_was_filled_is_composed_bit_for_bit(client: httpx.Client) -> None:
    photo, mask = scene(3)
    sample = client.post("/api/v1/fill", json=order(3, region="hole")).json()["samples"][0]
    layer = {name: sample[name] for name in ("image", "left", "top")}
    answer = client.post("/api/v1/compose", json={**order(3), "layers": [layer]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"].startswith('attachment; filename="')
    np.testing.assert_array_equal(
        pixels_of(answer.content), twofold.load("opencv-telea").fill(photo, mask).image
    )


def test_models_and_limits_are_those_of_the_settings(client: httpx.Client) -> None:
    (model,) = client.get("/api/v1/models").json()
    assert (model["name"], model["default"], model["diverse"], model["options"]) == (
        "opencv-telea",
        True,
        False,
        {},
    )
    limits = client.get("/api/v1/limits").json()
    assert limits["max_body"] == 2_000_000
    assert limits["max_megapixels"] == 1.0
    assert limits["max_samples"] == 16
    assert {"png", "jpeg", "webp", "tiff"} <= set(limits["formats"])
    assert limits["version"] == twofold.__version__


# --- refusals -----------------------------------------------------------------------------------


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """Check an error's form; its sentence."""
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert set(answer.json()) == {"code", "detail"}
    detail: str = answer.json()["detail"]
    assert "\n" not in detail
    assert len(detail) < 1000
    assert "Traceback" not in detail
    assert "/work" not in detail
    assert "site-packages" not in detail
    return detail


def bomb(width: int, height: int) -> str:
    """A PNG file of a few bytes that says it is huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return base64.b64encode(file).decode()


SMALL = png(np.zeros((8, 8, 3), np.uint8))
WRONG: dict[str, tuple[dict[str, Any], int, str]] = {
    "no picture": ({"image": "aGVsbG8="}, 400, "bad_input"),
    "no base64": ({"image": "%%%"}, 400, "bad_input"),
    "another size": ({"mask": SMALL}, 400, "bad_input"),
    "no hole": ({"mask": png(np.zeros((32, 40), np.uint8))}, 400, "bad_input"),
    "bomb": ({"image": bomb(60_000, 60_000)}, 413, "too_large"),
    "bomb for a mask": ({"mask": bomb(60_000, 60_000)}, 413, "too_large"),
    "beyond a megapixel": ({"image": png(np.zeros((1100, 1000), np.uint8))}, 413, "too_large"),
    "unknown model": ({"model": "/etc/passwd"}, 404, "unknown_model"),
    "unknown field": ({"sample": 3}, 422, "schema"),
    "no samples": ({"samples": 0}, 422, "schema"),
    "too many samples": ({"samples": 17}, 422, "schema"),
    "a text for a number": ({"samples": "3"}, 422, "schema"),
    "true for a number": ({"seed": True}, 422, "schema"),
    "a negative seed": ({"seed": -1}, 422, "schema"),
    "a huge seed": ({"seed": 10**400}, 422, "schema"),
    "null for a picture": ({"image": None}, 422, "schema"),
    "an unknown format": ({"format": "exe"}, 422, "schema"),
    "options of a model without": ({"options": {"temperature": 1.5}}, 400, "bad_input"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_used_is_refused_in_one_sentence(client: httpx.Client, what: str) -> None:
    change, status, code = WRONG[what]
    detail = refused(client.post("/api/v1/fill", json=order(1) | change), status, code)
    assert "%%%" not in detail
    if status != 422:
        assert not detail.startswith("the body")


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '"text"', "[" * 100_000, '{"image": NaN}', "\0", "{}"]
)
def test_what_is_no_request_is_refused(client: httpx.Client, body: str) -> None:
    for path in ("fill", "compose", "inpaint", "model"):
        answer = client.post(f"/api/v1/{path}", content=body, headers={"content-type": "application/json"})
        refused(answer, 422, "schema")


def test_not_a_number_is_no_number(client: httpx.Client) -> None:
    for value in ("NaN", "Infinity", "-Infinity", "1e999"):
        text = json.dumps(order(1))[:-1] + f', "deadline": {value}}}'
        answer = client.post("/api/v1/fill", content=text, headers={"content-type": "application/json"})
        refused(answer, 422, "schema")


def test_bodies_beyond_the_limit_are_refused_at_once(client: httpx.Client) -> None:
    refused(client.post("/api/v1/fill", json=order(1) | {"image": "A" * 3_000_000}), 413, "too_large")


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api", "/api/v1/", "/api/v1/fill/", "/docs", "/redoc", "/api/v2/fill", "//api/v1/models"],
)
def test_other_addresses_are_not_there(client: httpx.Client, path: str) -> None:
    refused(client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/v1/fill"), ("DELETE", "/health"), ("GET", "/api/v1/compose")]
)
def test_other_methods_are_not_understood(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    refused(answer, 405, "method")
    assert answer.headers["allow"]


def test_a_bomb_is_refused_quickly(client: httpx.Client) -> None:
    start = time.perf_counter()
    for _ in range(20):
        client.post("/api/v1/fill", json=order(1) | {"image": bomb(60_000, 60_000)})
    assert time.perf_counter() - start < 5

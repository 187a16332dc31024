"""Thousands of requests that no client would send: every answer has our form, and the server stays well.

``TWOFOLD_FUZZ=10000`` sends that many.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, HTTPResponse

import numpy as np
import pytest

import twofold
from serve.live import Live, order, pixels_of, sample_value, scene, serving, wait_until
from twofold.serve import run
from twofold.serve.app import create_app
from twofold.serve.security import request_body
from twofold.serve.settings import Settings

pytest.importorskip("cv2")

REQUESTS = int(os.environ.get("TWOFOLD_FUZZ", "2000"))
THREADS = 4
SETTINGS = Settings(
    models=("opencv-telea",),
    max_megapixels=0.1,
    max_body=200_000,
    body_seconds=0.3,
    head_seconds=0.3,
    drain_seconds=1.0,
)
VALID = json.dumps(order(1)).encode()
METHODS = [
    "GET",
    "GET",
    "POST",
    "POST",
    "POST",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "CONNECT",
    "BREW",
    "get",
]
PATHS = [
    "/",
    "/health",
    "/ready",
    "/metrics",
    "/openapi.json",
    "/page/index.html",
    "/page/../run.py",
    "/page/%2e%2e/run.py",
    "/api/v1/fill",
    "/api/v1/fill",
    "/api/v1/compose",
    "/api/v1/inpaint",
    "/api/v1/models",
    "/api/v1/limits",
    "/api/v1/model",
    "/api/v1/jobs/x",
    "/api/v1/jobs/%00",
    "/api/v1/server-config",
    "/?token=x",
    "//x",
    "*",
    "http://evil.example/",
    "/api/v1/jobs/../fill",
]
SERIOUS = [("POST", f"/api/v1/{name}") for name in ("fill", "fill", "fill", "inpaint", "compose", "model")]
SERIOUS += [("GET", path) for path in ("/health", "/api/v1/models", "/api/v1/jobs/x", "/metrics")]
HEADERS = {
    "host": ["localhost", "localhost:80", "evil.example", "", "[::1", "a" * 500, "localhost, evil.example"],
    "origin": ["null", "http://localhost", "http://evil.example", "://", "\xff"],
    "content-type": ["application/json", "text/plain", "application/json; charset=utf-16", "image/png", ""],
    "accept": ["text/event-stream", "*/*", "application/xml", ";;,,"],
    "authorization": ["Bearer", "Bearer x", "Basic eA==", "\xff\xfe"],
    "cookie": ["twofold_7860=x", "=;=;", "a" * 3000, "x=\xff"],
    "connection": ["close", "upgrade", "keep-alive, close", "\x80"],
    "upgrade": ["websocket", "h2c"],
    "expect": ["100-continue", "200-ok"],
    "if-none-match": ["*", '"x"', "W/"],
    "range": ["bytes=0-1", "bytes=5-1,9999999-"],
    "sec-fetch-site": ["same-origin", "cross-site", "\x01x"],
    "x-forwarded-for": ["127.0.0.1", "x" * 100],
    "x-forwarded-proto": ["https", "javascript"],
    "access-control-request-method": ["POST"],
}  # fmt: skip


class Fuzzer:
    """Sends made-up requests over one connection after the other, and counts the answers."""

    def __init__(self, port: int, seed: int) -> None:
        self._port, self._random = port, random.Random(seed)
        self._connection: socket.socket | None = None
        self.answers: Counter[str] = Counter()

    def run(self, count: int) -> Counter[str]:
        for _ in range(count):
            kind = self._random.random()
            if kind < 0.05:
                self._send(self._random.randbytes(self._random.randint(1, 400)), "GET", last=True)
            else:
                self._send(*self._request(whole=kind < 0.99))
        self._close()
        return self.answers

    def _request(self, whole: bool) -> tuple[bytes, str, bool]:
        """A request, its method, and whether nothing may follow it."""
        choose = self._random.choice
        if serious := self._random.random() < 0.5:  # past the door, so that what is behind it is tried
            method, path = choose(SERIOUS)
        else:
            method, path = choose(METHODS), self._path()
        head = [f"{method} {path} HTTP/1.{choose('11110')}"]
        for name in [] if serious else self._random.sample(list(HEADERS), self._random.randint(0, 4)):
            head.append(f"{name}: {choose(HEADERS[name])}")
        if serious or (self._random.random() < 0.8 and not any(line.startswith("host:") for line in head)):
            head.append("host: localhost")
        if serious or (
            self._random.random() < 0.8 and not any(line.startswith("content-type") for line in head)
        ):
            head.append("content-type: application/json")
        content = self._body() if method in ("POST", "PUT", "PATCH") or self._random.random() < 0.1 else b""
        last = not whole
        if content and self._random.random() < 0.2:
            head.append("transfer-encoding: chunked")
            content = b"".join(
                b"%x\r\n%b\r\n" % (len(part), part)
                for start in range(0, len(content), 700)
                if (part := content[start : start + 700])
            )
            content += b"0\r\n\r\n"
        elif content or self._random.random() < 0.2:
            wrong = self._random.random() < 0.03
            head.append(
                f"content-length: {choose([-1, 10**30, 'x', len(content) + 9]) if wrong else len(content)}"
            )
            last = last or wrong
        if not whole:
            content = content[: len(content) // 2]
        return "\r\n".join([*head, "", ""]).encode("latin-1") + content, method, last

    def _path(self) -> str:
        path = self._random.choice(PATHS)
        for _ in range(self._random.choice((0, 0, 0, 1, 3))):
            place = self._random.randint(1, len(path))
            path = (
                path[:place]
                + self._random.choice(("%ff", "%00", "..", "//", "?", "%2f", "x", "#"))
                + path[place:]
            )
        return path

    def _body(self) -> bytes:
        kind = self._random.random()
        if kind < 0.25:
            return VALID
        if kind < 0.5:  # a valid one with a few bytes changed
            damaged = bytearray(VALID)
            for _ in range(self._random.randint(1, 5)):
                damaged[self._random.randrange(len(damaged))] = self._random.randrange(256)
            return bytes(damaged)
        if kind < 0.8:  # a valid one with some values of other kinds
            body = json.loads(VALID)
            others = [
                None,
                True,
                -1,
                1e308,
                "",
                "x",
                [],
                {},
                [[[]]],
                10**40,
                "\ud800",
                "data:,x",
                {"temperature": -1},
            ]
            for _ in range(self._random.randint(1, 3)):
                names = (
                    "image",
                    "mask",
                    "model",
                    "samples",
                    "seed",
                    "options",
                    "format",
                    "stream",
                    "deadline",
                    "layers",
                    "x",
                )
                body[self._random.choice(names)] = self._random.choice(others)
            return json.dumps(body).encode()
        if kind < 0.9:
            return VALID[: self._random.randrange(len(VALID))]
        if kind < 0.92:
            return b'{"image": "' + b"A" * 300_000 + b'"}'
        return self._random.randbytes(self._random.randint(0, 2000))

    def _send(self, data: bytes, method: str, last: bool) -> None:
        try:
            if self._connection is None:
                self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
            self._connection.sendall(data)
            if last:
                self._connection.shutdown(socket.SHUT_WR)
            answer = HTTPResponse(self._connection, method=method)
            answer.begin()
            content = answer.read()
        except (HTTPException, OSError) as error:
            if isinstance(error, TimeoutError):
                pytest.fail(f"no answer to {data[:500]!r}")
            self.answers["closed"] += 1
            self._close()
            return
        self.answers[str(answer.status)] += 1
        self._check(answer, content, method, data)
        if answer.will_close or last:
            self._close()

    def _check(self, answer: HTTPResponse, content: bytes, method: str, data: bytes) -> None:
        """Every error has our form, and no answer tells of our inside."""
        assert answer.status not in (500, 501, 502), (data[:2000], content)
        assert answer.getheader("x-content-type-options") == "nosniff"
        if answer.status >= 400 and method != "HEAD":
            told = json.loads(content)
            assert set(told) == {"code", "detail"}, data[:500]
            assert len(told["detail"]) < 1500
        for secret in (b"Traceback", b"site-packages", b"twofold/serve", b'File "'):
            assert secret not in content

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setattr(request_body, "LINGER", 0.05)
    monkeypatch.setattr(run, "KEEP_ALIVE_SECONDS", 1.0)  # the end of all connections is waited for
    with serving(create_app(SETTINGS), SETTINGS) as server, server.client() as client:
        wait_until(lambda: client.get("/ready").status_code == 200, "the model")
        yield server


def test_whatever_is_sent_the_server_answers_in_form_and_goes_on_filling(live: Live) -> None:
    fuzzers = [Fuzzer(live.port, seed) for seed in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        tasks = [pool.submit(fuzzer.run, REQUESTS // THREADS) for fuzzer in fuzzers]
        answers = sum((task.result() for task in tasks), Counter[str]())
    assert answers.total() == REQUESTS // THREADS * THREADS
    assert {"200", "400", "403", "404", "405", "413", "415", "422"} <= set(answers)
    assert answers["200"] > REQUESTS // 20, answers
    photo, mask = scene(9)
    with live.client() as client:
        answer = client.post("/api/v1/fill", json=order(9))
        np.testing.assert_array_equal(
            pixels_of(answer.json()["samples"][0]["image"]),
            twofold.load("opencv-telea").fill(photo, mask).image,
        )

        def running() -> float:
            return sample_value(client.get("/metrics").text, "twofold_jobs_running")

        # An answer is sent a moment before its job is counted off.
        wait_until(lambda: running() == 0, "the end of all jobs")
        metrics = client.get("/metrics").text
        assert sample_value(metrics, "twofold_jobs_waiting") == 0
        assert sample_value(metrics, "twofold_jobs_running") == 0
        assert metrics.count("twofold_requests_total{") < 150  # not one for each made-up path
    wait_until(lambda: not live.server.server_state.connections, "the end of all connections")

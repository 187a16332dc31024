"""Connections: slow heads, clients that do not read, too many at once, and what is no HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from serve.live import Live, guarded, read_all, read_until, serving, status_of, wait_until
from twofold.serve import run
from twofold.serve.security import connections
from twofold.serve.security.policy import Policy
from twofold.serve.settings import Settings

SETTINGS = Settings(head_seconds=0.4, drain_seconds=1.0)
ASK = b"GET /api HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(guarded(Policy(SETTINGS)), SETTINGS) as server:
        yield server


def told(answer: bytes) -> dict[str, str]:
    content: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return content


def test_a_slow_head_is_given_up_even_if_it_keeps_dripping(live: Live) -> None:
    start = time.monotonic()
    with live.connect() as connection:
        try:
            for byte in ASK:
                connection.sendall(bytes([byte]))
                time.sleep(0.03)
        except OSError:
            pass
        answer = read_all(connection)
    assert time.monotonic() - start < 10
    assert answer == b"" or (status_of(answer) == 408 and told(answer)["code"] == "slow")


def test_a_head_that_stops_is_answered_and_a_silent_connection_just_closed(live: Live) -> None:
    answer = live.talk(ASK[:20])
    assert status_of(answer) == 408
    assert told(answer)["code"] == "slow"
    assert live.talk() == b""


def test_a_slow_head_of_a_later_request_is_given_up_too(live: Live) -> None:
    with live.connect() as connection:
        connection.sendall(ASK + ASK[:20])
        answer = read_all(connection)
    first, _, second = answer.partition(b"}")
    assert status_of(first) == 200
    assert status_of(second) == 408


def test_a_pause_between_two_requests_is_no_slow_head(live: Live) -> None:
    with live.connect() as connection:
        for _ in range(2):
            connection.sendall(ASK)
            assert status_of(read_until(connection, b"}")) == 200
            time.sleep(0.6)


def test_requests_that_are_sent_ahead_are_answered_in_order(live: Live) -> None:
    asks = [ASK, ASK.replace(b"/api", b"/nothing"), ASK.replace(b"/api", b"/health")]
    asks[-1] = asks[-1].replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    answer = live.talk(b"".join(asks))
    assert [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]] == [200, 404, 200]


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "KEEP_ALIVE_SECONDS", 0.2)
    with serving(guarded(Policy(SETTINGS)), SETTINGS) as live:
        assert live.talk(ASK).count(b"HTTP/1.1 200") == 1  # and then the server closes


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the start of TLS
        b"GET\r\n\r\n",
        b"GET /api HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n",
        b"GET /api HTTP/1.1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"GET /api HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x00" * 100_000,
    ],
)
def test_what_is_no_http_gets_one_answer_in_our_form(live: Live, nonsense: bytes) -> None:
    with live.connect() as connection:
        with suppress(OSError):
            connection.sendall(nonsense)
        answer = read_all(connection)
    assert answer == b"" or status_of(answer) in (400, 408)
    if len(nonsense) < 1000:
        assert told(answer)["code"] in ("bad_request", "slow")
    with live.client() as client:
        assert client.get("/api").status_code == 200


def test_a_broken_body_after_a_good_head_does_no_harm(live: Live) -> None:
    start = ASK.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\ncontent-type: application/json\r\n")
    answer = live.talk(start + b"transfer-encoding: chunked\r\n\r\nnonsense\r\n")
    assert status_of(answer) == 400
    with live.client() as client:
        assert client.get("/api").status_code == 200


def test_more_connections_than_may_be_are_told_so_and_many_more_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "CONNECTIONS", 3)
    settings = Settings(head_seconds=20.0, drain_seconds=1.0)
    with serving(guarded(Policy(settings)), settings) as live:
        held = [live.connect() for _ in range(3)]
        open_ones = live.server.server_state.connections
        wait_until(lambda: len(open_ones) == 3, "three connections")
        answer = live.talk(ASK)
        assert status_of(answer) == 503
        assert told(answer)["code"] == "unavailable"
        assert b"retry-after: " in answer
        wait_until(lambda: len(open_ones) == 3, "the end of the fourth connection")
        held += [live.connect() for _ in range(3)]
        wait_until(lambda: len(open_ones) == 6, "six connections")
        assert live.talk(ASK) == b""
        for connection in held:
            connection.close()
        wait_until(lambda: len(open_ones) == 0, "the end of all connections")
        assert status_of(live.talk(ASK, wait=0.2)) == 200


def test_a_client_that_does_not_read_is_let_go_and_holds_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READER_SECONDS", 0.2)
    app = guarded(Policy(SETTINGS))
    with serving(app, SETTINGS) as live, live.connect() as connection:
        connection.sendall(ASK.replace(b"/api", b"/endless"))
        assert app.state.ended.wait(20)
        assert app.state.sent * 65536 < 50_000_000  # what the system's own buffers took
        wait_until(lambda: not live.server.server_state.connections, "the end of the connection")


def test_a_client_that_reads_slowly_but_steadily_is_not_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "READER_SECONDS", 0.3)
    monkeypatch.setattr(connections, "READER_RATE", 10)
    app = guarded(Policy(SETTINGS))
    with serving(app, SETTINGS) as live, live.connect() as connection:
        connection.sendall(ASK.replace(b"/api", b"/endless"))
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            assert connection.recv(1_000_000)
            time.sleep(0.02)
        assert not app.state.ended.is_set()
    assert app.state.ended.wait(20)

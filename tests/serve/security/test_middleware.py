"""The door: who may ask, how much, how fast, and what every answer carries."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response

from serve.live import Live, guarded, read_all, sample_value, serving, status_of, wait_until
from twofold.serve.errors import ApiError
from twofold.serve.security import request_body
from twofold.serve.security.policy import Policy, is_loopback
from twofold.serve.security.request_body import BodyLimit
from twofold.serve.settings import Settings

SETTINGS = Settings(max_body=100_000, body_seconds=5.0)
POLICY = Policy(SETTINGS)
TOKEN = "a-token-of-some-length"


def refused(check: object, *arguments: object) -> int:
    """The status with which a check refuses; 0 if it does not."""
    try:
        check(*arguments)  # type: ignore[operator]
    except ApiError as refusal:
        return refusal.status
    return 0


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(guarded(POLICY)) as server:
        yield server


# --- host ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:7860", "127.0.0.1", "127.0.0.1:1", "[::1]:80", "localhost."]
)
def test_own_names_are_hosts(host: str) -> None:
    assert refused(POLICY.check_host, Headers({"host": host})) == 0


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example:7860",
        "192.168.1.5",
        "127.0.0.1@evil.example",
        "[::2]",
        "0.0.0.0",
    ],
)
def test_other_names_are_refused(host: str) -> None:
    assert refused(POLICY.check_host, Headers({"host": host})) == 403


def test_no_host_or_two_are_refused() -> None:
    assert refused(POLICY.check_host, Headers({})) == 403
    two = Headers(raw=[(b"host", b"localhost"), (b"host", b"evil.example")])
    assert refused(POLICY.check_host, two) == 403


def test_listening_on_all_addresses_takes_addresses_and_no_names() -> None:
    policy = Policy(Settings(host="0.0.0.0", allow_hosts=("Paint.example",)))
    for host, expected in {
        "192.168.1.5:7860": 0,
        "[fe80::1]:7860": 0,
        "paint.example": 0,
        "evil.example": 403,
        "192.168.1.5.evil.example": 403,
    }.items():
        assert refused(policy.check_host, Headers({"host": host})) == expected


def test_a_star_takes_any_host() -> None:
    assert refused(Policy(Settings(allow_hosts=("*",))).check_host, Headers({"host": "any.example"})) == 0


@pytest.mark.parametrize(
    ("host", "own"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False),
     ("::", False), ("192.168.1.5", False), ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_only_loopback_is_this_machines_own(host: str, own: bool) -> None:
    assert is_loopback(host) == own


# --- origin -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:7860", "localhost:7860"),
        ("http://localhost", "localhost:80"),
        ("https://paint.example", "paint.example"),  # a proxy that speaks https
        ("HTTP://LOCALHOST:7860", "localhost:7860"),
    ],
)
def test_own_pages_may_ask(origin: str, host: str) -> None:
    assert refused(POLICY.check_origin, "POST", Headers({"origin": origin, "host": host})) == 0


@pytest.mark.parametrize(
    "origin",
    ["null", "http://evil.example", "http://localhost:1", "https://localhost.evil.example", "file://", "",
     "http://localhost:7860.evil.example", "chrome-extension://localhost:7860"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_other_pages_may_not_ask(origin: str, method: str) -> None:
    assert refused(POLICY.check_origin, method, Headers({"origin": origin, "host": "localhost:7860"})) == 403


@pytest.mark.parametrize(
    ("method", "site", "expected"),
    [
        ("POST", "cross-site", 403),
        ("DELETE", "same-site", 403),
        ("POST", "same-origin", 0),
        ("POST", "none", 0),
        ("GET", "cross-site", 0),
        ("PUT", "nonsense", 403),
    ],
)
def test_browsers_tell_where_a_request_comes_from(method: str, site: str, expected: int) -> None:
    headers = Headers({"sec-fetch-site": site, "host": "localhost"})
    assert refused(POLICY.check_origin, method, headers) == expected


def test_allowed_origins_get_cors_headers_and_others_none() -> None:
    policy = Policy(Settings(origins=("https://photos.example",), token=TOKEN))
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    with serving(guarded(policy)) as live, live.client() as client:
        allowed = client.options("/api", headers={"origin": "https://photos.example", **preflight})
        assert allowed.status_code == 204
        assert allowed.headers["access-control-allow-origin"] == "https://photos.example"
        assert "Content-Type" in allowed.headers["access-control-allow-headers"]
        assert "Origin" in allowed.headers["vary"]
        assert "access-control-allow-credentials" not in allowed.headers
        other = client.options("/api", headers={"origin": "https://evil.example", **preflight})
        assert other.status_code == 403
        own = client.get("/api", headers={"origin": live.url, "authorization": f"Bearer {TOKEN}"})
        assert own.status_code == 200
        for answer in (other, own):
            assert not [name for name in answer.headers if name.startswith("access-control")]
        asked = client.post(
            "/api",
            json={},
            headers={
                "origin": "https://photos.example",
                "sec-fetch-site": "cross-site",
                "authorization": f"Bearer {TOKEN}",
            },
        )
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://photos.example"


def test_starlettes_own_middleware_falls_short() -> None:
    """Why the checks of host and origin are ours: what its answers would be."""
    app, evil = Response("fine"), "https://evil.example"
    asks = {"origin": evil, "access-control-request-method": "POST"}
    policy = Policy(Settings(origins=("https://photos.example",)))

    def ask(app: Any, method: str, headers: dict[str, str]) -> httpx.Response:
        async def once() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
                return await client.request(method, "/", headers=headers)

        return asyncio.run(once())

    hosts = TrustedHostMiddleware(app, allowed_hosts=sorted(policy.hosts))
    refusal = ask(hosts, "GET", {"host": "evil.example"})
    assert (refusal.status_code, refusal.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert ask(hosts, "GET", {"host": "localhost."}).status_code == 400  # ours takes it
    pages = CORSMiddleware(app, allow_origins=sorted(policy.origins))
    assert ask(pages, "POST", {"origin": evil}).status_code == 200  # ours refuses what other pages send
    assert refused(policy.check_origin, "POST", Headers({"origin": evil, "host": "localhost"})) == 403
    refusal = ask(pages, "OPTIONS", asks)
    assert (refusal.status_code, refusal.headers["content-type"]) == (400, "text/plain; charset=utf-8")


def test_a_request_that_breaks_off_is_counted(live: Live) -> None:
    app = guarded(POLICY)
    with serving(app) as server, server.client() as client, suppress(httpx.RemoteProtocolError):
        client.get("/broken-later")
    metrics = app.state.metrics.text().decode()
    assert sample_value(metrics, "twofold_requests_total") == 1
    assert sample_value(metrics, "twofold_requests_under_way") == 0


# --- token --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Bearer {TOKEN}", 0),
        (f"bearer {TOKEN}", 0),
        (f"Bearer  {TOKEN} ", 0),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer", 401),
        ("", 401),
        ("Bearer \xff\xfe", 401),
    ],
)
def test_the_token_is_asked_for(header: str, expected: int) -> None:
    policy = Policy(replace(SETTINGS, token=TOKEN))
    assert refused(policy.check_token, Headers({"authorization": header})) == expected
    assert refused(POLICY.check_token, Headers({})) == 0


def test_the_token_in_the_address_becomes_a_cookie() -> None:
    policy = Policy(replace(SETTINGS, token=TOKEN))
    with serving(guarded(policy)) as live, live.client() as client:
        assert client.get("/").status_code == 401
        assert client.get("/", headers={"cookie": "twofold_7860=x; =;;="}).status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.get(f"/api?token={TOKEN}").status_code == 401  # for people who open the page
        entered = client.get(f"/?token={TOKEN}")
        assert entered.status_code == 303
        assert entered.headers["location"] == "/"
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/").status_code == 200  # the client kept the cookie
        assert client.post("/api", json={}).status_code == 200
        assert client.post("/api", json={}, headers={"origin": "http://evil.example"}).status_code == 403


def test_health_needs_neither_token_nor_host(live: Live) -> None:
    with serving(guarded(Policy(replace(SETTINGS, token=TOKEN)))) as other, other.client() as client:
        assert client.get("/health", headers={"host": "10.0.0.7:80"}).status_code == 200
        assert client.post("/health", json={}).status_code == 401
        assert client.get("/health/").status_code == 401


# --- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/json", 0),
        ("Application/JSON; charset=utf-8", 0),
        ("text/plain", 415),
        ("", 415),
        ("multipart/form-data", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain; application/json", 415),
    ],
)
def test_only_json_is_read(kind: str, expected: int) -> None:
    assert refused(POLICY.check_kind, "POST", Headers({"content-type": kind})) == expected
    assert refused(POLICY.check_kind, "GET", Headers({"content-type": kind})) == 0


def head(method: bytes = b"POST", path: bytes = b"/api", **headers: object) -> bytes:
    """The head of a raw request."""
    given = {"host": "localhost", "content-type": "application/json", **headers}
    lines = [f"{name.replace('_', '-')}: {value}".encode() for name, value in given.items()]
    return b"\r\n".join([method + b" " + path + b" HTTP/1.1", *lines, b"", b""])


def test_bodies_up_to_the_limit_are_read(live: Live) -> None:
    with live.client() as client:
        sent = {"content-type": "application/json"}
        assert client.post("/api", content=b"x" * 100_000, headers=sent).json()["size"] == 100_000
        whole = client.post("/api", content=iter([b"x" * 50_000] * 2), headers=sent)
        assert whole.json()["size"] == 100_000


def test_a_body_that_is_said_to_be_too_large_is_not_read(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "LINGER", 0.1)
    with live.connect() as connection:
        connection.sendall(head(content_length=10**12))
        answer = read_all(connection)
    assert status_of(answer) == 413
    assert b"connection: close" in answer.lower()
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "too_large"


def test_a_body_that_grows_too_large_is_not_read_to_its_end(live: Live) -> None:
    with live.connect() as connection:
        connection.sendall(head(transfer_encoding="chunked"))
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent = 0
        try:
            for _ in range(1000):
                connection.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        answer = read_all(connection)
    assert sent < 60_000_000
    assert answer == b"" or status_of(answer) == 413  # a reset may overtake it here


def test_a_client_that_sends_all_before_it_reads_learns_that_it_was_too_much(live: Live) -> None:
    with live.client() as client:
        answer = client.post("/api", content=b"x" * 5_000_000, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert "100000" in answer.json()["detail"]


def test_a_slow_body_is_given_up(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "GRACE", 0.3)
    monkeypatch.setattr(request_body, "LINGER", 0.1)
    start = time.monotonic()
    answer = live.talk(head(content_length=1000), b"x" * 10)
    assert 0.3 <= time.monotonic() - start < 5
    assert status_of(answer) == 408
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "slow"


def test_a_body_that_keeps_dripping_is_given_up_and_a_fast_enough_one_is_not(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_body, "GRACE", 0.2)
    monkeypatch.setattr(request_body, "LINGER", 0.1)
    for rate, expected in ((10_000, 408), (50, 200)):
        monkeypatch.setattr(request_body, "LEAST_RATE", rate)
        with live.connect() as connection:
            connection.sendall(head(content_length=200, connection="close"))
            try:
                for _ in range(20):  # 200 bytes in 0.6 seconds
                    connection.sendall(b"x" * 10)
                    time.sleep(0.03)
            except OSError:
                pass
            assert status_of(read_all(connection)) == expected


def test_no_body_may_take_longer_than_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "LINGER", 0.1)
    with serving(guarded(Policy(replace(SETTINGS, body_seconds=0.3)))) as live:
        assert status_of(live.talk(head(content_length=1000), b"x" * 10)) == 408


def test_the_bodies_of_all_clients_are_bounded(live: Live) -> None:
    body_limit = BodyLimit(50_000)
    with serving(guarded(POLICY, body_limit)) as server, server.connect() as first, server.client() as client:
        first.sendall(head(content_length=40_000) + b"x" * 39_000)
        wait_until(lambda: body_limit.held == 39_000, "the first body's arrival")
        sent = {"content-type": "application/json"}
        answer = client.post("/api", content=b"x" * 20_000, headers=sent)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) >= 1
        assert client.post("/api", content=b"x" * 10_000, headers=sent).status_code == 200
        first.sendall(b"x" * 1000)
        first.shutdown(1)
        read_all(first)
        wait_until(lambda: body_limit.held == 0, "the release of the bodies")
        assert client.post("/api", content=b"x" * 20_000, headers=sent).status_code == 200


def test_a_body_that_nobody_reads_ends_the_connection(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "LINGER", 0.1)
    answer = live.talk(head(path=b"/deaf", content_length=50_000), b"x" * 10)
    assert status_of(answer) == 200
    assert b"connection: close" in answer.lower()


# --- answers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/health", "/nothing", "/broken"])
def test_every_answer_protects_pages(live: Live, path: str) -> None:
    with live.client() as client:
        headers = client.get(path).headers
    policy = headers["content-security-policy"]
    for part in ("default-src 'self'", "img-src 'self' blob: data:", "frame-ancestors 'none'"):
        assert part in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_what_goes_wrong_inside_is_logged_under_a_name_and_not_told(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "twofold.serve"), live.client() as client:
        answer = client.get("/broken")
    assert answer.status_code == 500
    told = answer.json()
    assert told["code"] == "internal"
    assert "secret" not in answer.text
    (record,) = [record for record in caplog.records if record.name == "twofold.serve"]
    assert record.getMessage().split()[1] in told["detail"]
    assert record.exc_info is not None


def test_an_answer_that_breaks_off_is_not_taken_for_whole(live: Live) -> None:
    with live.client() as client, pytest.raises(httpx.RemoteProtocolError):
        client.get("/broken-later")


def test_requests_are_counted_by_route_and_not_by_what_clients_make_up() -> None:
    app = guarded(POLICY)
    with serving(app) as live, live.client() as client:
        client.post("/api", json={"a": 1})
        client.get("/made-up/1")
        client.get("/made-up/2")
        client.request("BREW", "/made-up/3")
    metrics = app.state.metrics.text().decode()
    assert sample_value(metrics, "twofold_requests_total", status="404") == 2
    assert sample_value(metrics, "twofold_requests_total", method="other") == 1
    assert sample_value(metrics, "twofold_received_bytes_total") == len('{"a":1}')
    assert "made-up" not in metrics
    assert "BREW" not in metrics


def test_the_policy_follows_from_the_settings() -> None:
    policy = Policy(Settings(port=1234, token=TOKEN, origins=("https://Photos.example/",), max_body=5))
    assert policy.hosts == {"localhost", "127.0.0.1", "::1"}
    assert policy.origins == {"https://photos.example"}
    assert (policy.token, policy.cookie) == (TOKEN, "twofold_1234")
    assert (policy.max_body, policy.body_seconds) == (5, Settings().body_seconds)

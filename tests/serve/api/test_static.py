"""The files of the page: those and no others."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path

import pytest

import twofold
from serve.live import Gate, Live, serving, status_of
from twofold.serve.app import create_app
from twofold.serve.settings import Settings

SETTINGS = Settings(models=("opencv-telea",), drain_seconds=0.0)
PAGE = Path(twofold.__file__).parent / "serve" / "page"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(create_app(SETTINGS, Gate(SETTINGS))) as server:
        yield server


def test_the_page_and_its_files_are_sent_with_their_kinds(live: Live) -> None:
    files = [file for file in PAGE.rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == set(KINDS)
    with live.client() as client:
        for file in files:
            answer = client.get(f"/page/{file.relative_to(PAGE).as_posix()}")
            assert answer.content == file.read_bytes()
            assert answer.headers["content-type"] == KINDS[file.suffix]
            assert answer.headers["cache-control"] == "no-cache"
        page = client.get("/")
        assert page.content == (PAGE / "index.html").read_bytes()
        assert (page.headers["content-type"], page.headers["cache-control"]) == (KINDS[".html"], "no-cache")
        head = client.head("/page/main.js")
        length = str((PAGE / "main.js").stat().st_size)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", length)


def test_the_machines_own_table_of_kinds_does_not_count() -> None:
    """Some say text/plain for scripts, which browsers then do not run."""
    assert mimetypes.guess_type("main.js")[0] == "text/javascript"


def test_browsers_ask_whether_a_file_has_changed(live: Live) -> None:
    with live.client() as client:
        tag = client.get("/page/main.js").headers["etag"]
        other = client.get("/page/ui/keys.js").headers["etag"]
        assert tag != other
        for given, expected in (
            (tag, 304),
            (f"W/{tag}", 304),
            (f'"x", {tag}', 304),
            (other, 200),
            ("", 200),
        ):
            answer = client.get("/page/main.js", headers={"if-none-match": given})
            assert answer.status_code == expected
            assert answer.headers["etag"] == tag
            assert answer.headers["cache-control"] == "no-cache"
            assert (answer.content == b"") == (expected == 304)


@pytest.mark.parametrize(
    "path",
    [
        "/page/../../etc/passwd",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/page/..%2f..%2fetc%2fpasswd",
        "/page/%2e%2e%2fhealth.py",
        "/page/..\\health.py",
        "/page/....//health.py",
        "/page//etc/passwd",
        "/page/%00",
        "/page/main.js%00.png",
        "/page/main.js/",
        "/page/",
        "/page",
        "/page/.",
        "/page/MAIN.JS",
        "/page/main.js;a",
        "//etc/passwd",
        "/etc/passwd",
        "/static/../page/main.js",
        "/page/\xff",
        "/page/%ff%fe",
        "http://localhost/page/main.js/../x",
        "/__init__.py",
        "/page/" + "a" * 10_000,
    ],
)
def test_no_other_file_can_be_reached(live: Live, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    answer = live.talk(request.encode("latin-1"))
    assert status_of(answer) in (400, 404)
    assert b"root:" not in answer
    assert b"import" not in answer


def test_a_file_that_is_not_there_is_said_so_in_our_form(live: Live) -> None:
    with live.client() as client:
        for path in ("nothing.js", "ui", "ui/", ""):
            answer = client.get(f"/page/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("part", ["bytes=0-3", "bytes=999999999-", "nonsense"])
def test_a_file_is_sent_whole_whatever_part_is_asked_for(live: Live, part: str) -> None:
    with live.client() as client:
        answer = client.get("/page/main.js", headers={"range": part})
        assert (answer.status_code, answer.content) == (200, (PAGE / "main.js").read_bytes())


def test_without_the_page_only_the_interface_is_served() -> None:
    settings = Settings(models=("opencv-telea",), page=False)
    with serving(create_app(settings, Gate(settings))) as live, live.client() as client:
        assert client.get("/").status_code == 404
        assert client.get("/page/main.js").status_code == 404
        assert client.get("/api/v1/models").status_code == 200

"""Health, readiness, metrics, and the files of the page: those and no others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.live import Gate, Live, sample_value, serving, status_of
from twofold.serve.app import create_app
from twofold.serve.cupboard import Cupboard
from twofold.serve.service import INDEX, MEDIA_TYPES, PageFile, read_page
from twofold.serve.settings import Settings

SETTINGS = Settings(models=("opencv-telea",), drain_seconds=0.0)
FILES = {
    INDEX: PageFile(b"<!doctype html><title>page</title>", MEDIA_TYPES[".html"], '"one"'),
    "main.js": PageFile(b"export {}", MEDIA_TYPES[".js"], '"two"'),
}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    app = create_app(SETTINGS, Gate(SETTINGS))
    app.state.page = FILES
    with serving(app) as server:
        yield server


def test_health_tells_the_version(live: Live) -> None:
    import twofold

    with live.client() as client:
        assert client.get("/health").json() == {"status": "ok", "version": twofold.__version__}


class Slow(Cupboard):
    """A model that is loaded when it is told to be."""

    def __init__(self) -> None:
        super().__init__(SETTINGS)
        self.go, self.done = threading.Event(), False

    @property
    def ready(self) -> bool:
        return self.done

    def warm_up(self) -> None:
        self.go.wait(20)
        self.done = True
        self.on_load(self.default, 1.5)


def test_ready_waits_for_the_model_and_health_does_not() -> None:
    cupboard = Slow()
    with serving(create_app(SETTINGS, cupboard)) as live, live.client() as client:
        assert client.get("/health").status_code == 200
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        cupboard.go.set()
        for _ in range(1000):
            if (answer := client.get("/ready")).status_code == 200:
                break
        assert answer.json() == {"status": "ready"}
        metrics = client.get("/metrics").text
        assert sample_value(metrics, "twofold_model_load_seconds", model="opencv-telea") == 1.5


def test_a_model_that_cannot_be_loaded_leaves_the_server_alive(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    settings = Settings(models=(f"lama:{tmp_path / 'broken.onnx'}",), drain_seconds=0.0)
    with serving(create_app(settings)) as live, live.client() as client:
        for _ in range(5000):
            (model,) = client.get("/api/v1/models").json()
            if model["state"] == "failed":
                break
        assert model["state"] == "failed"
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 200
        assert str(tmp_path) not in client.get("/api/v1/models").text


# --- the page -----------------------------------------------------------------------------------


def test_the_page_and_its_files_are_sent_with_their_kinds(live: Live) -> None:
    with live.client() as client:
        page = client.get("/")
        assert page.content == FILES[INDEX].content
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-cache"
        script = client.get("/page/main.js")
        assert script.content == b"export {}"
        assert script.headers["content-type"].startswith("text/javascript")
        head = client.head("/page/main.js")
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "9")


def test_browsers_ask_whether_a_file_has_changed(live: Live) -> None:
    with live.client() as client:
        for tag, expected in (
            ('"two"', 304),
            ('W/"two"', 304),
            ('"x", "two"', 304),
            ('"one"', 200),
            ("", 200),
        ):
            answer = client.get("/page/main.js", headers={"if-none-match": tag})
            assert answer.status_code == expected
            assert answer.headers["etag"] == '"two"'
            assert (answer.content == b"") == (expected == 304)


@pytest.mark.parametrize(
    "path",
    [
        "/page/../../etc/passwd",
        "/page/%2e%2e/%2e%2e/etc/passwd",
        "/page/..%2f..%2fetc%2fpasswd",
        "/page/%2e%2e%2fservice.py",
        "/page/..\\service.py",
        "/page/....//service.py",
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


def test_the_package_has_a_page_or_none_but_never_other_kinds_of_files() -> None:
    for name, file in read_page().items():
        assert "/" not in name
        assert not name.endswith(".py")
        assert file.media_type in MEDIA_TYPES.values()
        assert file.content


def test_without_the_page_only_the_interface_is_served() -> None:
    settings = Settings(models=("opencv-telea",), page=False)
    with serving(create_app(settings, Gate(settings))) as live, live.client() as client:
        assert client.get("/").status_code == 404
        assert client.get(f"/page/{INDEX}").status_code == 404
        assert client.get("/api/v1/models").status_code == 200

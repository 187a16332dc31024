"""The application as a whole: its parts, its schema, its start and end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

import httpx
import pytest

from serve.live import Gate, at_gate, order, sample_value, serving, wait_until
from twofold.errors import CheckpointError
from twofold.serve import run
from twofold.serve.app import READ_IN_THREADS, create_app
from twofold.serve.jobs import queue
from twofold.serve.settings import Settings

SETTINGS = Settings(models=("opencv-telea",), drain_seconds=1.0)


def test_the_application_is_made_without_torch() -> None:
    code = (
        "from twofold.serve.app import create_app\nfrom twofold.serve.settings import Settings\n"
        "import twofold.serve.run, sys\ncreate_app(Settings())\n"
        "print(sorted({'torch', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_that_is_not_there_is_noticed_before_anything_is_served() -> None:
    with pytest.raises(CheckpointError, match="medfe-huge"):
        create_app(Settings(models=("medfe-huge",)))


def test_every_request_and_answer_is_in_the_schema() -> None:
    schema = create_app(SETTINGS).openapi()
    parts = schema["components"]["schemas"]
    for kind in READ_IN_THREADS:
        assert parts[kind.__name__]["examples"]
    references = [part.split('"')[0] for part in json.dumps(schema).split('"#/components/schemas/')[1:]]
    assert set(references) <= set(parts)
    fill = schema["paths"]["/api/v1/fill"]["post"]
    assert fill["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/FillRequest")
    assert set(fill["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert {"400", "401", "403", "413", "415", "422", "429", "503", "504"} <= set(fill["responses"])
    assert "/page/{name}" not in schema["paths"]


def test_the_examples_of_the_schema_work() -> None:
    pytest.importorskip("cv2")
    app = create_app(SETTINGS)
    schema = app.openapi()
    with serving(app) as live, live.client() as client:
        assert client.get("/openapi.json").json() == schema
        for path, name in {
            "fill": "FillRequest",
            "compose": "ComposeRequest",
            "inpaint": "InpaintRequest",
        }.items():
            for example in schema["components"]["schemas"][name]["examples"]:
                answer = client.post(f"/api/v1/{path}", json=example)
                assert answer.status_code == 200, answer.text


def test_two_applications_do_not_share_anything() -> None:
    with at_gate(SETTINGS) as (live, gate), at_gate(SETTINGS) as (other, _):
        gate.opened.set()
        with live.client() as client, other.client() as stranger:
            assert client.post("/api/v1/fill", json=order(1)).status_code == 200
            assert sample_value(client.get("/metrics").text, "twofold_jobs_total") == 1
            assert sample_value(stranger.get("/metrics").text, "twofold_jobs_total") == 0


class Tripping(Gate):
    """A model whose fills end in an error of ours."""

    def fill(self, *arguments: Any, **options: Any) -> Any:
        raise RuntimeError("the secret of /home/someone")


def test_an_error_inside_a_fill_is_not_told_to_clients() -> None:
    with serving(create_app(SETTINGS, Tripping(SETTINGS))) as live, live.client() as client:
        for path in ("/api/v1/fill", "/api/v1/inpaint"):
            answer = client.post(path, json=order(1))
            assert (answer.status_code, answer.json()["code"]) == (500, "internal")
            assert "secret" not in answer.text
        stream = client.post("/api/v1/fill", json=order(1, stream=True)).text
        assert '"status":500' in stream
        assert "secret" not in stream
        assert sample_value(client.get("/metrics").text, "twofold_jobs_total", state="failed") == 3


def test_what_runs_is_finished_when_the_server_stops() -> None:
    answers: list[httpx.Response] = []
    with at_gate(Settings(workers=1, drain_seconds=20.0)) as (live, gate):

        def ask() -> None:
            with live.client() as client:
                answers.append(client.post("/api/v1/fill", json=order(1)))

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert gate.at_work.acquire(timeout=20)
        with live.client() as client:
            wait_until(
                lambda: sample_value(client.get("/metrics").text, "twofold_jobs_waiting") == 2, "all jobs"
            )
            live.server.should_exit = True
            wait_until(lambda: not accepts(live.port), "the end of the listening")
        gate.opened.set()
        for thread in threads:
            thread.join(20)
    assert [answer.status_code for answer in answers] == [200] * 3


def test_what_takes_too_long_is_cancelled_when_the_server_stops() -> None:
    with at_gate(Settings(workers=1, drain_seconds=0.3)) as (live, gate), live.client() as client:
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(client.post("/api/v1/fill", json=order(1))))
        thread.start()
        assert gate.at_work.acquire(timeout=20)
        live.server.should_exit = True
        thread.join(20)
        live.thread.join(20)
        assert not live.thread.is_alive()
    assert (answers[0].status_code, answers[0].json()["code"]) == (409, "cancelled")
    assert gate.left == ["an exception"]


class Deaf(Gate):
    """A model that does not notice that its job is to end."""

    def fill(self, *arguments: Any, **options: Any) -> Any:
        self.at_work.release()
        self.opened.wait(30)
        raise RuntimeError


def test_a_model_that_never_ends_does_not_keep_the_server_and_its_client_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queue, "_LAST_CALL", 0.1)
    monkeypatch.setattr(run, "FAREWELL_SECONDS", 0.2)
    settings = Settings(models=("opencv-telea",), drain_seconds=0.1)
    gate = Deaf(settings)
    answers: list[httpx.Response] = []
    with serving(create_app(settings, gate), settings) as live, live.client() as client:
        thread = threading.Thread(target=lambda: answers.append(client.post("/api/v1/fill", json=order(1))))
        thread.start()
        assert gate.at_work.acquire(timeout=20)
        live.server.should_exit = True
        live.thread.join(20)
        assert not live.thread.is_alive()
        thread.join(20)
        gate.opened.set()
    assert (answers[0].status_code, answers[0].json()["code"]) == (503, "unavailable")
    assert not [record for record in caplog.records if record.exc_info]


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
